"""The schema of configurations with this site's limits and what its computations declare."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from django.conf import settings

from signals.configs.core.faults import Fault
from signals.configs.core.schema import ConfigSchema
from signals.configs.core.sections import GreeksOffered
from signals.greeks.core.conventions import FIRST_ORDER
from signalsite.foundation.computations.registry import find
from signalsite.foundation.computations.requests import params_serializer
from signalsite.foundation.problems import flat_errors


def site_schema() -> ConfigSchema:
    return ConfigSchema(
        most_bytes=settings.CONFIG_MAX_BYTES,
        most_instruments=settings.CONFIG_MAX_INSTRUMENTS,
        exchange=settings.DEFAULT_EXCHANGE,
        greeks=greeks_offered(),
    )


@cache
def greeks_offered() -> GreeksOffered:
    computation = find("greeks")
    return GreeksOffered(
        columns=[each.name for each in computation.columns],
        defaults=["implied_volatility", *FIRST_ORDER],
        picked=list(computation.picked),
        parameters=[each.name for each in computation.parameters],
        read_params=_read_params,
    )


def _read_params(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    serializer = params_serializer(find("greeks"))(data=given)
    if serializer.is_valid():
        return dict(serializer.validated_data), []
    return {}, [(each["field"], each["detail"]) for each in flat_errors(serializer.errors)]
