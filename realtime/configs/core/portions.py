"""Cut what is long into portions."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def portions(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of `size`, the last one shorter. They are not read ahead."""
    rest = iter(items)
    while portion := list(islice(rest, size)):
        yield portion
