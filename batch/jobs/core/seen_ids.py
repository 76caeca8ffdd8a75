"""Find the custom_ids that a submission repeats."""

import numpy as np


class SeenIds:
    """Find repeated custom_ids.

    The texts of a million ids take 100 MB, so this keeps a 64-bit hash of each, with a key that no caller knows. The
    chance that two of a million ids collide is 1 in 37 million.
    """

    def __init__(self) -> None:
        self._run: dict[int, int] = {}  # hash -> place, in the current run
        self._sorted: list[np.ndarray] = []  # hashes of earlier runs; each array is at least twice as long as the next

    def add(self, custom_id: str, place: int) -> bool:
        """Return False if an earlier item of the current run has this id."""
        return self._run.setdefault(hash(custom_id), place) == place

    def end_run(self) -> list[int]:
        """End the run, and return the places of the ids that an earlier run has."""
        if not self._run:
            return []
        marks = np.fromiter(self._run, np.int64, len(self._run))
        places = np.fromiter(self._run.values(), np.int64, len(self._run))
        known = np.zeros(len(marks), bool)
        for each in self._sorted:
            at = np.minimum(each.searchsorted(marks), len(each) - 1)
            known |= each[at] == marks
        newest = np.sort(marks[~known])
        while self._sorted and len(self._sorted[-1]) < 2 * len(newest):
            newest = np.sort(np.concatenate((self._sorted.pop(), newest)))
        if len(newest):
            self._sorted.append(newest)
        self._run = {}
        return [int(place) for place in places[known]]
