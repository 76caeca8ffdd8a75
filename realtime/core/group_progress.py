"""How far a group has read a stream, counted here because Redis' lag figure hides trimmed entries."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from realtime.core.entry_ids import EntryId, parse_id


@dataclass(slots=True)
class GroupProgress:
    """`delivered`: the newest entry delivered. `position`: entries ever added up to it, None while unknown."""

    delivered: EntryId
    position: int | None

    def account(self, batch: Sequence[str], first: EntryId, removed: int) -> int:
        """Count the IDs read after `delivered`, in order, and return how many entries were removed unread.

        `first`: the oldest entry left, or the ID it would have; `removed`: how many entries were ever removed. Both may
        be newer than the batch: entries of the batch that have been removed since are not lost.
        """
        lost = 0
        if self.position is not None:
            lost = max(removed - self.position - bisect_left(batch, first, key=parse_id), 0)
            self.position += lost + len(batch)
        if batch:
            self.delivered = parse_id(batch[-1])
        return lost
