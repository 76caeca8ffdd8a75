"""manage.py simulate_configs"""

import logging
import signal
import time
from threading import Event
from typing import Any

import orjson
import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils import timezone

from realtime.configs.core.simulated import Sent, SimulatedManager
from signals.instruments.models import Instrument
from signalsite.foundation.redis import client
from timeframes.core.keys import InstrumentKey, InvalidInstrumentKey, Product, parse_key

logger = logging.getLogger(__name__)

LONGEST_STREAM = 100_000
"""Bounds the stream, so that messages that nobody reads do not fill the memory."""
MOST_LISTED = 500  # options to choose from


class Command(BaseCommand):
    requires_system_checks = []  # they take half a second
    help = "Stand in for the Subscription Manager: send configurations for the simulated market, and changes of them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--count", type=int, default=20, metavar="N", help="how many configurations (default 20)")
        parser.add_argument(
            "--rate", type=float, default=0.2, metavar="N", help="changes a second after that; 0: none (default 0.2)"
        )
        parser.add_argument("--seed", type=int, default=1, help="the same seed and market give the same messages")
        parser.add_argument("--seconds", type=float, metavar="N", help="stop after N seconds")
        parser.add_argument(
            "--wait", type=float, default=0.0, metavar="N", help="up to N seconds for options to be listed (default 0)"
        )
        parser.add_argument(
            "--underlyings",
            nargs="+",
            default=["SIM@NIFTY", "SIM@BANKNIFTY"],
            metavar="KEY",
            help="underlyings (default: SIM@NIFTY SIM@BANKNIFTY)",
        )

    def handle(
        self,
        *,
        count: int,
        rate: float,
        seed: int,
        seconds: float | None,
        wait: float,
        underlyings: list[str],
        **more: Any,
    ) -> None:
        if not 1 <= count <= 100_000:
            raise CommandError(f"--count {count}: from 1 to 100,000 configurations")
        if not 0 <= rate <= 10_000:
            raise CommandError(f"--rate {rate:g}: from 0 to 10,000 changes a second")
        try:
            keys = [parse_key(each) for each in underlyings]
        except InvalidInstrumentKey as error:
            raise CommandError(f"--underlyings: {error}") from error
        spots = [str(InstrumentKey(key.exchange, key.symbol, Product.EQUITY_SPOT)) for key in keys]
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        begun = time.monotonic()
        while not (options := _options(underlyings)) and time.monotonic() - begun < wait and not stop.wait(0.5):
            pass
        connection.close()  # no more is read
        manager = SimulatedManager(seed=seed, count=count, spots=spots, options=options)
        for message in manager.first():
            _send(message, stop)
        logger.info("%d configurations sent, %g changes a second follow", count, rate)
        end = None if seconds is None else timezone.now().timestamp() + seconds
        while rate and not stop.wait(1 / rate):
            if end is not None and timezone.now().timestamp() >= end:
                break
            _send(manager.change(), stop)


def _options(underlyings: list[str]) -> list[str]:
    """Return options that are listed now; none before the market is stored."""
    listed = Instrument.objects.filter(
        underlying__in=underlyings, right__in=("call", "put"), expires_at__gt=timezone.now()
    )
    return list(listed.order_by("expires_at", "key").values_list("key", flat=True)[:MOST_LISTED])


def _send(message: Sent, stop: Event) -> None:
    """Send one message, again until Redis has it: the order counts."""
    fields: Any = {"config_json": orjson.dumps(message.document), "action": message.action}
    while not stop.is_set():
        try:
            client(settings.REDIS_URL).xadd(settings.CONFIG_STREAM, fields, maxlen=LONGEST_STREAM, approximate=True)
            return
        except redis.RedisError as error:
            logger.error("Redis: %s", error)
            stop.wait(1.0)
