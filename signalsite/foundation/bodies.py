"""What a URL tells the front (`signalsite.front`): its body limit and its reads on the event loop."""

from collections.abc import Callable
from typing import Any

DEFAULT_BYTES = 64 << 10  # where a URL sets no limit
_BODY_BYTES = "body_bytes"
_ON_LOOP = "on_loop"

View = Callable[..., Any]


def accepts(view: View, body_bytes: int) -> View:
    """Let `view` accept bodies of up to so many bytes: `path("jobs", accepts(JobsView.as_view(), 64 << 20))`."""
    setattr(view, _BODY_BYTES, body_bytes)
    return view


def body_limit(view: View) -> int:
    limit: int = getattr(view, _BODY_BYTES, DEFAULT_BYTES)
    return limit


def on_loop(view: View, read: Any) -> View:
    """Let the event loop answer GET requests of `view` with `read`, as the view does (`realtime.snapshot.reads`)."""
    setattr(view, _ON_LOOP, read)
    return view


def loop_read(view: View) -> Any:
    """Return the read of a view, or None when only the view answers."""
    return getattr(view, _ON_LOOP, None)
