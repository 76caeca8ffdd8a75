"""How large a request's body may be: each address says it where it is declared, and the front holds callers to it."""

from collections.abc import Callable
from typing import Any

DEFAULT_BYTES = 64 << 10  # of an address that says nothing
_ATTRIBUTE = "body_bytes"

View = Callable[..., Any]


def accepts(view: View, body_bytes: int) -> View:
    """`view`, which takes bodies of up to so many bytes: `path("jobs", accepts(JobsView.as_view(), 64 << 20))`."""
    setattr(view, _ATTRIBUTE, body_bytes)
    return view


def body_limit(view: View) -> int:
    limit: int = getattr(view, _ATTRIBUTE, DEFAULT_BYTES)
    return limit
