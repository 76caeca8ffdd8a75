"""What functions find in the place of modules and settings."""

from collections.abc import Mapping
from typing import Any

from signals.functions.inside.names import not_available


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
            raise AttributeError(not_available(f"{title}.{name}", name)) from None

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("modules cannot be changed in functions")

    __delattr__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{object.__getattribute__(self, '_title')}>"


class Ignored:
    """Settings of output and of warnings, such as pd.options: a function may set them, and nothing changes."""

    __slots__ = ()

    def __getattr__(self, name: str) -> "Ignored":
        if name.startswith("_"):
            raise AttributeError(name)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        """Forget the value."""

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""


class IgnoredBlock:
    """The same as a context manager: `with warnings.catch_warnings():`."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Forget what it is given."""

    def __enter__(self) -> list[Any]:
        return []

    def __exit__(self, *error: object) -> None:
        """Let errors pass."""
