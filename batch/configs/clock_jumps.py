"""Schedules whose next moment is too far away: PostgreSQL's clock was ahead and has been set back.

While it was ahead, schedules moved on to moments after its time. Without this they would be silent until then. What has
a row already does not run again.
"""

import logging

from django.db import connection

from batch.configs.starting import exchange_of, frequency_of
from signals.configs.core.schedule import due_after
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.rows import binary_rows

logger = logging.getLogger(__name__)

_SCHEDULE = """
    frequency, split_part(document #>> '{instruments,0}', '@', 1), document ->> 'interval', document ->> 'anchor'
"""
# One of the instruments stands for its exchange.
_SCHEDULES = f"""
SELECT {_SCHEDULE}, min(document #>> '{{instruments,0}}'), max(next_due), now()
FROM signal_configurations WHERE active AND next_due > now() GROUP BY 1, 2, 3, 4
"""
_BRING_FORWARD = f"""
UPDATE signal_configurations SET next_due = %(due)s
WHERE id IN (SELECT id FROM signal_configurations
             WHERE active AND next_due > %(due)s AND ({_SCHEDULE}) IS NOT DISTINCT FROM
                   (%(frequency)s::text, %(exchange)s::text, %(interval)s::text, %(anchor)s::text)
             ORDER BY id FOR UPDATE SKIP LOCKED)
"""


def bring_forward() -> int:
    """Set the next moments that are later than the first one from now to that one. Returns how many.

    A schedule that cannot be read stays as it is: its run says so when it is due.
    """
    moved = 0
    for frequency, exchange, interval, anchor, instrument, latest, now in binary_rows(_SCHEDULES, {}):
        known = exchange_of(instrument)
        try:
            if isinstance(known, InvalidInput):
                continue
            due = due_after(frequency_of(frequency), now, exchange=known, interval=interval, anchor=anchor)
        except (InvalidInput, ValueError):
            continue
        if due is not None and due < latest:
            with connection.cursor() as cursor:
                values = {"due": due, "frequency": frequency, "exchange": exchange}
                cursor.execute(_BRING_FORWARD, {**values, "interval": interval, "anchor": anchor})
                moved += cursor.rowcount
    if moved:
        logger.warning("%d schedules were further ahead than they can be: PostgreSQL's clock was set back", moved)
    return moved
