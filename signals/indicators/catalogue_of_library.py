"""Makes `core/catalogue.json` of the library: signatures, defaults and bounds by its source, the rest by trying it."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from signals.indicators.core.library import example_bars, execute_indicators, frame_of, pandas_ta
from signals.indicators.core.spec import Spec
from signals.indicators.docstrings import texts_of

MOST_LENGTH = 1000
MOST_NUMBER = 1e6
TRIED = (2, 5, 10, 15, 20, 30, 40, 60, 90, 120, 180, 240, 360, 480, 720, 960, 1440, 1920, 2700)
BARS, LAST, PLACES = 3000, 60, 8
_COLUMNS = {"open_": "open", "high": "high", "low": "low", "close": "close", "volume": "volume"}
# They only choose a form, another library, or what this service has its own words for.
_HIDDEN = {"talib", "offset", "as_dataframe", "append_span"}
# What looks ahead without them being set.
_NO_LOOK_AHEAD = {("ichimoku", "include_chikou"): False, ("dpo", "centered"): False, ("cpr", "virgin_cpr"): False}
_WITHOUT_EFFECT = {("chop", "drift")}
_FROM_ZERO = {"ddof", "trend_reset", "lookback"}
_CHOICES = {("vwap", "anchor"): ("D", "W", "M"), ("decay", "mode"): ("linear", "exponential", "exp")}
_DEFAULTS = {("vwap", "anchor"): "D", ("decay", "mode"): "linear", ("jma", "length"): 7}
_LEAST = {("hma", "length"): 2, ("stdev", "length"): 2, ("mad", "length"): 2}  # parts of them have a least of their own


def functions() -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """Yield category, name and function of every indicator of the library."""
    pandas_ta()
    from pandas_ta_classic._indicator_loader import _find_indicator_func
    from pandas_ta_classic._meta import Category

    for category, names in Category.items():
        for name in names:
            yield category, name, _find_indicator_func(name)


def signature_of(name: str, function: Callable[..., Any]) -> tuple[list[str], list[str], list[dict[str, Any]]]:
    """Return the columns that it takes, other series that it needs, and its parameters."""
    inputs, others, arguments = [], [], []
    assumed = assumptions(function)
    for each in inspect.signature(function).parameters.values():
        text = str(each.annotation)
        if each.kind is each.VAR_KEYWORD or each.name in _HIDDEN or (name, each.name) in _WITHOUT_EFFECT:
            continue
        if "Series" in text:
            if each.name not in _COLUMNS:
                others.append(each.name)
            elif each.default is each.empty or each.name != "open_":
                inputs.append(_COLUMNS[each.name])
            continue
        if (argument := _argument(name, each, text, assumed.get(each.name, {}))) is not None:
            arguments.append(argument)
    return inputs, others, arguments


def _argument(name: str, each: inspect.Parameter, text: str, assumed: Mapping[str, Any]) -> dict[str, Any] | None:
    default: Any = each.default if each.default not in (None, each.empty) else assumed.get("default")
    default = _DEFAULTS.get((name, each.name), default)
    if each.name == "mamode":
        choices = sorted(pandas_ta().ma())
        return (
            {"name": each.name, "type": "str", "default": default, "choices": choices} if default in choices else None
        )
    if (name, each.name) in _CHOICES:
        return {"name": each.name, "type": "str", "default": default, "choices": list(_CHOICES[name, each.name])}
    if "list" in text or "str" in text:
        return None  # a word of the library's own that it does not check
    if "bool" in text:
        fixed = _NO_LOOK_AHEAD.get((name, each.name))
        return None if fixed is not None else {"name": each.name, "type": "bool", "default": default}
    if "float" in text and "int" not in text:
        least = assumed.get("above", 0.0)
        return _number(
            each.name,
            "float",
            None if default is None else float(default),
            least,
            assumed.get("below", MOST_NUMBER),
            False,
        )
    least = _LEAST.get((name, each.name), 0 if each.name in _FROM_ZERO else assumed.get("above", 0) + 1)
    return _number(each.name, "int", default, least, MOST_LENGTH, True)


def _number(name: str, kind: str, default: Any, least: float, most: float, inclusive: bool) -> dict[str, Any]:
    if name == "drift" and default is None:
        default = 1
    if default is not None and default > most:
        most = 10 * default
    if default is not None and default <= least:
        least, inclusive = default, True
    return {"name": name, "type": kind, "default": default, "lowest": least, "highest": most, "inclusive": inclusive}


def assumptions(function: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    """Return what the function puts in the place of each parameter, and the bounds beyond which it does.

    It silently takes its default for what it finds wrong: `length = int(length) if length and length > 0 else 14`.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    found: dict[str, dict[str, Any]] = {}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
            continue
        name, value = node.targets[0].id, node.value
        if isinstance(value, ast.IfExp) and isinstance(value.orelse, ast.Constant) and name not in found:
            found[name] = {"default": value.orelse.value, **_bounds(name, value.test)}
        elif (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Name)
            and value.func.id.startswith("_pos_")
            and len(value.args) == 2
            and isinstance(value.args[1], ast.Constant)
        ):
            found[name] = {"default": value.args[1].value}
    return found


def _bounds(name: str, test: ast.expr) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Name) and node.left.id == name:
            for operator, right in zip(node.ops, node.comparators, strict=True):
                if isinstance(right, ast.Constant) and isinstance(right.value, int | float):
                    if isinstance(operator, ast.Gt):
                        found["above"] = right.value
                    elif isinstance(operator, ast.Lt):
                        found["below"] = right.value
    return found


def catalogue() -> dict[str, Any]:
    """Return the whole catalogue. Takes minutes: it computes each indicator on several beginnings of one series."""
    rows = [_row(category, name, function) for category, name, function in functions()]
    return {"version": pandas_ta().version, "indicators": sorted(rows, key=lambda row: row["name"])}


def _row(category: str, name: str, function: Callable[..., Any]) -> dict[str, Any]:
    inputs, others, arguments = signature_of(name, function)
    row: dict[str, Any] = {
        "name": name,
        "category": category,
        "title": name,
        "inputs": inputs,
        "arguments": arguments,
        "outputs": [],
        "first": 0,
        "warm_up": None,
        **texts_of(name, function),
        "missing": f"it needs a series that bars do not have: {', '.join(others)}" if others else "",
    }
    return row if row["missing"] else {**row, **_tried(name, arguments)}


def _tried(name: str, arguments: list[dict[str, Any]]) -> dict[str, Any]:
    spec = Spec(name, tuple((each["name"], each["default"]) for each in arguments))
    try:
        whole = _made(spec, 0, BARS)
    except Exception as error:  # noqa: BLE001 - whatever it raises, it is not offered
        return {"missing": f"the library fails on it: {type(error).__name__}"}
    if not whole:
        return {"missing": "the library answers nothing for bars alone"}
    outputs = list(whole)
    found: dict[str, Any] = {"outputs": outputs, "first": _first(whole)}
    before = _made(spec, 0, BARS - 100)
    if all(np.isnan(each).all() for each in whole.values()):
        return {**found, "missing": "it has no value for each bar"}
    if any(not _same(before.get(each), whole[each][: BARS - 100]) for each in outputs):
        return {**found, "missing": "it looks ahead: later bars change its values"}
    needed = [_needed(spec, whole, BARS - 30 * place) for place in range(PLACES)]
    if None in needed:
        return found
    # Another series may need more than those that were tried.
    return {**found, "warm_up": 2 * max(each for each in needed if each is not None)}


def _needed(spec: Spec, whole: Mapping[str, np.ndarray], end: int) -> int | None:
    """Return with how many bars before them the last ones before `end` have the values of the whole series."""
    for bars in TRIED:
        part = _made(spec, end - LAST - bars, end)
        if all(each in part and _same(part[each][-LAST:], whole[each][end - LAST : end]) for each in whole):
            return bars
    return None


def _made(spec: Spec, begin: int, end: int) -> dict[str, np.ndarray]:
    columns, time = example_bars(BARS)
    return execute_indicators(frame_of({n: c[begin:end] for n, c in columns.items()}, time[begin:end]), [spec])[0]


def _first(made: Mapping[str, np.ndarray]) -> int:
    firsts = [int(np.argmax(~np.isnan(each))) for each in made.values() if not np.isnan(each).all()]
    return max(firsts, default=0)


def _same(one: np.ndarray | None, other: np.ndarray) -> bool:
    if one is None or len(one) != len(other) or (np.isnan(one) != np.isnan(other)).any():
        return False
    scale = max(float(np.nanmax(np.abs(other), initial=0.0)), 1e-9)
    return bool(np.nanmax(np.abs(one - other), initial=0.0) <= 1e-9 * scale)
