"""Classes that users write: what they may inherit from and define."""

import builtins
import collections
import enum
import inspect
import types
import typing
from abc import ABCMeta
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from signals.functions.inside.names import DEFINABLE, OF_CLASSES, is_dunder, is_plain

_PLAIN_BASES: tuple[Any, ...] = (object, list, dict, set, frozenset, tuple, int, float, complex, typing.Generic)
_PLAIN_BASES += (collections.Counter, collections.OrderedDict, collections.defaultdict, collections.deque)
# Not str, whose methods `format` and `format_map` read attributes by name. Only an enumeration may mix it in.


class UserType(type):
    """The metaclass of users' classes: it knows them, and lets them define what names.DEFINABLE has."""

    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], **keywords: Any) -> Any:
        for base in bases:
            if not _may_be_base(base, mcs):
                raise TypeError(
                    f"a class may not inherit from {base!r}: only from own classes, exceptions and plain types"
                )
        _check_body(body)
        if "__getattr__" in body:
            body["__getattr__"] = _for_plain_names(body["__getattr__"])
        return super().__new__(mcs, name, bases, body, **keywords)

    def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any], **keywords: Any) -> None:
        super().__init__(name, bases, body)  # __new__ has given the keywords to __init_subclass__
        if not all(map(is_plain, getattr(cls, "__match_args__", ()))):  # of a named tuple, say
            type.__setattr__(cls, "__match_args__", ())


class AbstractType(UserType, ABCMeta):
    """The same, of classes with abstract methods."""


class EnumerationType(UserType, enum.EnumType):
    """The same, of enumerations."""

    def __call__(cls, value: Any, *names: Any, **options: Any) -> Any:
        """Return the member of a value. A call that makes a class could define what no body of a class may."""
        if names or options:
            raise TypeError("write an enumeration as a class: class Side(Enum)")
        return super().__call__(value)


class AbstractClass:
    """What functions find by the name ABCMeta. The real one would make any class."""


KINDS = frozenset((UserType, AbstractType, EnumerationType))
shared: set[Any] = set()
"""Classes of these kinds that all calls inherit from, such as Enum. The facades fill it."""


def is_users(thing: object) -> bool:
    """Whether this is an object whose class a user wrote, or such a class."""
    return type(type(thing)) in KINDS or type(thing) in KINDS


def build_class(body: Callable[..., Any], name: str, /, *bases: Any, metaclass: Any = None, **keywords: Any) -> Any:
    """Build the class of a `class` statement, which calls this by the name `__build_class__`."""
    if metaclass is not None and metaclass is not AbstractClass:
        raise TypeError("metaclasses are not available in functions")
    if any(base is typing.NamedTuple for base in bases):
        return builtins.__build_class__(body, name, metaclass=_named_tuple)
    kinds = [type(base) for base in types.resolve_bases(bases)]
    kind: Any = UserType
    if any(issubclass(each, enum.EnumType) for each in kinds):
        kind = EnumerationType
    elif metaclass is AbstractClass or any(issubclass(each, ABCMeta) for each in kinds):
        kind = AbstractType
    return builtins.__build_class__(body, name, *bases, metaclass=kind, **keywords)


def _may_be_base(base: Any, kind: type) -> bool:
    if type(base) in KINDS or any(base is each for each in _PLAIN_BASES):
        return True
    if not isinstance(base, type):
        return False
    if issubclass(base, Exception) or (type(base) is ABCMeta and base.__module__ == "collections.abc"):
        return True
    if type(base) is type and base.__bases__ == (tuple,) and hasattr(base, "_fields"):
        return True
    return kind is EnumerationType and (base is str or (type(base) is enum.EnumType and base.__module__ == "enum"))


def _check_body(body: dict[str, Any]) -> None:
    for each in body:
        if type(each) is not str or (is_dunder(each) and each not in DEFINABLE | OF_CLASSES):
            raise TypeError(f"a class may not define {each!r}")
    names = body.get("__match_args__", ())
    if type(names) is not tuple or any(type(each) is not str or not is_plain(each) for each in names):
        raise TypeError("__match_args__ may name public attributes only")
    if "__slots__" not in body:
        return
    slots = body["__slots__"]
    body["__slots__"] = slots = (slots,) if type(slots) is str else tuple(slots)  # what Python will read, is read here
    for each in slots:
        if type(each) is not str or (is_dunder(each) and each not in ("__dict__", "__weakref__")):
            raise TypeError("__slots__ may name no attribute with two underscores around it")


def _for_plain_names(find: Any) -> Callable[[Any, str], Any]:
    """Return a __getattr__ that is not asked for what libraries look for, such as __array_interface__."""

    def __getattr__(self: Any, name: str) -> Any:
        if is_dunder(name):
            raise AttributeError(name)
        return find(self, name)

    return __getattr__


def _named_tuple(name: str, bases: tuple[type, ...], body: dict[str, Any], **_: Any) -> Any:
    """Build a class that inherits from typing.NamedTuple."""
    _check_body(body)
    cell = {each: body[each] for each in ("__classcell__",) if each in body}
    holder: Any = type(name, (), {each: value for each, value in body.items() if each not in cell})
    fields = list(inspect.get_annotations(holder))
    make: Any = collections.namedtuple
    made = make(name, fields, defaults=[body[each] for each in fields if each in body], module="function")
    rest = {each: value for each, value in body.items() if each not in fields and "annot" not in each}
    return UserType(name, (made,), rest | {"__slots__": ()})


class Attributes(MutableMapping[str, Any]):
    """The `__dict__` of a user's object: the same dict, into which no special name can be put."""

    __slots__ = ("_of",)

    def __init__(self, thing: Any) -> None:
        if not is_users(thing) or isinstance(thing, type):
            raise TypeError("__dict__ is for objects of own classes")
        self._of = object.__getattribute__(thing, "__dict__")

    def __getitem__(self, name: str) -> Any:
        return self._of[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if type(name) is not str or is_dunder(name):
            raise AttributeError(f"attribute {name!r} cannot be set in functions")
        self._of[name] = value

    def __delitem__(self, name: str) -> None:
        del self._of[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)

    def __repr__(self) -> str:
        return repr(self._of)

    def copy(self) -> dict[str, Any]:
        return dict(self._of)
