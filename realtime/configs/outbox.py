"""Apply changes of configurations to Redis, from the table that each change leaves a row in (`ConfigurationChange`).

A row says what may differ; what is written is read from PostgreSQL as it stands then. So rows may be applied twice, or
by two consumers: the outcome is the same.
"""

import logging
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from realtime.configs import metrics
from realtime.configs.caches import Clearing, clear
from realtime.configs.core.affected import affected
from realtime.configs.keys import write_keys
from realtime.configs.lease import Lease
from realtime.consumer_groups import Redis
from realtime.core.names import Names
from signals.configs.models import ConfigurationChange

logger = logging.getLogger(__name__)

ROWS = 200  # applied together
MOST_SLOTS = 20_000  # of rows applied together, except the first
LOOK_AGAIN = (2.0, 15.0)  # seconds since a change between which its caches are cleared again
MOST_AGAIN = 10_000
KEEP = timedelta(days=7)  # of applied rows
REMOVED_TOGETHER = 5_000
# One statement sees the versions and the changes of one moment: a change in between would count in one of them only.
_VERSIONS = """
SELECT h.id, c.version - (row_number() OVER (PARTITION BY h.configuration_id ORDER BY h.id DESC) - 1)::int
FROM signal_configuration_changes h JOIN signal_configurations c ON c.id = h.configuration_id
WHERE h.configuration_id = ANY(%s) AND h.id >= %s
"""


class Outbox:
    def __init__(self, client: Redis, lease: Lease, names: Names) -> None:
        self.client = client
        self.lease = lease
        self.names = names
        self._again: deque[tuple[float, Clearing]] = deque(maxlen=MOST_AGAIN)

    def apply(self, *, now: datetime) -> int:
        """Apply the oldest changes that are not applied, and return how many.

        Raises LeaseLost, redis.RedisError and what an outage of PostgreSQL raises: the rows stay as they are.
        """
        rows = list(ConfigurationChange.objects.filter(applied_at=None).order_by("id")[:ROWS])
        if not rows:
            return 0
        versions = _versions(rows)
        clearings: list[Clearing] = []
        slots: set[Any] = set()
        for place, row in enumerate(rows):
            found = affected(row.before, row.after)
            if slots and len(slots) + len(found.slots) > MOST_SLOTS:
                rows = rows[:place]
                break
            slots |= found.slots
            clearings.append(
                Clearing(
                    configuration=row.configuration_id, name=row.name, valid_from=versions.get(row.pk), affected=found
                )
            )
        write_keys(self.client, self.lease, slots)
        clearings = [each for each in clearings if each]
        clear(self.client, self.lease, clearings, self.names)
        ConfigurationChange.objects.filter(pk__in=[row.pk for row in rows]).update(applied_at=now)
        self._again.extend((time.monotonic(), each) for each in clearings)
        metrics.changes.inc(len(rows))
        return len(rows)

    def look_again(self) -> None:
        """Clear once more what old versions may have left since. Call it about every two seconds."""
        clock = time.monotonic()
        due = [each for begun, each in self._again if LOOK_AGAIN[0] <= clock - begun]
        clear(self.client, self.lease, due, self.names)
        while self._again and clock - self._again[0][0] > LOOK_AGAIN[1]:
            self._again.popleft()

    def tidy(self, *, now: datetime) -> None:
        """Remove rows that were applied long ago. The newest stays: its number says whether anything has changed."""
        newest = ConfigurationChange.objects.order_by("-id").values_list("id", flat=True).first() or 0
        old = ConfigurationChange.objects.filter(applied_at__lt=now - KEEP, pk__lt=newest).order_by("id")
        ConfigurationChange.objects.filter(pk__in=list(old.values_list("id", flat=True)[:REMOVED_TOGETHER])).delete()
        metrics.unapplied.set(ConfigurationChange.objects.filter(applied_at=None).count())


def _versions(rows: Sequence[ConfigurationChange]) -> dict[int, int]:
    """Return the version that each change made, by the row's number. A row of a configuration that is gone has none.

    Each change makes one version, so it is the present one less the changes that came after.
    """
    with connection.cursor() as cursor:
        cursor.execute(_VERSIONS, [list({row.configuration_id for row in rows}), rows[0].pk])
        return dict(cursor.fetchall())
