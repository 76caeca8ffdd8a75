"""manage.py simulate_market"""

import logging
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from threading import Event
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections
from django.utils import timezone

from signals.simulator.core.simulated_listing import EXCHANGE, listed_until, symbols_for
from signals.simulator.core.simulated_market import SimulatedMarket, simulate_market
from signals.simulator.core.simulated_ticks import TickSource
from signals.simulator.feed import publish
from signals.simulator.market import StoredMarket, read_stored, store_history, store_market
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.redis import client
from timeframes.core.keys import parse_key
from timeframes.core.sessions import local_date, parse_instant

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    requires_system_checks = []  # they take half a second
    help = "Store a simulated market like NIFTY and BANKNIFTY (exchange SIM): spot, India VIX, futures and options."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seed", type=int, default=1, help="the same seed, moment and size give the same market")
        parser.add_argument("--at", metavar="INSTANT", help="moment of the quotes (default: now, to the minute)")
        parser.add_argument(
            "--contracts", type=int, default=2_400, metavar="N", help="how many options (default 2,400)"
        )
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--symbols", nargs="+", metavar="SYMBOL", help="NIFTY, BANKNIFTY, or any name for a stock")
        which.add_argument("--underlyings", type=int, metavar="N", help="NIFTY, BANKNIFTY, STOCK001, ...")
        parser.add_argument(
            "--minutes",
            type=int,
            default=375,
            metavar="N",
            help="minutes of spot and VIX before that moment (default 375)",
        )
        parser.add_argument(
            "--history",
            type=int,
            metavar="DAYS",
            help="one-minute bars of spots and futures from so many whole days before that moment on, unless bars or "
            "ticks of them are stored already",
        )
        parser.add_argument("--stream", action="store_true", help="then publish ticks to its streams until Ctrl-C")
        parser.add_argument("--rate", type=float, default=200.0, metavar="N", help="ticks a second (default 200)")
        parser.add_argument("--seconds", type=float, metavar="N", help="stop publishing after N seconds")
        parser.add_argument(
            "--one-field", action="store_true", help="send each tick as JSON in one field instead of flat fields"
        )
        parser.add_argument(
            "--clean", action="store_true", help="publish no late, swapped, repeated or malformed ticks"
        )

    def handle(
        self,
        *,
        seed: int,
        at: str | None,
        contracts: int,
        symbols: list[str] | None,
        underlyings: int | None,
        minutes: int,
        history: int | None,
        stream: bool,
        **options: Any,
    ) -> None:
        if history is not None and not 0 <= history <= MOST_DAYS:
            raise CommandError(f"--history {history}: from 0 to {MOST_DAYS} days")
        try:
            moment = parse_instant(at, EXCHANGE) if at else _this_minute()
            names = _names(symbols, contracts, underlyings, moment)
            for name in names:
                parse_key(f"{EXCHANGE}@{name}")
            # A feed continues the stored market: old quotes beside those of another market would give wrong values.
            stored = read_stored(names, moment if at else timezone.now()) if stream else StoredMarket({}, [])
            market = simulate_market(
                seed=seed,
                at=moment,
                symbols=names,
                contracts=contracts,
                minutes=minutes,
                spots=stored.spots,
                listed=stored.contracts,
            )
        except InvalidInput as error:
            raise CommandError(str(error)) from error
        written = store_market(market)
        self.stdout.write("\n".join(_summary(market)))
        self.stdout.write(f"{written:,} quotes at and before {moment.isoformat()}, seed {seed}")
        if history is not None:
            self.stdout.write(f"{store_history(market, moment, days=history, seed=seed):,} one-minute bars before it")
        if stream:

            def listed_anew(at: datetime, source: TickSource) -> SimulatedMarket:
                later = simulate_market(
                    seed=seed,
                    at=at,
                    symbols=_names(symbols, contracts, underlyings, at),
                    contracts=contracts,
                    minutes=0,
                    spots=source.spots,
                    listed=source.market.instruments,
                )
                source.continue_in(later, at)
                return later

            self._publish(market, seed, moment, listed_anew, **options)

    def _publish(
        self,
        market: SimulatedMarket,
        seed: int,
        moment: datetime,
        listed_anew: Callable[[datetime, TickSource], SimulatedMarket],
        *,
        rate: float,
        clean: bool,
        seconds: float | None,
        one_field: bool,
        **options: Any,
    ) -> None:
        if not 0 < rate <= 100_000:
            raise CommandError(f"--rate {rate:g}: from above 0 to 100,000 ticks a second")
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        logger.info("publishing %g ticks a second", rate)
        source = TickSource(market, seed=seed, at=moment, flawed=not clean)
        begun, sent = time.monotonic(), 0  # many contracts take seconds to read
        while True:
            sent += publish(
                client(settings.REDIS_URL),
                source,
                rate=rate,
                one_field=one_field,
                stop=stop,
                seconds=None if seconds is None else seconds - (time.monotonic() - begun),
                until=listed_until(source.market.instruments, moment),
                report=logger.info,
            )
            if stop.is_set() or (seconds is not None and time.monotonic() - begun >= seconds):
                break
            moment = _this_minute()
            market = listed_anew(moment, source)
            close_old_connections()  # hours have passed
            store_market(market)
            source = TickSource(market, seed=seed, at=moment, flawed=not clean)
            logger.info("listed anew: %s", ", ".join(_summary(market)))
        logger.info("%d ticks published", sent)


def _this_minute() -> datetime:
    return timezone.now().replace(second=0, microsecond=0)


def _names(symbols: list[str] | None, contracts: int, underlyings: int | None, at: datetime) -> list[str]:
    return list(dict.fromkeys(symbols)) if symbols else symbols_for(contracts, underlyings, local_date(EXCHANGE, at))


def _summary(market: SimulatedMarket) -> list[str]:
    by_symbol: dict[str, list[str]] = defaultdict(list)
    for (symbol, expiry), count in market.counts.items():
        by_symbol[symbol].append(f"{expiry} {count:,}")
    lines = [f"{EXCHANGE}@{symbol}: {', '.join(counts)}" for symbol, counts in list(by_symbol.items())[:MOST_LINES]]
    if len(by_symbol) > MOST_LINES:
        lines.append(f"... and {len(by_symbol) - MOST_LINES:,} more underlyings")
    lines.append(f"{sum(market.counts.values()):,} options on {len(by_symbol):,} underlyings")
    lines.append("flawed on purpose: " + ", ".join(f"{count:,} {kind}" for kind, count in market.oddities.items()))
    return lines


MOST_LINES = 10
MOST_DAYS = 30  # of bars: 43,200 of each instrument
