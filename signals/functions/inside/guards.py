"""What guards ask at run time: attributes, classes, names given as text, and imports.

They are the second wall. The first is the process, which can reach nothing (`seccomp.py`).
"""

import string
from collections.abc import Callable, Mapping, Sequence
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
    TracebackType,
)
from typing import Any

from signals.functions.inside.by_name import checking_names
from signals.functions.inside.classes import Facade, is_users
from signals.functions.inside.names import DEFINABLE, NAMED_TUPLES, READABLE, is_denied

_CLOSED_TYPES: tuple[type, ...] = (
    type,
    FunctionType,
    CodeType,
    ModuleType,
    FrameType,
    GeneratorType,
    BuiltinFunctionType,
)
_CLOSED_TYPES += (MethodType, TracebackType, property, classmethod, staticmethod)
_TAKES_NAMES = frozenset(("agg", "aggregate", "apply", "transform", "pipe", "pivot_table"))
_SPECIAL = frozenset(("format", "obj", "at", "iat")) | _TAKES_NAMES
_SETTABLE = {"DataFrame": {"columns", "index"}, "Series": {"name", "index"}, "Index": {"name", "names"}}


def getattr_(thing: Any, name: str) -> Any:
    if name[0] == "_" or name in _SPECIAL or is_denied(name):
        return _closed(thing, name)
    found = getattr(thing, name)
    if isinstance(found, ModuleType | FrameType | CodeType):
        raise AttributeError(f"{name!r} is not available in functions")
    return found


def _closed(thing: Any, name: str) -> Any:
    if is_users(thing):
        if name.startswith("__") and name not in DEFINABLE | READABLE:
            raise AttributeError(f"{name!r} is not available in functions")
        return getattr(thing, name)
    if isinstance(thing, str | bytes) or (isinstance(thing, type) and issubclass(thing, str | bytes)):
        if name == "format":
            return _formatter(thing)
        if name in ("format_map", "format"):
            raise AttributeError("format_map is not available in functions; use format or an f-string")
    if name.startswith("_"):
        if name == "__name__" and isinstance(thing, type | FunctionType | BuiltinFunctionType):
            return str(thing.__name__)
        if name in NAMED_TUPLES and isinstance(thing, tuple):
            return getattr(thing, name)
        if type(thing) is super and name in DEFINABLE:
            return getattr(thing, name)
        if name == "__init__" and isinstance(thing, type) and issubclass(thing, Exception):
            return thing.__init__
        raise AttributeError(f"{name!r} is not available in functions")
    if is_denied(name) or (name == "obj" and isinstance(thing, BaseException)):
        raise AttributeError(f"{name!r} is not available in functions")
    found = getattr(thing, name)
    if name in _TAKES_NAMES and callable(found) and not isinstance(thing, Facade):
        return checking_names(found)
    return found


class _Formatter(string.Formatter):
    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        first, rest = _parts_of(field_name)
        found = self.get_value(first, args, kwargs)
        for is_attribute, key in rest:
            found = getattr_(found, key) if is_attribute else found[key]
        return found, first


def _parts_of(field_name: str) -> Any:
    import _string  # type: ignore[import-not-found]  # CPython's own parser of format fields, as string.Formatter uses it

    return _string.formatter_field_name_split(field_name)


def _formatter(text: Any) -> Callable[..., str]:
    if not isinstance(text, str):
        if not (isinstance(text, type) and issubclass(text, str)):
            raise AttributeError("bytes have no format")
        return lambda text, *args, **kwargs: _Formatter().vformat(_exact(text), args, kwargs)
    return lambda *args, **kwargs: _Formatter().vformat(_exact(text), args, kwargs)


def _exact(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError("format needs a text")
    return str.__str__(text)


def write_(thing: Any, name: str) -> Any:
    """Return `thing` if its attribute `name` may be set or deleted. Raises AttributeError."""
    if is_users(thing) and not (name.startswith("__") and name.endswith("__")):
        return thing
    for kind in type(thing).__mro__:
        if name in _SETTABLE.get(kind.__name__, ()) and kind.__module__.partition(".")[0] == "pandas":
            return thing
    raise AttributeError(f"attribute {name!r} of {type(thing).__name__} cannot be set in functions")


def _text(name: Any) -> str:
    if type(name) is not str or not name:
        raise TypeError("an attribute's name is a text")
    return name


_NONE_GIVEN = object()


def safe_getattr(thing: Any, name: Any, default: Any = _NONE_GIVEN) -> Any:
    try:
        return getattr_(thing, _text(name))
    except AttributeError:
        if default is _NONE_GIVEN:
            raise
        return default


def safe_hasattr(thing: Any, name: Any) -> bool:
    try:
        getattr_(thing, _text(name))
    except AttributeError:
        return False
    return True


def safe_setattr(thing: Any, name: Any, value: Any) -> None:
    setattr(write_(thing, _text(name)), name, value)


def safe_delattr(thing: Any, name: Any) -> None:
    delattr(write_(thing, _text(name)), name)


def safe_type(thing: Any) -> Any:
    """type() of one argument. Of a class it gives no metaclass, which could make any class."""
    kind = type(thing)
    if isinstance(thing, type):
        return safe_type
    if kind in _CLOSED_TYPES or kind is Facade:
        raise TypeError("type() of a function, a module or a descriptor is not available in functions")
    return kind


def importer(facades: Mapping[str, Facade]) -> Callable[..., Any]:
    """Return an __import__ that knows facades only."""

    def import_(name: str, globals_: Any = None, locals_: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        if type(fromlist) is list:
            # PyImport_Import of numpy's C code looks for __import__ in the frame that called it, which is the user's.
            # It drops what we return, and takes the module, which is loaded, itself. Compiled code passes a tuple.
            return None
        head, *rest = _text(name).split(".")
        if level or head not in facades:
            raise ImportError(f"{head} is not available in functions; there are {', '.join(sorted(facades))}")
        found: Any = facades[head]
        deepest = found
        for part in rest:
            deepest = getattr_(deepest, part)
            if type(deepest) is not Facade:
                raise ImportError(f"{name} is not available in functions")
        return deepest if fromlist else found

    return import_
