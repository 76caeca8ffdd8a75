"""The allow-list of internal functions, and the check of their arguments."""

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from signals.functions.core.internal import Argument, InternalFunction
from signals.functions.core.sessions import SESSION_FUNCTIONS
from signals.functions.core.statistics import WINDOW_FUNCTIONS
from signals.functions.core.volatility import VOLATILITY_FUNCTIONS
from signalsite.foundation.errors import InvalidInput

INTERNAL: Mapping[str, InternalFunction] = {
    each.name: each
    for each in sorted((*SESSION_FUNCTIONS, *WINDOW_FUNCTIONS, *VOLATILITY_FUNCTIONS), key=lambda each: each.name)
}


def internal_function(name: str, field: str) -> InternalFunction:
    """Return a function by name. Raises InvalidInput, which names the nearest ones."""
    if (found := INTERNAL.get(name)) is None:
        raise InvalidInput(field, f"there is no internal function {name[:64]!r}; {nearest(name, INTERNAL)}")
    return found


def nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(name[:64].lower(), known, n=3, cutoff=0.5)
    return f"the nearest are {', '.join(close)}" if close else f"there are {', '.join(known) or 'none'}"


def complete(function: InternalFunction, given: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Return all arguments of a call, with defaults. Raises InvalidInput, which names the wrong one."""
    known = {each.name: each for each in function.arguments}
    for name in given:
        if name not in known:
            raise InvalidInput(f"{field}.{name[:64]}", f"{function.name} has no such parameter; {nearest(name, known)}")
    return {name: _checked(each, given.get(name, each.default), f"{field}.{name}") for name, each in known.items()}


def _checked(argument: Argument, value: Any, field: str) -> Any:
    if argument.choices:
        if value not in argument.choices or not isinstance(value, str):
            raise InvalidInput(field, f"must be one of {', '.join(argument.choices)}")
        return value
    what = f"must be a {'whole ' if argument.whole else ''}number from {argument.lowest:g} to {argument.highest:g}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(field, what)
    if not (argument.lowest <= value <= argument.highest) or (argument.whole and value != math.floor(value)):
        raise InvalidInput(field, what)
    return int(value) if argument.whole else float(value)
