"""Reads requests for indicators."""

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request

from signals.indicators.core.spec import LONGEST_TEXT, Spec, find_indicator, make_spec
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.serializers import StrictSerializer

PREFIX = "indicator_"
MOST_PARAMETERS = 64


def read_query(serializer: type[StrictSerializer], request: Request, indicator: str) -> tuple[dict[str, Any], Spec]:
    """Return the page's parameters and the indicator with its own.

    What the serializer does not know is a parameter of the indicator. One that has a name of the page's is written with
    PREFIX before it. Raises InvalidInput and ValidationError.
    """
    given: dict[str, str] = request.query_params.dict()
    if len(given) > MOST_PARAMETERS:
        raise InvalidInput("parameters", f"at most {MOST_PARAMETERS}")
    query = serializer()
    known = {name: value for name, value in given.items() if name in query.fields}
    others = {name: value for name, value in given.items() if name not in query.fields}
    find_indicator(indicator, "indicator")
    spec = make_spec(indicator, _own(others), "indicator", texts=True)
    checked = serializer(data=known)
    checked.is_valid(raise_exception=True)
    return checked.validated_data, spec


def _own(given: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in given.items():
        own = name.removeprefix(PREFIX)
        if own in found:
            raise InvalidInput(f"indicator.{own}", "is given twice")
        if len(value) > LONGEST_TEXT:
            raise InvalidInput(f"indicator.{own[:40]}", f"has more than {LONGEST_TEXT} characters")
        found[own] = value
    return found
