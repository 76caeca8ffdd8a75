"""An LRU of pages in memory, bounded in bytes, that a scan cannot empty."""

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class PageMemory(Generic[T]):
    """Keeps values by name, the least recently used ones leave first. Any thread may call it.

    A new value is on trial: those on trial share a quarter of the bytes. A value that is read again is proven. So ten
    thousand values that are asked for once replace each other, and none of what is asked for often.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most, self._trial_most = most_bytes, most_bytes // 4
        self._trial: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self._proven: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self._trial_bytes = self._proven_bytes = 0
        self._lock = Lock()

    @property
    def size(self) -> int:
        return self._trial_bytes + self._proven_bytes

    def __len__(self) -> int:
        return len(self._trial) + len(self._proven)

    def peek(self, name: str) -> T | None:
        with self._lock:
            found = self._proven.get(name) or self._trial.get(name)
            return found[0] if found else None

    def get(self, name: str) -> T | None:
        with self._lock:
            if (found := self._proven.get(name)) is not None:
                self._proven.move_to_end(name)
                return found[0]
            if (found := self._trial.pop(name, None)) is None:
                return None
            self._trial_bytes -= found[1]
            self._proven[name] = found
            self._proven_bytes += found[1]
            self._shrink()
            return found[0]

    def put(self, name: str, value: T, size: int) -> None:
        """Keep a value of `size` bytes in place of an earlier one. One that takes over a half of the trial's is not
        kept."""
        with self._lock:
            if name in self._proven:
                self._proven_bytes += size - self._proven[name][1]
                self._proven[name] = value, size
                self._shrink()
                return
            self._drop(name)
            if size > self._trial_most // 2:
                return
            self._trial[name] = value, size
            self._trial_bytes += size
            while self._trial_bytes > self._trial_most:
                _, (_, gone) = self._trial.popitem(last=False)
                self._trial_bytes -= gone

    def drop(self, name: str) -> None:
        with self._lock:
            self._drop(name)

    def clear(self) -> None:
        with self._lock:
            self._trial.clear()
            self._proven.clear()
            self._trial_bytes = self._proven_bytes = 0

    def _shrink(self) -> None:
        while self._proven_bytes > self._most - self._trial_most:
            _, (_, gone) = self._proven.popitem(last=False)
            self._proven_bytes -= gone

    def _drop(self, name: str) -> None:
        if (found := self._trial.pop(name, None)) is not None:
            self._trial_bytes -= found[1]
        if (found := self._proven.pop(name, None)) is not None:
            self._proven_bytes -= found[1]
