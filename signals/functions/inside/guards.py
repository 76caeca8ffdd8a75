"""What guards ask at run time: attributes, classes, names given as text, and imports.

They are the second wall. The first is the process, which can reach nothing (`seccomp.py`).
"""

import string
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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
from signals.functions.inside.classes import KINDS, Attributes, is_users, shared
from signals.functions.inside.names import (
    CHECKED,
    DEFINABLE,
    INSTEAD,
    NAMED_TUPLES,
    OPERATORS,
    READABLE,
    is_denied,
    is_dunder,
    is_plain,
    not_available,
)
from signals.functions.inside.policy import FILE
from signals.functions.inside.stand_ins import Facade, Ignored

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
_OWN_METHODS = frozenset(("__init__", "__new__"))
_NEVER = (ModuleType, FrameType, CodeType)
_CHANGES = frozenset(("__setattr__", "__delattr__"))
_SETTABLE = {
    "pandas": {"DataFrame": {"columns", "index"}, "Series": {"name", "index"}, "Index": {"name", "names"}},
    "numpy": {"ndarray": {"shape", "real", "imag", "flat"}},
    "decimal": {"Context": {"prec", "rounding"}},
}


def getattr_(thing: Any, name: str) -> Any:
    """Return an attribute that may be read. The compiler's policy puts this in the place of `thing.name`."""
    if not is_plain(name):
        return _closed(thing, name)
    found = getattr(thing, name)
    if isinstance(found, _NEVER):
        raise _unavailable(name)
    return found


def _unavailable(name: str) -> AttributeError:
    return AttributeError(not_available(repr(name), name))


def _closed(thing: Any, name: str) -> Any:
    """Return an attribute whose name is private, special or denied, if this object's may be read."""
    if name in ("format", "format_map"):
        return _formatter(getattr(thing, name), name)
    if name == "__class__" and (is_users(thing) or isinstance(thing, BaseException)):
        return safe_type(thing)
    if is_users(thing):
        return _of_users(thing, name)
    if type(thing) is Facade and not name.startswith("_"):
        return getattr(thing, name)
    if name.startswith("_"):
        return _private(thing, name)
    if is_denied(name) or (name == "obj" and isinstance(thing, BaseException)):
        raise _unavailable(name)
    found = getattr(thing, name)
    if name in CHECKED and callable(found):
        return checking_names(found)
    return found


def _of_users(thing: Any, name: str) -> Any:
    if name == "__dict__" and not isinstance(thing, type):
        return Attributes(thing)
    if name in _CHANGES:
        return _changing(thing, name)
    if name in ("__dict__", "mro") or (is_dunder(name) and name not in DEFINABLE | READABLE):
        raise _unavailable(name)
    if name == "obj" and isinstance(thing, AttributeError):
        raise _unavailable(name)
    return getattr(thing, name)


def _private(thing: Any, name: str) -> Any:
    """Return what of somebody else's names with underscores is harmless."""
    if name in ("__name__", "__qualname__", "__doc__") and isinstance(thing, type | FunctionType | BuiltinFunctionType):
        found = getattr(thing, name)
        return None if found is None else str(found)
    if name in ("__cause__", "__context__") and isinstance(thing, BaseException):
        return getattr(thing, name)
    if name[1:].isdecimal() and isinstance(thing, tuple):
        return getattr(thing, name)  # of itertuples(): the column in this place, whose own name is no Python name
    if name in NAMED_TUPLES and (isinstance(thing, tuple) or (isinstance(thing, type) and issubclass(thing, tuple))):
        return getattr(thing, name)
    if name in _CHANGES and (thing is object or type(thing) is super):
        return _changing(thing, name)
    if name in OPERATORS or (name in DEFINABLE and type(thing) is super):
        return getattr(thing, name)
    if name in _OWN_METHODS and isinstance(thing, type) and thing.__module__ in ("builtins", "collections"):
        return getattr(thing, name)
    if name == "__init__" and isinstance(thing, type) and issubclass(thing, Exception):
        return thing.__init__
    raise _unavailable(name)


def _changing(thing: Any, name: str) -> Callable[..., Any]:
    """Return __setattr__ or __delattr__ of object, super() or an own class, for attributes that may be changed."""
    change = getattr(thing, name)
    of_super = type(thing) is super

    def changed(*args: Any) -> Any:
        target, attribute = (args[0], args[1]) if isinstance(thing, type) else (thing, args[0])
        if of_super:
            target = thing.__self__
        if not is_users(target) or isinstance(target, type):
            raise TypeError(f"{name} is for objects of own classes")
        write_(target, _text(attribute))
        return change(*args)

    return changed


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


def _formatter(found: Any, name: str) -> Any:
    """Return str's own `format` or `format_map` as one that reads attributes through the guard; others as they are."""
    bound = type(found) is BuiltinFunctionType and isinstance(found.__self__, str)
    if not bound and found is not str.format and found is not str.format_map:
        return found

    def formatted(text: Any, *args: Any, **kwargs: Any) -> str:
        if not isinstance(text, str):
            raise TypeError(f"{name} needs a text")
        if name == "format_map":
            (mapping,) = args
            return _Formatter().vformat(str.__str__(text), (), mapping)
        return _Formatter().vformat(str.__str__(text), args, kwargs)

    return partial(formatted, found.__self__) if bound else formatted


def write_(thing: Any, name: str) -> Any:
    """Return `thing` if its attribute `name` may be set or deleted. Raises AttributeError."""
    kind = type(thing)
    if type(kind) in KINDS and name[:2] != "__":
        return thing
    if not is_dunder(name) and (_is_own(thing) or _is_settable(kind, name)):
        return thing
    if kind is FunctionType and name in ("__name__", "__qualname__", "__doc__") and _is_own(thing):
        return thing
    raise AttributeError(f"attribute {name!r} of {kind.__name__} cannot be set in functions")


def _is_own(thing: Any) -> bool:
    if type(thing) is FunctionType:
        return thing.__code__.co_filename == FILE
    return is_users(thing) and not (isinstance(thing, type) and thing in shared)


def _is_settable(kind: type, name: str) -> bool:
    return kind is Ignored or any(
        name in _SETTABLE.get(each.__module__.partition(".")[0], {}).get(each.__name__, ()) for each in kind.__mro__
    )


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
        raise TypeError("type() of a function, a module or a descriptor is not available in functions; use callable()")
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
            known = "" if head in INSTEAD else f"; there are {', '.join(sorted(facades))}"
            raise ImportError(not_available(head) + known)
        found: Any = facades[head]
        deepest = found
        for part in rest:
            deepest = safe_getattr(deepest, part, None)
            if type(deepest) is not Facade:
                raise ImportError(not_available(name))
        for each in fromlist or ():
            if not safe_hasattr(deepest, each):
                raise ImportError(not_available(f"{name}.{each}", each))
        return deepest if fromlist else found

    return import_
