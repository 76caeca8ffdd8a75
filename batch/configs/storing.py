"""Store what runs gave: states, results, how they were made and what is to be published, in one transaction."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import connection

from batch.configs.claims import OURS, RunClaim
from batch.configs.core.findings import Finding
from batch.configs.counting import count_ended
from batch.jobs.transactions import worker_transaction
from signals.configs.core.results import ConfiguredResult, Source


@dataclass(slots=True)
class Computed:
    """A claimed run with what it found, or with the error for which it found nothing."""

    claim: RunClaim
    finding: Finding | None
    error: str = ""

    def results(self) -> list[ConfiguredResult]:
        if self.finding is None:
            return []
        claimed, document = self.claim, self.finding.document
        return [
            ConfiguredResult(
                configuration=claimed.configuration,
                name=claimed.name,
                version=claimed.version,
                owner_id=claimed.owner_id,
                instrument_key=instrument,
                interval=document.interval,
                frequency=document.frequency,
                time=claimed.due,
                source=Source.SCHEDULE,
                values=values,
                reasons=self.finding.reasons.get(instrument, {}),
                run=claimed.run,
            )
            for instrument, values in self.finding.values.items()
        ]


# PostgreSQL's silence timeout does not apply within a COPY, so columns come as parameters.
_OURS = OURS.format(
    ours="""unnest(%(runs)s::bigint[], %(attempts)s::int[], %(errors)s::text[], %(instruments)s::int[],
                   %(failed)s::int[]) AS ours(run, attempt, error, instruments, failed)"""
)
_FINISH = f"""
WITH locked AS ({_OURS})
UPDATE signal_configuration_runs r
SET state = CASE WHEN locked.error = '' THEN 'done' ELSE 'failed' END, error = locked.error,
    finished_at = clock_timestamp(),
    duration_ms = extract(epoch FROM clock_timestamp() - r.started_at) * 1000, instruments = locked.instruments,
    failed = locked.failed
FROM locked WHERE r.id = locked.id RETURNING r.id, r.state, r.lateness_ms
"""
_RESULTS = """
INSERT INTO signal_configuration_results
    (instrument_key, time, configuration_id, source, version, run, tick, values, reasons)
SELECT instrument, time, configuration, 'schedule', version, run, '', values::jsonb, reasons::jsonb
FROM unnest(%(instruments)s::text[], %(times)s::timestamptz[], %(configurations)s::uuid[], %(versions)s::int[],
            %(runs)s::bigint[], %(values)s::text[], %(reasons)s::text[])
     AS r(instrument, time, configuration, version, run, values, reasons)
ON CONFLICT DO NOTHING
"""
_METADATA = """
INSERT INTO signal_computation_metadata
    (kind, time, configuration_id, source, version, computation_version, instruments, values, missing, milliseconds)
SELECT kind, time, configuration, 'schedule', version, made_by, instruments, values, missing, milliseconds
FROM unnest(%(kinds)s::text[], %(times)s::timestamptz[], %(configurations)s::uuid[], %(versions)s::int[],
            %(made_by)s::text[], %(instruments)s::int[], %(values)s::int[], %(missing)s::int[], %(ms)s::float8[])
     AS m(kind, time, configuration, version, made_by, instruments, values, missing, milliseconds)
ON CONFLICT DO NOTHING
"""
_TO_PUBLISH = "INSERT INTO batch_unpublished_runs (run) SELECT unnest(%s::bigint[]) ON CONFLICT DO NOTHING"


def store(computed: Sequence[Computed]) -> set[int]:
    """Store the runs whose claims are still ours, and return them. Of the others nothing is stored."""
    findings = [each.finding for each in computed]
    finished: dict[str, list[Any]] = {
        "runs": [each.claim.run for each in computed],
        "attempts": [each.claim.attempt for each in computed],
        "errors": [each.error for each in computed],
        "instruments": [len(each.values) if each else 0 for each in findings],
        "failed": [each.missing() if each else 0 for each in findings],
    }
    with worker_transaction(), connection.cursor() as cursor:
        cursor.execute(_FINISH, finished)
        finished_rows = cursor.fetchall()
        ours = {row[0] for row in finished_rows}
        stored = [each for each in computed if each.claim.run in ours]
        cursor.execute(_RESULTS, _result_columns([result for each in stored for result in each.results()]))
        cursor.execute(_METADATA, _metadata_columns(stored))
        cursor.execute(_TO_PUBLISH, [[each.claim.run for each in stored if each.finding is not None]])
        count_ended([row[1:] for row in finished_rows])
    return ours


def _result_columns(results: Sequence[ConfiguredResult]) -> dict[str, list[Any]]:
    return {
        "instruments": [each.instrument_key for each in results],
        "times": [each.time for each in results],
        "configurations": [each.configuration for each in results],
        "versions": [each.version for each in results],
        "runs": [each.run for each in results],
        "values": [_json(each.values) for each in results],
        "reasons": [_json(each.reasons) for each in results],
    }


def _json(value: Mapping[str, Any]) -> str:
    """Return JSON that PostgreSQL takes: NaN is null, and what a function of a user called U+0000 is not there."""
    raw = orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"\\u0000" in raw:  # or the tail of an escaped backslash, which is no U+0000
        raw = orjson.dumps(_without_nul(orjson.loads(raw)))
    return raw.decode()


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(each) for name, each in value.items()}
    return [_without_nul(each) for each in value] if isinstance(value, list) else value


_MetadataRow = tuple[str, datetime, uuid.UUID, int, str, int, int, int, float]


def _metadata_columns(computed: Sequence[Computed]) -> dict[str, list[Any]]:
    rows: list[_MetadataRow] = [
        (
            kind,
            each.claim.due,
            each.claim.configuration,
            each.claim.version,
            "; ".join(filter(None, costs.versions)),
            len(each.finding.document.instruments),
            *each.finding.counts(kind),
            costs.milliseconds,
        )
        for each in computed
        if each.finding is not None
        for kind, costs in each.finding.costs.items()
    ]
    names = ("kinds", "times", "configurations", "versions", "made_by", "instruments", "values", "missing", "ms")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}
