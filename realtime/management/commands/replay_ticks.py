"""manage.py replay_ticks"""

import gzip
import logging
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import orjson
import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q

from realtime.configs.core.portions import portions
from realtime.consumer_groups import connect
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import InvalidInstrumentKey, parse_key
from timeframes.core.sessions import parse_instant
from timeframes.core.tick_stream import tick_stream
from timeframes.ticks.models import Tick

logger = logging.getLogger(__name__)

TOGETHER = 500
MOST_WAITING = 20_000  # entries that the group has yet to acknowledge: the sender waits for it
LONGEST_LINE = 1 << 20
FIELDS = (
    *("ltp", "last_quantity", "volume", "oi", "bid", "ask", "bid_size", "ask_size"),
    *("open", "high", "low", "close"),
)
COLUMNS = {"oi": "open_interest"}


class Command(BaseCommand):
    requires_system_checks = []  # they take half a second
    help = "Stand in for the back-testing server: send past ticks with their own times (consume_ticks --clock=tick)."

    def add_arguments(self, parser: CommandParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("--file", type=Path, help="ticks as JSON, one a line, in order of time; .gz is understood")
        source.add_argument("--underlying", metavar="KEY", help="stored ticks of this underlying, such as NSE@NIFTY")
        parser.add_argument("--start", metavar="INSTANT", help="stored ticks from this moment on")
        parser.add_argument("--end", metavar="INSTANT", help="stored ticks before this moment")
        parser.add_argument("--rate", type=float, metavar="N", help="ticks a second (default: as they are read)")
        parser.add_argument("--group", default="backtest", help="consumer group to wait for (default: backtest)")
        parser.add_argument(
            "--live-too", action="store_true", help="send although the live market's consumers read the stream"
        )

    def handle(self, **given: Any) -> None:
        if given["rate"] is not None and not 0 < given["rate"] <= 1_000_000:
            raise CommandError(f"--rate {given['rate']:g}: from above 0 to 1,000,000 ticks a second")
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        ticks = _of_file(given["file"]) if given["file"] else _stored(given["underlying"], given["start"], given["end"])
        sender = _Sender(given["group"], refuse_live=not given["live_too"], stop=stop)
        begun, sent = time.monotonic(), 0
        for some in portions(ticks, TOGETHER):
            if stop.is_set():
                break
            sender.send(some)
            sent += len(some)
            if given["rate"]:
                stop.wait(max(begun + sent / given["rate"] - time.monotonic(), 0.0))
        self.stdout.write(f"{sent:,} ticks sent")


class _Sender:
    def __init__(self, group: str, *, refuse_live: bool, stop: Event) -> None:
        self.client = connect(settings.REDIS_URL)
        self.group = group
        self.refuse_live = refuse_live
        self.stop = stop
        self.known: set[str] = set()

    def send(self, ticks: list[tuple[str, bytes]]) -> None:
        """Send ticks (stream, JSON) in their order, once the group has room for them."""
        for stream in {stream for stream, _ in ticks} - self.known:
            self._check(stream)
            self.known.add(stream)
        while not self.stop.is_set() and any(self._waiting(stream) > MOST_WAITING for stream, _ in ticks[:1]):
            self.stop.wait(0.1)
        with self.client.pipeline(transaction=True) as pipeline:
            for stream, tick in ticks:
                pipeline.xadd(stream, {"data": tick})
            pipeline.execute()

    def _check(self, stream: str) -> None:
        """Refuse a stream of the live market: its consumers would take old ticks for late ones."""
        groups = {group["name"] for group in self._groups(stream)}
        if self.refuse_live and settings.TICK_GROUP in groups:
            raise CommandError(
                f"{stream} is read by the live market's consumers (group {settings.TICK_GROUP}). Give the back-test"
                " a Redis database of its own, REDIS_URL=redis://.../9 for this command and for its consumer, or add"
                " --live-too"
            )

    def _waiting(self, stream: str) -> int:
        """Return how many entries the group has not acknowledged: all, where there is no group yet."""
        mine = next((group for group in self._groups(stream) if group["name"] == self.group), None)
        if mine is None:
            return int(self.client.xlen(stream))
        return int(mine["pending"] + (mine["lag"] or 0))

    def _groups(self, stream: str) -> list[dict[str, Any]]:
        try:
            return list(self.client.xinfo_groups(stream))
        except redis.ResponseError as error:
            if "no such key" not in str(error):
                raise CommandError(f"{stream}: {error}") from error
            return []


def _of_file(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each line's stream and tick. Raises CommandError with the line that is wrong."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(LONGEST_LINE), b""), 1):
                if line.strip():
                    yield _tick(line, f"{path}, line {number}")
    except (OSError, EOFError) as error:
        raise CommandError(f"{path}: {error}") from error


def _tick(line: bytes, where: str) -> tuple[str, bytes]:
    try:
        tick = orjson.loads(line)
        key = parse_key(tick["instrument_key"])
        if "ltt" not in tick:
            raise CommandError(f"{where}: ltt is missing: a tick of a back-test has its own time")
    except orjson.JSONDecodeError as error:
        raise CommandError(f"{where}: no JSON: {error}") from error
    except (KeyError, TypeError) as error:
        raise CommandError(f"{where}: must be an object with an instrument_key") from error
    except InvalidInstrumentKey as error:
        raise CommandError(f"{where}: {error}") from error
    return tick_stream(key.underlying), orjson.dumps({**tick, "state": "U"})


def _stored(underlying: str, start: str | None, end: str | None) -> Iterable[tuple[str, bytes]]:
    """Yield the stored ticks of an underlying's instruments, in order of time. Raises CommandError."""
    try:
        key = parse_key(underlying)
        bounds = [parse_instant(each, key.exchange) if each else None for each in (start, end)]
    except InvalidInput as error:
        raise CommandError(str(error)) from error
    rows = Tick.objects.filter(Q(instrument_key=key.underlying) | Q(instrument_key__startswith=f"{key.underlying}@"))
    if bounds[0]:
        rows = rows.filter(time__gte=bounds[0])
    if bounds[1]:
        rows = rows.filter(time__lt=bounds[1])
    stream = tick_stream(key.underlying)
    columns = [COLUMNS.get(name, name) for name in FIELDS]
    for instrument_key, moment, *values in (
        rows.order_by("time", "entry_id", "instrument_key")
        .values_list("instrument_key", "time", *columns)
        .iterator(2_000)
    ):
        known = {name: value for name, value in zip(FIELDS, values, strict=True) if value is not None}
        yield stream, orjson.dumps({"instrument_key": instrument_key, "ltt": moment, "state": "U", **known})
