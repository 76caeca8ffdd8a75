"""Rows of configurations that run with ticks. Safe to repeat: a row that is stored stays."""

import orjson
from django.db import transaction

from realtime.core.result_states import encode_result
from realtime.ticks.core.configured_records import ConfiguredRecords
from signals.configs.core.results import ConfiguredResult
from signals.configs.models import ComputationMetadata, ConfigurationResult

TOGETHER = 1_000


def store_records(records: ConfiguredRecords) -> None:
    """Store rows, in one transaction or in the caller's."""
    with transaction.atomic():
        ConfigurationResult.objects.bulk_create(
            [_row(each) for each in records.results], batch_size=TOGETHER, ignore_conflicts=True
        )
        ComputationMetadata.objects.bulk_create(
            [
                ComputationMetadata(
                    kind=each.kind,
                    time=each.result.time,
                    configuration_id=each.result.configuration,
                    source=each.result.source,
                    version=each.result.version,
                    computation_version=each.computation_version,
                    instruments=each.instruments,
                    values=each.values,
                    missing=each.missing,
                    milliseconds=each.milliseconds,
                )
                for each in records.kinds
            ],
            batch_size=TOGETHER,
            ignore_conflicts=True,
        )


def _row(result: ConfiguredResult) -> ConfigurationResult:
    state = orjson.loads(encode_result(result))  # without NaN, which PostgreSQL refuses
    return ConfigurationResult(
        instrument_key=result.instrument_key,
        time=result.time,
        configuration_id=result.configuration,
        source=result.source,
        version=result.version,
        run=result.run,
        tick=result.tick,
        values=state["values"],
        reasons=state["reasons"],
    )
