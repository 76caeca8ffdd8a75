"""`signal_custom_timeframes`: the pages of bars that are asked for often, in the database."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from timeframes.bars.changes import Basis, unchanged
from timeframes.bars.models import CustomTimeframe
from timeframes.bars.pages import BarsPage, asked_of, decode, encode
from timeframes.core.timeframe import format_timeframe

MOST_ROWS = 10_000
MOST_BYTES = 16 << 20  # of one page, unpacked
FORGOTTEN = timedelta(days=7)
# Halved each day: exact, since each count is brought to the present first.
_COUNT = """
INSERT INTO signal_custom_timeframes AS kept (name, instrument_key, timeframe, asked, last_asked_at)
SELECT name, key, timeframe, asked, %(now)s
FROM unnest(%(names)s::text[], %(keys)s::text[], %(timeframes)s::text[], %(asked)s::float8[])
     AS new(name, key, timeframe, asked)
ORDER BY name
ON CONFLICT (name) DO UPDATE SET
    asked = EXCLUDED.asked + kept.asked * 0.5 ^ least(
        greatest(date_part('epoch', EXCLUDED.last_asked_at - kept.last_asked_at) / 86400, 0), 1000),
    last_asked_at = greatest(EXCLUDED.last_asked_at, kept.last_asked_at)
"""
_KEEP = """
UPDATE signal_custom_timeframes kept SET content = new.content, made_at = %(now)s
FROM unnest(%(names)s::text[], %(contents)s::bytea[]) AS new(name, content) WHERE kept.name = new.name
"""
# The most asked for stay, as far as rows and bytes allow.
_TRIM = """
DELETE FROM signal_custom_timeframes WHERE last_asked_at < %(oldest)s OR name IN (
    SELECT name FROM (
        SELECT name, row_number() OVER ranked AS place, sum(coalesce(length(content), 0) + 200) OVER ranked AS bytes
        FROM signal_custom_timeframes WINDOW ranked AS (ORDER BY asked DESC, name)
    ) AS each WHERE place > %(rows)s OR bytes > %(bytes)s)
"""


def count_asked(counts: Mapping[str, int], now: datetime) -> None:
    """Add to how often pages are asked for, by name."""
    names = sorted(counts)
    asked = [asked_of(name)[0] for name in names]
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNT,
            {
                "names": names,
                "keys": [each.key for each in asked],
                "timeframes": [format_timeframe(each.timeframe) for each in asked],
                "asked": [float(counts[name]) for name in names],
                "now": now,
            },
        )


def keep(pages: Iterable[tuple[str, BarsPage]], now: datetime) -> None:
    """Store pages in their rows, where there are such rows."""
    contents = {name: zlib.compress(encode(page), 1) for name, page in pages if len(page.body) < MOST_BYTES}
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, {"names": list(contents), "contents": list(contents.values()), "now": now})


def drop(name: str) -> None:
    """Empty the row of a page that cannot be kept any more. Its count stays."""
    CustomTimeframe.objects.filter(name=name).update(content=None)


def kept_page(name: str) -> BarsPage | None:
    row = CustomTimeframe.objects.filter(name=name, content__isnull=False).values_list("content").first()
    return _unpacked(name, row[0]) if row and row[0] is not None else None


def trim(now: datetime) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TRIM, {"oldest": now - FORGOTTEN, "rows": MOST_ROWS, "bytes": settings.BARS_KEPT_BYTES})


def stale_names(most: int) -> list[str]:
    """Return which of the `most` pages asked for most often are out of date.

    A page that is asked for often and is not kept cannot be: its last bar is open, or it takes too long.
    """
    kept = CustomTimeframe.objects.filter(content__isnull=False).order_by("-asked", "name")
    rows = list(kept.values_list("name", "content")[:most])
    found = [(name, _unpacked(name, content) if content is not None else None) for name, content in rows]
    pages = [(name, page) for name, page in found if page is not None]
    checked = unchanged(_bases(page for _, page in pages)) if pages else []
    good = {name for (name, _), moment in zip(pages, checked, strict=True) if moment is not None}
    return [name for name, _ in found if name not in good]


def _bases(pages: Iterable[BarsPage]) -> Sequence[Basis]:
    return [page.basis for page in pages if page.basis is not None]


def _unpacked(name: str, content: bytes | memoryview) -> BarsPage | None:
    unpacking = zlib.decompressobj()
    try:
        whole = unpacking.decompress(bytes(content), MOST_BYTES * 2)
    except zlib.error:
        return None
    return decode(name, whole) if unpacking.eof else None
