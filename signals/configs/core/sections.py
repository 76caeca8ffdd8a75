"""The parts of a configuration that say what to compute. Each reader adds every fault, and returns what is right."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from signals.configs.core.document import FunctionAsked, GreeksAsked
from signals.configs.core.faults import Fault, Faults, kind_of, nearest, plain
from signals.functions.core.internal import BENCHMARK, COLUMNS, SESSION, SESSION_BEGIN
from signals.functions.core.joins import GREEK_ALIASES, MOST_JOINS, Joins, Kind, check_column_name, parse_join
from signals.functions.core.naming import check_arguments, check_name
from signals.functions.core.reference_grammar import MINE, VERSION
from signals.functions.core.registry import INTERNAL, complete, internal_function
from signals.indicators.core.spec import read_spec

MOST_INDICATORS = 10
MOST_FUNCTIONS = 10  # of each kind
_OF_BARS = (*COLUMNS, SESSION, SESSION_BEGIN)
_CALL = ("function", "params", "label")


@dataclass(frozen=True, slots=True, kw_only=True)
class GreeksOffered:
    """What the computation `greeks` declares.

    `defaults`: the columns of `"greeks": true`. `picked`: the columns that answers have only where the parameter
    `greeks` names them. `read_params`: all parameters with defaults, or faults, whose paths begin with a parameter.
    """

    columns: Sequence[str]
    defaults: Sequence[str]
    picked: Sequence[str]
    parameters: Sequence[str]
    read_params: Callable[[Mapping[str, Any]], tuple[dict[str, Any], list[Fault]]]


def read_greeks(given: Any, offered: GreeksOffered, faults: Faults) -> GreeksAsked | None:
    if given is None or given is False:
        return None
    asked: Any
    params: Any
    if given is True:
        asked, params = None, {}
    elif isinstance(given, list):
        asked, params = given, {}
    elif isinstance(given, Mapping):
        faults.unknown("greeks.", given, ("columns", "params"))
        asked, params = given.get("columns"), given.get("params")
    else:
        faults.add(
            "greeks", f"must be true, a list of columns, or an object of columns and params, not {kind_of(given)}"
        )
        return None
    path = "greeks" if isinstance(given, list) else "greeks.columns"
    columns = _columns(asked, path, offered, faults)
    checked = _greek_params({} if params is None else params, offered, faults)
    if checked is None:
        return None
    named: list[str] = list(checked["greeks"]) if isinstance(params, Mapping) and params.get("greeks") else []
    if asked is None:
        columns = tuple(dict.fromkeys([*columns, *named]))
    wanted = {*named, *columns} & set(offered.picked)
    checked["greeks"] = [each for each in offered.picked if each in wanted] or list(offered.picked[:1])
    return GreeksAsked(columns=columns, params=checked)


def _columns(asked: Any, path: str, offered: GreeksOffered, faults: Faults) -> tuple[str, ...]:
    if asked is None:
        return tuple(offered.defaults)
    if not isinstance(asked, list) or not asked:
        faults.add(path, "must be a list of one or more columns, such as delta")
        return ()
    found: dict[str, int] = {}
    for place, name in enumerate(asked):
        column = GREEK_ALIASES.get(name, name) if isinstance(name, str) else name
        if not isinstance(column, str) or column not in offered.columns:
            what = (
                nearest(name, offered.columns) if isinstance(name, str) else f"known are {', '.join(offered.columns)}"
            )
            faults.add(f"{path}[{place}]", f"is no column of the computation greeks; {what}")
        elif column in found:
            faults.add(f"{path}[{place}]", f"is the same as {path}[{found[column]}]")
        else:
            found[column] = place
    return tuple(found)


def _greek_params(params: Any, offered: GreeksOffered, faults: Faults) -> dict[str, Any] | None:
    if not isinstance(params, Mapping):
        faults.add("greeks.params", f"must be an object, not {kind_of(params)}")
        return None
    faults.unknown("greeks.params.", params, offered.parameters)
    checked, wrong = offered.read_params({name: value for name, value in params.items() if name in offered.parameters})
    for field, message in wrong:
        faults.add(f"greeks.params.{field}", message)
    return None if wrong else checked


def read_indicators(given: Any, faults: Faults) -> tuple[str, ...]:
    found: dict[str, int] = {}
    for place, value in enumerate(_list(given, "indicators", MOST_INDICATORS, faults)):
        path = f"indicators[{place}]"
        spec = faults.take(lambda value=value, path=path: str(read_spec(value, path)))  # type: ignore[misc]
        if spec is None:
            continue
        if spec in found:
            faults.add(path, f"is the same as indicators[{found[spec]}]: {spec}")
        found.setdefault(spec, place)
    return tuple(found)


def read_functions(given: Any, faults: Faults) -> tuple[FunctionAsked, ...]:
    return _functions(given, "functions", faults, _internal)


def read_external(given: Any, faults: Faults) -> tuple[FunctionAsked, ...]:
    return _functions(given, "external_functions", faults, _external)


Read = Callable[[str, Mapping[str, Any], str, Faults], tuple[str, Mapping[str, Any]] | None]
"""(function, params, path) -> its label where none is given, or nothing, and the checked params. None: it is none."""


def _functions(given: Any, field: str, faults: Faults, read: Read) -> tuple[FunctionAsked, ...]:
    found: list[FunctionAsked] = []
    labels: dict[str, str] = {}
    for place, value in enumerate(_list(given, field, MOST_FUNCTIONS, faults)):
        path = f"{field}[{place}]"
        asked = _call(value, path, faults, read)
        if asked is None:
            continue
        if asked.label in labels:
            faults.add(f"{path}.label", f"{asked.label} is the label of {labels[asked.label]}; give each its own")
        labels.setdefault(asked.label, path)
        found.append(asked)
    return tuple(found)


def _call(value: Any, path: str, faults: Faults, read: Read) -> FunctionAsked | None:
    if isinstance(value, str):
        value = {"function": value}
    if not isinstance(value, Mapping):
        faults.add(path, f"must be a function's name, or an object of {', '.join(_CALL)}, not {kind_of(value)}")
        return None
    faults.unknown(f"{path}.", value, _CALL)
    function, params, label = value.get("function"), value.get("params"), value.get("label")
    if not isinstance(function, str):
        faults.add(f"{path}.function", "must be the name of a function")
        return None
    if params is not None and not isinstance(params, Mapping):
        faults.add(f"{path}.params", f"must be an object, not {kind_of(params)}")
        params = None
    known = read(function, params or {}, path, faults)
    if label is not None or known is not None:
        label = _label(label, "" if known is None else known[0], f"{path}.label", faults)
    if known is None or label is None:
        return None
    _, checked = known
    return FunctionAsked(label=label, function=function, params=checked)


def _label(given: Any, default: str, path: str, faults: Faults) -> str | None:
    if given is None and default:
        return default
    if not isinstance(given, str):
        faults.add(path, "must be a text of a-z, 0-9 and _, which names the results")
        return None
    return faults.take(lambda: check_name(given), path)


def _internal(
    function: str, params: Mapping[str, Any], path: str, faults: Faults
) -> tuple[str, Mapping[str, Any]] | None:
    if "/" in function:
        faults.add(f"{path}.function", "is a function of a user: name it in external_functions")
        return None
    found = faults.take(lambda: internal_function(function, f"{path}.function"))
    if found is None:
        return None
    known = [each.name for each in found.arguments]
    faults.unknown(f"{path}.params.", params, known)
    checked: dict[str, Any] = {}
    for name in known:  # one at a time, so that every wrong one is named
        one = {name: params[name]} if name in params else {}
        one = faults.take(lambda one=one: complete(found, one, f"{path}.params")) or {}  # type: ignore[misc]
        checked |= {name: one[name]} if name in one else {}
    return function, checked


def _external(
    function: str, params: Mapping[str, Any], path: str, faults: Faults
) -> tuple[str, Mapping[str, Any]] | None:
    checked = faults.take(lambda: check_arguments(params, f"{path}.params")) or {}
    if VERSION.fullmatch(function):
        return "", checked
    if (named := MINE.fullmatch(function)) is not None:
        return named["name"], checked
    if function in INTERNAL:
        faults.add(f"{path}.function", f"{function} is an internal function: name it in functions")
    else:
        faults.add(f"{path}.function", "must be one of your functions, as mine/NAME or mine/NAME@VERSION")
    return None


def lacking(asked: FunctionAsked, join: Mapping[str, str]) -> list[str]:
    """Return the columns that an internal function needs and that neither bars nor `join` have."""
    return [name for name in INTERNAL[asked.function].needs if name not in _OF_BARS and name not in join]


def joins_of(join: Mapping[str, str]) -> Joins:
    """Return the joined columns of a checked document, `benchmark` too."""
    return tuple((name, parse_join(source, f"join.{plain(name)}")) for name, source in join.items())


def read_join(given: Any, faults: Faults) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        faults.add("join", f"must be an object of columns by name, not {kind_of(given)}")
        return {}
    if len(given) > MOST_JOINS:
        faults.add("join", f"has {len(given)} columns; {MOST_JOINS} are allowed")
        return {}
    found: dict[str, str] = {}
    for name, source in given.items():
        path = f"join.{plain(name)}"
        join = faults.take(lambda source=source, path=path: parse_join(source, path))  # type: ignore[misc]
        if name == BENCHMARK:
            if join is not None and (join.kind is not Kind.BARS or join.column != "close"):
                faults.add(path, f"{BENCHMARK} is the closes of an instrument: bars:INSTRUMENT_KEY:close")
        else:
            faults.take(lambda name=name: check_column_name(name, "join"), path)  # type: ignore[misc]
        if join is not None:
            found[name] = str(join)
    return found


def _list(given: Any, field: str, most: int, faults: Faults) -> list[Any]:
    if given is None:
        return []
    if not isinstance(given, list):
        faults.add(field, f"must be a list, not {kind_of(given)}")
        return []
    if len(given) > most:
        faults.add(field, f"has {len(given)} entries; {most} are allowed")
        return []
    return given
