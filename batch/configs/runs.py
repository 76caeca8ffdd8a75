"""Runs of configurations: claim a group, compute it outside any transaction, store what is still ours, publish it."""

import logging
import time
from collections.abc import Sequence

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError

from batch.configs.claims import RunClaim, claim, give_back, kept
from batch.configs.core.findings import Finding
from batch.configs.evaluating import evaluate
from batch.configs.groups import is_slow_document
from batch.configs.kinds.units import FAILED, Budget, NoTimeLeft
from batch.configs.publishing import publish
from batch.configs.storing import Computed, store
from batch.events import Event, log_event
from signals.configs.core.canonical import UnreadableDocument, document_of

logger = logging.getLogger(__name__)

SECONDS = 40.0
"""Of computing a group, or a run that is alone. With AGAIN_SECONDS less than a task's soft time limit."""
AGAIN_SECONDS = 5.0
"""In which runs that are on their own begin. The sweep finds the others, and each has its own task then."""
NOT_THEIRS = (OperationalError, InterfaceError, SoftTimeLimitExceeded)  # no run is to blame for them


def run_group(runs: Sequence[int], *, again: bool = False) -> int:
    """Compute those of the runs that are free, and return how many were stored.

    `again`: an earlier attempt at the group failed. Then each run is on its own, so that one that ends its process or
    raises takes no other along. An error is counted and raised when all have had their turn.
    """
    if not again:
        return len(run_claimed(_quick(claim(runs))))
    stored, failed, begun = 0, None, time.monotonic()
    for run in runs:
        if time.monotonic() - begun > AGAIN_SECONDS:
            break
        try:
            stored += len(run_claimed(_quick(claim([run]))))
        except NOT_THEIRS:
            raise
        except Exception as error:  # noqa: BLE001 -- raised below; the others have their turn first
            failed = error
    if failed is not None:
        raise failed
    return stored


def _quick(claims: Sequence[RunClaim]) -> list[RunClaim]:
    """Give back what has become slow since its group was made: it waits for a turn of its owner."""
    if slow := [each for each in claims if is_slow_document(each.document)]:
        give_back(slow)
    return [each for each in claims if each not in slow]


def run_claimed(claims: Sequence[RunClaim]) -> set[int]:
    """Compute what is claimed, store what is still ours and publish it. Returns the runs that were stored."""
    if not claims:
        return set()
    try:
        with kept(claims):
            computed = _compute(claims)
            stored = store(computed)
    except Exception as error:
        log_event(Event.RUN_FAILED, len(claims), error=error)
        raise
    if len(stored) < len(claims):
        log_event(Event.RUN_REFUSED, len(claims) - len(stored))
    publish([each.results() for each in computed if each.claim.run in stored])
    return stored


def _compute(claims: Sequence[RunClaim]) -> list[Computed]:
    computed = [_begun(each) for each in claims]
    able = [each for each in computed if each.finding is not None]
    until = time.monotonic() + SECONDS
    try:
        found = [each.finding for each in able if each.finding is not None]
        evaluate(found, Budget(until=until, alone=len(claims) == 1))
    except (*NOT_THEIRS, NoTimeLeft):
        raise
    except Exception:  # most likely of one document: each alone then, and that one fails
        logger.exception("%d runs could not be computed together", len(able))
        for each in able:
            _alone(each, until)
    return computed


def _begun(claimed: RunClaim) -> Computed:
    try:
        return Computed(claimed, Finding(claimed.due, document_of(claimed.document)))
    except UnreadableDocument as error:
        return Computed(claimed, None, str(error))


def _alone(computed: Computed, until: float) -> None:
    assert computed.finding is not None
    finding = computed.finding = Finding(computed.claim.due, computed.finding.document)
    try:
        evaluate([finding], Budget(until=until, alone=True))
    except NOT_THEIRS:
        raise
    except Exception:  # whatever its document does: this run fails, and the others are stored
        logger.exception("run %d of configuration %s failed", computed.claim.run, computed.claim.configuration)
        computed.finding, computed.error = None, FAILED
