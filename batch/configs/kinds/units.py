"""Units of work: what several runs have in common is computed once, and fails once."""

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError

from batch.configs.core.findings import Finding
from signalsite.foundation.errors import InvalidInput

logger = logging.getLogger(__name__)

FAILED = "computing it failed: the log of the service says why"


class NoTimeLeft(Exception):
    """The time of a group is over: each of its runs needs its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """`until`: the moment of `time.monotonic` at which the last unit may begin. `alone`: a run that has none beside it.
    Its units that do not begin in time have a reason in the place of values."""

    until: float
    alone: bool

    def left_seconds(self) -> float:
        """Raises NoTimeLeft."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise NoTimeLeft
        return left


@dataclass(slots=True)
class Unit:
    """Runs that ask for the same: their findings, each with the labels that it has of it."""

    askers: list[tuple[Finding, list[str]]] = field(default_factory=list)

    def add(self, finding: Finding, label: str) -> None:
        if self.askers and self.askers[-1][0] is finding:
            self.askers[-1][1].append(label)
        else:
            self.askers.append((finding, [label]))

    def keys(self) -> list[str]:
        """Return the instruments that any of them asks for, each once."""
        return list(dict.fromkeys(key for finding, _ in self.askers for key in finding.document.instruments))


def run_unit(kind: str, unit: Unit, compute: Callable[[Unit], str], budget: Budget) -> None:
    """Compute a unit. `compute` returns the version of what computed it.

    An error leaves a reason in the place of its values, and the other units go on.
    Raises only NoTimeLeft, what ends a task, and the errors of a lost PostgreSQL: then nothing could be stored either,
    and another attempt follows.
    """
    begun, version = time.perf_counter(), ""
    try:
        budget.left_seconds()
        version = compute(unit)
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
        raise
    except NoTimeLeft:
        if not budget.alone:
            raise
        _fail(kind, unit, "no time was left")
    except InvalidInput as error:
        _fail(kind, unit, str(error))
    except Exception:  # whatever a kind does, the others have their values
        logger.exception("%s of %d scheduled runs failed", kind, len(unit.askers))
        _fail(kind, unit, FAILED)
    milliseconds = 1000 * (time.perf_counter() - begun)
    total = sum(len(finding.document.instruments) for finding, _ in unit.askers) or 1
    for finding, _ in unit.askers:
        finding.spend(kind, version, milliseconds * len(finding.document.instruments) / total)


def _fail(kind: str, unit: Unit, reason: str) -> None:
    for finding, labels in unit.askers:
        finding.fail(kind, labels, reason)


def units_of(asked: Iterable[tuple[Any, Finding, str]]) -> Mapping[Any, Unit]:
    """Gather (what, who, label) by what is asked for."""
    units: dict[Any, Unit] = {}
    for what, finding, label in asked:
        units.setdefault(what, Unit()).add(finding, label)
    return units


def text_of(params: Mapping[str, Any]) -> str:
    """Return one text of equal parameters."""
    return json.dumps(params, sort_keys=True, separators=(",", ":"))
