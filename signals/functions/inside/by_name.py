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
_NAMELESS += (type(None), type(pd.NA), pd.Timestamp, pd.Timedelta, pd.Period, pd.Interval)
DEEPEST_NAMES = 4
closed_by_name: set[str] = set()
"""Functions of numpy that no facade has, but that pandas finds by name. The facades fill it."""


def checking_names(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same call, that refuses to be given by name what may not be read: df.apply("to_csv")."""

    def checked(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = _checked((args, kwargs), 0)
        return call(*args, **kwargs)

    return checked


def _checked(given: Any, depth: int) -> Any:
    """Return what is given, lists and dicts as copies, which no callback can change while pandas reads them.

    Raises AttributeError for names that may not be read, and TypeError for every kind of list that could hide them.
    """
    if isinstance(given, str):
        text = str.__str__(given)
        if text.startswith("_") or is_denied(text) or text in closed_by_name:
            raise AttributeError(f"{text!r} is not available in functions")
    elif type(given) is dict and depth < DEEPEST_NAMES:
        return {_checked(each, depth + 1): _checked(value, depth + 1) for each, value in given.items()}
    elif type(given) in (list, tuple, set) and depth < DEEPEST_NAMES:
        return type(given)(_checked(each, depth + 1) for each in given)
    elif isinstance(given, pd.NamedAgg):
        _checked((given.aggfunc, getattr(given, "args", ()), getattr(given, "kwargs", None) or {}), depth)
    elif type(given) in (pd.Series, pd.Index, pd.CategoricalIndex) and given.dtype.kind == "O":
        _checked([*given.unique()], DEEPEST_NAMES - 1)
        return given.copy()
    elif getattr(getattr(given, "dtype", None), "kind", "O") not in "biufcmM" and (
        is_users(given) or not isinstance(given, _NAMELESS)
    ):
        raise TypeError(f"a {type(given).__name__} cannot be given here: names, lists, dicts and functions can")
    return given
