"""manage.py consume_ticks"""

import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from prometheus_client import start_http_server

from moneyness.core.warm import warm
from moneyness.interest_sql import interest_day
from realtime.consumer_groups import connect
from realtime.core.names import Names
from realtime.ticks.consumer import TickConsumer
from realtime.ticks.core.sanity import Sanity
from realtime.ticks.core.stream_assignment import in_shard
from realtime.ticks.live_computations import joining, live_computations
from realtime.ticks.options import Limits, Options
from realtime.ticks.streams import find_streams
from signals.greeks.core.conventions import GreeksParams
from timeframes.core.tick_stream import TICK_STREAM
from timeframes.ticks.models import BacktestTick, Tick

logger = logging.getLogger(__name__)


SWITCH_SECONDS = 0.0001
"""The writing thread mostly waits for servers. After each answer it should not wait another 5 ms, Python's default, for
the computing thread."""


class Command(BaseCommand):
    requires_system_checks = []  # they take half a second
    help = "Run the tick daemon: read tick streams, price, store and publish. SIGTERM drains and ends it."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--streams", metavar="NAME,...", help="streams by name: tick_stream:NSE@NIFTY or NSE@NIFTY")
        which.add_argument("--pattern", default=f"{TICK_STREAM}*", help="streams that match a pattern (default: all)")
        parser.add_argument("--shard", metavar="I/N", help="only shard I of N, counted from 0")
        parser.add_argument("--group", help="consumer group (default: TICK_GROUP, or backtest with --clock=tick)")
        parser.add_argument(
            "--consumer", default=socket.gethostname(), help="name in the group (default: the host name)"
        )
        parser.add_argument(
            "--clock", choices=("wall", "tick"), default="wall", help="tick: take each tick's time as now"
        )
        parser.add_argument(
            "--namespace", help="prefix of all keys that are written (default: none, or backtest: with --clock=tick)"
        )
        parser.add_argument(
            "--write-back",
            choices=("on", "off"),
            help="append copies with state P (default: TICK_WRITE_BACK; off with --clock=tick)",
        )
        parser.add_argument(
            "--compute",
            action="append",
            default=[],
            choices=list(live_computations()),
            help="a computation to publish beside the Greeks; may be repeated",
        )
        parser.add_argument(
            "--metrics-port", type=int, default=settings.TICK_METRICS_PORT, help="port of the metrics (0: none)"
        )

    def handle(self, **given: Any) -> None:
        own_time = given["clock"] == "tick"
        namespace = given["namespace"]
        if namespace is None:
            namespace = "backtest:" if own_time else ""
        if own_time and not namespace:
            raise CommandError("--clock=tick needs a --namespace: its results are not the live market's")
        write_back = settings.TICK_WRITE_BACK and not own_time
        group = given["group"] or ("backtest" if own_time else settings.TICK_GROUP)
        client = connect(settings.REDIS_URL)
        if given["streams"]:
            names = {TICK_STREAM + name.removeprefix(TICK_STREAM) for name in given["streams"].split(",") if name}
            find: Callable[[], set[str]] = partial(set, names)
        else:
            find = partial(find_streams, client, given["pattern"])
        if given["shard"]:
            find = partial(_of_shard, find, *_shard(given["shard"]))
        consumer = TickConsumer(
            client,
            find=find,
            group=group,
            name=given["consumer"],
            choice=f"{given['streams'] or given['pattern']} {given['shard']}",
            model=BacktestTick if own_time else Tick,
            names=Names(namespace, group),
            options=live_options(own_time=own_time),
            params=GreeksParams(),
            computations=joining(given["compute"]),
            write_back=write_back if given["write_back"] is None else given["write_back"] == "on",
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: consumer.stop.set())
        if given["metrics_port"]:
            start_http_server(given["metrics_port"], settings.TICK_METRICS_ADDRESS)
        warm()
        interest_day(settings.DEFAULT_EXCHANGE, datetime.now(UTC).date())  # loads the calendar, which takes seconds
        sys.setswitchinterval(SWITCH_SECONDS)
        # A batch is thousands of objects that die together and hold no cycles: searching for cycles wastes time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 50)
        logger.info("consuming as %s", consumer.ownership.token)
        consumer.run()
        logger.info("drained")


def live_options(*, own_time: bool) -> Options:
    return Options(
        batch=settings.TICK_BATCH,
        max_bytes=settings.TICK_MAX_BYTES,
        max_ahead=settings.TICK_MAX_AHEAD_SECONDS,
        max_deliveries=settings.TICK_MAX_DELIVERIES,
        reprice_interval=settings.CHAIN_BEAT_SECONDS,
        window=settings.CHAIN_STRIKES,
        analytics_interval=settings.CHAIN_ANALYTICS_SECONDS,
        smile_interval=settings.CHAIN_SMILE_SECONDS,
        lease=settings.TICK_LEASE_SECONDS,
        maintenance=2.0,
        quotes=0.0 if own_time else settings.TICK_QUOTE_SECONDS,
        bars=settings.TICK_BARS,
        keep=settings.TICK_KEEP_SECONDS,
        keep_entries=settings.TICK_KEEP_ENTRIES,
        own_time=own_time,
        register=settings.TICK_REGISTER_INSTRUMENTS,
        configured_seconds=settings.CONFIG_TICK_SECONDS,
        configured_record=settings.CONFIG_RECORD_SECONDS,
        sanity=Sanity(
            refuse_zero=settings.TICK_REFUSE_ZERO,
            max_jump=settings.TICK_MAX_JUMP,
            jump_seconds=settings.TICK_JUMP_SECONDS,
            max_late=settings.TICK_MAX_LATE_SECONDS,
            max_expiry_years=settings.TICK_MAX_EXPIRY_YEARS,
            max_new_contracts=settings.TICK_MAX_NEW_CONTRACTS,
        ),
        limits=Limits(
            raw_ticks=settings.RAW_TICKS_LENGTH,
            raw_ticks_expiry=settings.RAW_TICKS_EXPIRY,
            computed_data=settings.COMPUTED_DATA_LENGTH,
            cache_expiry=settings.REDIS_CACHE_EXPIRY,
            output_entries=settings.OUTPUT_STREAM_LENGTH,
            output_bytes=settings.OUTPUT_STREAM_BYTES,
            latest_expiry=settings.LATEST_EXPIRY,
            dead_letters=settings.DEAD_LETTER_LENGTH,
        ),
    )


def _shard(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdigit() and parts.isdigit() and int(part) < int(parts)):
        raise CommandError(f"--shard {text}: write I/N with I from 0 to N - 1, such as 0/4")
    return int(part), int(parts)


def _of_shard(find: Any, shard: int, shards: int) -> set[str]:
    return {stream for stream in find() if in_shard(stream, shard, shards)}
