"""What an address asks of the front (`signalsite.front`): each says it where it is declared."""

from collections.abc import Callable
from typing import Any

DEFAULT_BYTES = 64 << 10  # of an address that says nothing
_BODY_BYTES = "body_bytes"
_ON_LOOP = "on_loop"

View = Callable[..., Any]


def accepts(view: View, body_bytes: int) -> View:
    """`view`, which takes bodies of up to so many bytes: `path("jobs", accepts(JobsView.as_view(), 64 << 20))`."""
    setattr(view, _BODY_BYTES, body_bytes)
    return view


def body_limit(view: View) -> int:
    limit: int = getattr(view, _BODY_BYTES, DEFAULT_BYTES)
    return limit


def on_loop(view: View, read: Any) -> View:
    """`view`, whose GET the event loop can answer itself: by `read`, as the view does (`realtime.snapshot.reads`)."""
    setattr(view, _ON_LOOP, read)
    return view


def loop_read(view: View) -> Any:
    """None where only the view answers."""
    return getattr(view, _ON_LOOP, None)
