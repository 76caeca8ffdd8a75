"""Classes that users write, and facades of modules."""

from collections.abc import Mapping
from typing import Any

from signals.functions.inside.names import DEFINABLE, OF_CLASSES, is_denied

_PLAIN_BASES = (object, list, dict, set, tuple, int, float)  # not str: a name could pretend to be another


class UserType(type):
    """The metaclass of users' classes: it knows them, and lets them define what names.DEFINABLE has."""

    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> "UserType":
        for base in bases:
            plain = base in _PLAIN_BASES or type(base) is UserType
            if not plain and not (isinstance(base, type) and issubclass(base, Exception)):
                raise TypeError(
                    f"a class may not inherit from {base!r}: only from own classes, exceptions and plain types"
                )
        for each in body:
            if type(each) is not str or (each.startswith("__") and each not in DEFINABLE | OF_CLASSES):
                raise TypeError(f"a class may not define {each!r}")
        names = body.get("__match_args__", ())
        if any(type(each) is not str or each.startswith("_") or is_denied(each) for each in names):
            raise TypeError("__match_args__ may name public attributes only")
        slots = body.get("__slots__", ())
        if any(type(each) is not str or each.startswith("__") for each in ([slots] if type(slots) is str else slots)):
            raise TypeError("__slots__ may name no attribute that begins with two underscores")
        return super().__new__(mcs, name, bases, body)


def is_users(thing: object) -> bool:
    """Whether this is an object whose class a user wrote, or such a class."""
    return type(type(thing)) is UserType or type(thing) is UserType


class Facade:
    """Some names of a module, without the module."""

    __slots__ = ("_items", "_title")

    def __init__(self, title: str, items: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_title", title)
        object.__setattr__(self, "_items", dict(items))

    def __getattr__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "_items")[name]
        except KeyError:
            title = object.__getattribute__(self, "_title")
            raise AttributeError(f"{title}.{name} is not available in functions") from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("modules cannot be changed in functions")

    __delattr__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{object.__getattribute__(self, '_title')}>"
