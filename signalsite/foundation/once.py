"""What a process has one of, made at the first use."""

from collections.abc import Callable, Hashable
from functools import cache, wraps
from threading import Lock
from typing import TypeVar

T = TypeVar("T")


def made_once(make: Callable[..., T]) -> Callable[..., T]:
    """Cache what `make` returns. Unlike `functools.cache`, let no two threads make it at the same time.

    Of two clients of Redis, say, one would not be cached. redis-py closes a client that nobody refers to with all its
    connections, while a pipeline may read from one.
    """
    made, making = cache(make), Lock()

    @wraps(make)
    def once(*arguments: Hashable) -> T:
        with making:
            return made(*arguments)

    return once
