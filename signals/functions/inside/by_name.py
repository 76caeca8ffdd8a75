"""Names of functions that pandas finds by itself: df.agg("max"). What may not be read may not be named either."""

import functools
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType, MethodType
from typing import Any

import numpy as np
import pandas as pd

from signals.functions.inside.classes import is_users
from signals.functions.inside.names import is_denied

_NAMELESS: tuple[type, ...] = (
    int,
    float,
    complex,
    slice,
    type,
    FunctionType,
    BuiltinFunctionType,
    MethodType,
    functools.partial,
)
_NAMELESS += (np.ufunc, np.generic, MethodDescriptorType, type(np.mean))
DEEPEST_NAMES = 4
closed_by_name: set[str] = set()
"""Functions of numpy that no facade has, but that pandas finds by name. The facades fill it."""


def checking_names(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same call, that refuses to be given by name what may not be read: df.apply("to_csv")."""

    def checked(*args: Any, **kwargs: Any) -> Any:
        _check((args, kwargs), 0)
        return call(*args, **kwargs)

    return checked


def _check(given: Any, depth: int) -> None:
    """Refuse names that may not be read, and every kind of list that could hide them from this look."""
    if isinstance(given, str):
        text = str.__str__(given)
        if text.startswith("_") or is_denied(text) or text in closed_by_name:
            raise AttributeError(f"{text!r} is not available in functions")
    elif type(given) is dict and depth < DEEPEST_NAMES:
        for each, value in given.items():
            _check(each, depth + 1)
            _check(value, depth + 1)
    elif type(given) in (list, tuple, set) and depth < DEEPEST_NAMES:
        for each in given:
            _check(each, depth + 1)
    elif isinstance(given, pd.NamedAgg):
        _check((given.aggfunc, getattr(given, "args", ()), getattr(given, "kwargs", None) or {}), depth)
    elif getattr(getattr(given, "dtype", None), "kind", "O") in "biufcmM":
        return
    elif given is not None and (is_users(given) or not isinstance(given, _NAMELESS)):
        raise TypeError(f"a {type(given).__name__} cannot be given here: names, lists, dicts and functions can")
