"""Limit how many exports run at once in this process, in total and for each user."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rest_framework.exceptions import APIException

MOST = 64
MOST_PER_USER = 16


class TooManyOfYours(APIException):
    status_code = 429
    wait = 4  # Retry-After: 5
    default_detail = f"{MOST_PER_USER} of your exports are running already"


class TooManyExports(APIException):
    status_code = 503
    wait = 4
    default_detail = f"{MOST} exports are running already"


class Slot:
    def __init__(self, slots: "Slots"):
        self._slots = slots
        self.owner: int | None = None

    def claim(self, owner: int) -> None:
        """Take the slot for this owner, once per request. The end of the request frees it.

        Raises TooManyOfYours or TooManyExports.
        """
        self._slots.take(owner)
        self.owner = owner


class Slots:
    """The slots of this process. A view's thread takes one when it knows the user; the event loop always frees it."""

    def __init__(self, most: int = MOST, most_per_owner: int = MOST_PER_USER):
        self._most, self._most_per_owner = most, most_per_owner
        self._taken: Counter[int] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def request(self) -> Iterator[Slot]:
        slot = Slot(self)
        try:
            yield slot
        finally:
            if slot.owner is not None:
                with self._lock:
                    self._taken -= Counter({slot.owner: 1})  # subtraction drops owners without slots

    def take(self, owner: int) -> None:
        with self._lock:
            if self._taken[owner] >= self._most_per_owner:
                raise TooManyOfYours
            if self._taken.total() >= self._most:
                raise TooManyExports
            self._taken[owner] += 1
