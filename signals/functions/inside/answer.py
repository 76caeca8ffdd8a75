"""Turn what a function returned, or raised, into the frame of an answer."""

import builtins
import json
from collections.abc import ValuesView
from decimal import Decimal
from fractions import Fraction
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from signals.functions.inside.names import not_available
from signals.functions.inside.policy import FILE, Refused
from signals.functions.inside.wire import (
    COLUMN,
    FLAG,
    LONGEST_MESSAGE,
    LONGEST_NAME,
    MOST_NAMES,
    MOST_NUMBERS,
    NOTHING,
    NUMBER,
    TABLE,
    WHOLE,
    frame,
)

_EXACT = 2**53
VALUE = "value"
"""The name of a result that is no dict."""
_LIST = dict.fromkeys(("set", "frozenset", "generator", "map", "filter", "zip", "dict_keys", "deque"), "; use list()")
_HINTS = _LIST | {"dict": "; a dict of dicts is too deep", "str": "; texts are no results"}


class BadResult(TypeError):
    """A function returned what is no result."""


def answer_of(result: Any, printed: str = "") -> bytes:
    """Return the frame of a result. Raises BadResult, or what numpy raises on odd arrays."""
    if isinstance(result, pd.DataFrame):
        if not result.columns.is_unique:
            raise BadResult("the result is a DataFrame with two columns of one name")
        result = {name: result.iloc[:, place] for place, name in enumerate(result.columns)}
    several = isinstance(result, dict)
    named = {_name(name): value for name, value in result.items()} if several else {VALUE: result}
    if several and len(named) < len(result):
        raise BadResult("the result has two values of one name")
    if len(named) > MOST_NAMES:
        raise BadResult(f"the result has {len(named)} names; {MOST_NAMES} are allowed")
    parts, numbers, left = [], [], MOST_NUMBERS
    for name, value in named.items():
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise BadResult(f"names in a result are texts of 1 to {LONGEST_NAME} printable characters")
        kind, shape, column = _part(f"the result's {name!r}" if several else "the result", value, left)
        left -= column.size
        parts.append([name, kind, shape])
        numbers.append(column.tobytes())
    meta = {"parts": parts, "several": several, "printed": _clean(printed)}
    return frame(json.dumps(meta).encode(), *numbers)


def _name(name: Any) -> str:
    """Return the text of a key. Whole numbers may be keys, as in {5: ..., 20: ...}."""
    if isinstance(name, str):
        return str.__str__(name)
    if isinstance(name, int | np.integer) and type(name) is not bool:
        return str(int(name))
    raise BadResult(f"a name in the result is a {type(name).__name__}: a text or a whole number is expected")


def _part(what: str, value: Any, most: int) -> tuple[str, list[int], np.ndarray]:
    if isinstance(value, np.generic) and value.ndim == 0:
        value = float(value) if isinstance(value, np.floating) else value.item()
    if isinstance(value, range):
        value = np.arange(value.start, value.stop, value.step) if len(value) <= most else [0.0] * (most + 1)
    if isinstance(value, pd.api.extensions.ExtensionArray):
        value = pd.Series(value)
    if isinstance(value, ValuesView):
        value = list(value)
    if type(value) in (Decimal, Fraction):
        value = float(value)
    if value is None or value is pd.NA or value is pd.NaT:
        return NOTHING, [], _numbers(0.0)
    if isinstance(value, bool):
        return FLAG, [], _numbers(float(value))
    if isinstance(value, int):
        return WHOLE if abs(value) <= _EXACT else NUMBER, [], _numbers(_float(what, value))
    if isinstance(value, float):
        return NUMBER, [], _numbers(value)
    if not isinstance(value, list | tuple | np.ndarray | pd.Series | pd.Index):
        hint = _HINTS.get(type(value).__name__, "")
        raise BadResult(f"{what} is a {type(value).__name__}: a number, a list, an array or a Series is expected{hint}")
    if len(value) > most if not isinstance(value, np.ndarray) else value.size > most:
        raise BadResult(f"{what} has too many values; {MOST_NUMBERS} are allowed in all")
    column = _column(what, value, most)
    if column.ndim == 0:
        return NUMBER, [], column
    return COLUMN if column.ndim == 1 else TABLE, list(column.shape), column


def _numbers(value: float) -> np.ndarray:
    return np.array(value, "<f8")


def _float(what: str, value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise BadResult(f"{what} is a whole number beyond floats") from None


def _item(value: Any) -> Any:
    if value is None or value is pd.NA or value is pd.NaT:
        return np.nan
    return float(value) if type(value) in (Decimal, Fraction) else value


def _column(what: str, value: Any, most: int) -> np.ndarray:
    if isinstance(value, pd.Series | pd.Index):
        if value.dtype.kind in "mM":
            raise BadResult(f"{what} has moments, which are no numbers")
        value = value.to_numpy(dtype="float64", na_value=np.nan)
    if isinstance(value, list | tuple):
        rows = any(isinstance(each, list | tuple | np.ndarray) for each in value)
        if rows and sum(len(each) if isinstance(each, list | tuple | np.ndarray) else 1 for each in value) > most:
            raise BadResult(f"{what} has too many values; {MOST_NUMBERS} are allowed in all")
        if not rows:
            value = [_item(each) for each in value]
            if any(not isinstance(each, int | float | np.number | np.bool_) for each in value):
                raise BadResult(f"{what} has a value that is no number")
            value = [_float(what, each) if isinstance(each, int) else each for each in value]
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O":
            array = np.array([np.nan if each is None else each for each in array.ravel().tolist()]).reshape(array.shape)
    except (ValueError, TypeError) as error:
        raise BadResult(f"{what} is no column or table of numbers") from error
    if array.dtype.kind not in "biuf" or array.ndim > 2:
        raise BadResult(f"{what} is an array of {array.ndim} dimensions of {array.dtype}: numbers are expected")
    return np.array(array, "<f8", order="C")


def answer_of_error(error: BaseException) -> bytes:
    """Return the frame of an error, with the line of the user's source."""
    if isinstance(error, Refused):
        rows = error.rows
    elif isinstance(error, SyntaxError):
        rows = [(error.lineno if type(error.lineno) is int else None, _message(error))]
    else:
        rows = [(_line(error.__traceback__), _message(error))]
    rows = [(line, _clean(message)[:LONGEST_MESSAGE]) for line, message in rows]
    return frame(json.dumps({"error": type(error).__name__[:LONGEST_NAME], "rows": rows}).encode())


def _message(error: BaseException) -> str:
    try:
        if type(error) is NameError and error.name is not None and hasattr(builtins, error.name):
            return not_available(repr(error.name), error.name)
        text = error.msg if isinstance(error, SyntaxError) else str(error)
        return f"{text}"[:LONGEST_MESSAGE] or type(error).__name__
    except BaseException:  # noqa: BLE001 - the text of a user's exception is the user's code
        return "an exception whose text cannot be read"


def _clean(text: str) -> str:
    """Return the text without lone surrogates, which no JSON text may have."""
    return text.encode(errors="replace").decode()


def _line(at: TracebackType | None) -> int | None:
    line = None
    while at is not None:
        if at.tb_frame.f_code.co_filename == FILE:
            line = at.tb_lineno
        at = at.tb_next
    return line
