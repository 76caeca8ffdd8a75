"""What an address asks of the front (`signalsite.front`): each says it where it is declared."""

from collections.abc import Callable
from typing import Any

DEFAULT_BYTES = 64 << 10  # of an address that says nothing
_BODY_BYTES, _HASHES = "body_bytes", "hashes_passwords"

View = Callable[..., Any]


def accepts(view: View, body_bytes: int, *, hashes_passwords: bool = False) -> View:
    """`view`, which takes bodies of up to so many bytes: `path("jobs", accepts(JobsView.as_view(), 64 << 20))`.

    `hashes_passwords`: it spends a good part of a second of a processor on each, so only a few go on at once.
    """
    setattr(view, _BODY_BYTES, body_bytes)
    setattr(view, _HASHES, hashes_passwords)
    return view


def body_limit(view: View) -> int:
    limit: int = getattr(view, _BODY_BYTES, DEFAULT_BYTES)
    return limit


def hashes(view: View) -> bool:
    return bool(getattr(view, _HASHES, False))
