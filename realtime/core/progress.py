"""How far a group has come in a stream, reckoned apart from Redis, whose lag figure hides entries that were trimmed."""

from collections.abc import Sequence
from dataclasses import dataclass

from realtime.core.entry_ids import EntryId


@dataclass(slots=True)
class Progress:
    """`delivered`: newest entry given out. `position`: how many entries ever came before and with it; None: unknown."""

    delivered: EntryId
    position: int | None

    def account(self, batch: Sequence[EntryId], deleted: EntryId, removed: int) -> int:
        """Take in a batch read after `delivered`; returns how many entries were removed unread before it.

        `deleted`: the newest entry that was ever removed; `removed`: how many ever were, all of them older than the
        rest. Both may have been looked at later than the batch was read: what was removed after it had been read was
        not lost. Where the number cannot be known, one stands for at least one.
        """
        lost = 0
        if deleted > self.delivered:
            read_before_removal = sum(entry_id <= deleted for entry_id in batch)
            if self.position is not None:
                lost = max(removed - self.position - read_before_removal, 0)
            elif not batch or batch[0] > deleted:
                lost = 1
            if not batch and lost:
                self.delivered, self.position = deleted, removed
                return lost
        if batch:
            self.delivered = batch[-1]
            if self.position is not None:
                self.position += lost + len(batch)
        return lost
