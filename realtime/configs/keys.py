"""The keys `config:{instrument_key}-{interval}-{frequency}`: what an instrument's newest configuration asks for (S37)

A key holds the document that runs, narrowed to the instrument. Where several active configurations have the same
instrument, interval and frequency, it is the one that changed last; once that one goes, the key shows the next.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from zlib import crc32

import orjson
from django.db.models import F, Func, IntegerField, QuerySet, Sum

from realtime.configs.core.affected import Slot, narrowed, slots, underlyings_of
from realtime.configs.core.portions import portions
from realtime.configs.lease import Lease
from realtime.configs.transactions import commit
from realtime.consumer_groups import Redis
from signals.configs.core.document import key_text
from signals.configs.models import Configuration
from signalsite.foundation import heartbeat

logger = logging.getLogger(__name__)

PREFIX = "config:"
TOGETHER = 1_000  # keys of one command, or of one transaction
DOCUMENTS = 200  # read at a time
MOST_KEYS = 200_000  # that are compared at a time: some 30 MiB
INSTRUMENTS = Func(
    F("document"),
    template="jsonb_path_query_first(%(expressions)s, '$.instruments.size()')::int",
    output_field=IntegerField(),
)
"""Of a configuration: as many as its keys, or more."""


def config_key(slot: Slot) -> str:
    return PREFIX + key_text(*slot)


def wanted(asked: Collection[Slot]) -> dict[Slot, bytes]:
    """Return, from PostgreSQL, what the keys of these slots are to hold; those to be absent are left out."""
    if not asked:
        return {}
    found = _running().filter(
        underlyings__overlap=underlyings_of(slot.instrument_key for slot in asked),
        interval__in={slot.interval or "" for slot in asked},
        frequency__in={slot.frequency or "" for slot in asked},
        document__instruments__has_any_keys=sorted({slot.instrument_key for slot in asked}),
    )
    values: dict[Slot, bytes] = {}
    these = set(asked)
    for document in found.values_list("document", flat=True).iterator(DOCUMENTS):
        values |= {slot: _text(document, slot) for slot in slots(document) & these}
    return values


def write_keys(client: Redis, lease: Lease, asked: Iterable[Slot]) -> None:
    """Set or remove the keys of these slots as PostgreSQL says. Raises LeaseLost and redis.RedisError."""
    for some in portions(sorted(asked, key=config_key), TOGETHER):
        heartbeat.beat()
        values = wanted(some)
        _write(client, lease, {config_key(slot): values.get(slot) for slot in some})


def load_initial_configurations(client: Redis, lease: Lease, *, most: int = MOST_KEYS) -> int:
    """Make all keys what PostgreSQL says: set what Redis lacks or has otherwise, and remove what belongs to no
    configuration. Return how many were wrong. `most`: keys in memory, about: of more a part at a time, by their hash.

    Raises LeaseLost and redis.RedisError.
    """
    parts = 1 + (_running().aggregate(number=Sum(INSTRUMENTS))["number"] or 0) // most
    return sum(_load_part(client, lease, part, parts) for part in range(parts))


def _load_part(client: Redis, lease: Lease, part: int, parts: int) -> int:
    def ours(key: str) -> bool:
        return crc32(key.encode(errors="surrogateescape")) % parts == part

    wrong, known = 0, set[str]()  # a configuration that comes later has changed earlier: it takes no known key
    for document in _running().reverse().values_list("document", flat=True).iterator(DOCUMENTS):
        heartbeat.beat()
        lease.renew()
        here = {key: slot for slot in slots(document) if ours(key := config_key(slot)) and key not in known}
        known |= here.keys()
        wrong += _repair(client, lease, {key: _text(document, slot) for key, slot in here.items()})
    held = filter(ours, client.scan_iter(f"{PREFIX}*", count=1_000, _type="string"))
    for some in portions(held, TOGETHER):
        heartbeat.beat()
        if stale := [key for key in some if key not in known]:
            _write(client, lease, dict.fromkeys(stale))
            wrong += len(stale)
    return wrong


def _repair(client: Redis, lease: Lease, values: Mapping[str, bytes]) -> int:
    wrong = 0
    for some in portions(values.items(), TOGETHER):
        heartbeat.beat()
        lease.renew()
        held = client.mget([key for key, _ in some])  # None for a key of another type
        differ = {key: value for (key, value), has in zip(some, held, strict=True) if has != value.decode()}
        if differ:
            _write(client, lease, differ)
            wrong += len(differ)
    return wrong


def _write(client: Redis, lease: Lease, values: Mapping[str, bytes | None]) -> None:
    """Set keys, which replaces one of any type, or remove them where there is no value."""

    def fill(pipeline: Any) -> None:
        for key, value in values.items():
            if value is None:
                pipeline.delete(key)
            else:
                pipeline.set(key, value)

    for answer in commit(client, lease, fill):
        if isinstance(answer, Exception):
            raise answer


def _running() -> QuerySet[Configuration]:
    """Active configurations, the one that changed last at the end."""
    return Configuration.objects.filter(active=True).order_by("updated_at", "id")


def _text(document: Mapping[str, Any], slot: Slot) -> bytes:
    return orjson.dumps(narrowed(document, slot.instrument_key), option=orjson.OPT_SORT_KEYS)
