"""What is too heavy for the consumer's cycle: users' functions and long windows, computed for ticks that have come.

The tick consumer asks (`realtime.ticks.heavy_work`) and publishes what comes back, each result with its tick's
identity. A configuration that has changed meanwhile gives nothing: with the next tick the consumer asks for the new
version.
"""

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from batch.configs.core.findings import Finding
from batch.configs.evaluating import evaluate
from batch.configs.kinds.units import Budget
from realtime.core.names import Names
from realtime.results.publishing import publish_results
from signals.configs.core.document import Document
from signals.configs.core.results import ConfiguredResult, Source
from signals.configs.models import Configuration
from signals.configs.selectors import active_of, public_owner

SECONDS = 40.0  # less than a task's soft time limit


def compute_on_ticks(
    configuration: uuid.UUID,
    version: int,
    labels: Mapping[str, Sequence[str]],
    ticks: Sequence[tuple[str, str, str]],
    *,
    names: Names,
) -> int:
    """Compute the labels of each kind for ticks (instrument key, entry ID, time), publish the results, and return how
    many there are. Raises redis.RedisError and the errors of PostgreSQL. Doing it again is harmless."""
    rows = Configuration.objects.filter(pk=configuration, version=version, active=True, owner__is_active=True)
    active = active_of(rows)
    if not active:
        return 0
    found = active[0]
    heavy = only(found.document, labels)
    findings = [
        (Finding(datetime.fromisoformat(time), replace(heavy, instruments=(key,))), key, entry)
        for key, entry, time in ticks
    ]
    evaluate([finding for finding, _, _ in findings], Budget(until=time.monotonic() + SECONDS, alone=True))
    results = [
        ConfiguredResult(
            configuration=found.id,
            name=found.document.name,
            version=found.version,
            owner_id=found.owner_id,
            instrument_key=key,
            interval=found.document.interval,
            frequency=found.document.frequency,
            time=finding.due,
            source=Source.TICK,
            values=finding.values.get(key, {}),
            reasons=finding.reasons.get(key, {}),
            tick=entry,
        )
        for finding, key, entry in findings
    ]
    publish_results(results, names, public=public_owner())
    return len(results)


def only(document: Document, labels: Mapping[str, Sequence[str]]) -> Document:
    """Return the document with these computations only. Parameters of Greeks stay: joined columns need them."""
    wanted: dict[str, Any] = {
        "indicators": tuple(text for text in document.indicators if text in labels.get("indicators", ())),
        **{
            kind: tuple(each for each in getattr(document, kind) if each.label in labels.get(kind, ()))
            for kind in ("functions", "external_functions")
        },
    }
    greeks = None if document.greeks is None else replace(document.greeks, columns=())
    return replace(document, greeks=greeks, **wanted)
