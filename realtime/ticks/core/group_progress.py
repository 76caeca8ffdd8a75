"""How far a group has come in a stream, reckoned apart from Redis, whose lag figure hides entries that were trimmed."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from realtime.core.entry_ids import EntryId, parse_id


@dataclass(slots=True)
class GroupProgress:
    """`delivered`: newest entry given out. `position`: how many entries ever came up to it; None while unknown."""

    delivered: EntryId
    position: int | None

    def account(self, batch: Sequence[str], first: EntryId, removed: int) -> int:
        """Take in the IDs read after `delivered`, in order; returns how many entries had been removed unread.

        `first`: the oldest entry that is left, or where it would be; `removed`: how many entries ever were removed.
        Both may have been looked at after the batch was read: its own entries among the removed ones are not lost.
        """
        lost = 0
        if self.position is not None:
            lost = max(removed - self.position - bisect_left(batch, first, key=parse_id), 0)
            self.position += lost + len(batch)
        if batch:
            self.delivered = parse_id(batch[-1])
        return lost
