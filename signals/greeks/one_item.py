"""One item of a request as a command takes it: a key, or the API's object as JSON."""

import json
from collections.abc import Mapping

from signalsite.foundation.computations.contract import Bounds
from signalsite.foundation.computations.option_fields import EITHER, NAMES
from signalsite.foundation.computations.overrides import why_refused
from signalsite.foundation.errors import InvalidInput
from timeframes.core.option_names import option_key
from timeframes.default_exchange import completed, default_exchange


def read_one(text: str, bounds: Mapping[str, Bounds]) -> tuple[str, dict[str, float]]:
    """Return the item's key and its overrides. Raises InvalidInput, which names the wrong field."""
    if not text.lstrip().startswith("{"):
        return completed(text), {}
    try:
        item = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("item", f"the item is not JSON: {error}") from error
    given = {name: value for name, value in item.items() if value is not None}
    key, terms = given.pop("instrument_key", None), NAMES.intersection(given)
    if isinstance(key, str) and not terms:
        key = completed(key)
    elif key is None and terms:
        key = option_key(given, default_exchange())
    else:
        raise InvalidInput("item", f"an item has {EITHER}")
    overrides = {name: value for name, value in given.items() if name not in terms and name != "custom_id"}
    for name, value in overrides.items():
        if name not in bounds:
            raise InvalidInput("item", f"unknown field {name[:50]!r}: the overrides are {', '.join(bounds)}")
        if wrong := why_refused(name, value, bounds[name]):
            raise InvalidInput(name, wrong)
    return key, {name: float(value) for name, value in overrides.items()}
