"""How far a group has come in a stream, reckoned apart from Redis, whose lag figure hides entries that were trimmed."""

from collections.abc import Sequence
from dataclasses import dataclass

from realtime.core.entry_ids import EntryId


@dataclass(slots=True)
class Progress:
    """`delivered`: newest entry given out. `position`: how many entries ever came up to it; None while unknown."""

    delivered: EntryId
    position: int | None

    def account(self, batch: Sequence[EntryId], first: EntryId, removed: int) -> int:
        """Take in what was read after `delivered`; returns how many entries had been removed before they were read.

        `first`: the oldest entry that is left, or where it would be; `removed`: how many entries ever were removed.
        Both may have been looked at after the batch was read: its own entries among the removed ones are not lost.
        """
        lost = 0
        if self.position is not None:
            lost = max(removed - self.position - sum(entry_id < first for entry_id in batch), 0)
            self.position += lost + len(batch)
        if batch:
            self.delivered = batch[-1]
        return lost
