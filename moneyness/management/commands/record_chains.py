"""manage.py record_chains [UNDERLYING ...] --from DATE [--to DATE] [--every SECONDS] [--exchange NSE]"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from moneyness.backfill import check_interval, record_days, sessions_between
from moneyness.history.requests import read_underlying
from moneyness.stored_chains import underlyings_of
from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import exchange_named
from timeframes.core.sessions import local_date

MOST_DAYS = 36_600


class Command(BaseCommand):
    help = (
        "Record what the chains of past sessions said, from stored quotes and bars: rows of signal_chain_analytics and "
        "signal_moneyness_greeks. Rows that are there stay. Stop it and run it again as you like."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("underlyings", nargs="*", metavar="UNDERLYING", help="such as NSE@NIFTY; none: all")
        parser.add_argument("--exchange", help="whose underlyings, where none is named (default: DEFAULT_EXCHANGE)")
        parser.add_argument("--from", dest="first", type=_date, required=True, metavar="DATE", help="the first session")
        parser.add_argument("--to", dest="last", type=_date, metavar="DATE", help="the last one (default: today)")
        parser.add_argument(
            "--every", type=int, metavar="SECONDS", help="instants of each session (default: only its close)"
        )

    def handle(self, *, first: date, last: date | None, **options: Any) -> None:
        now = timezone.now()
        try:
            every = check_interval(options["every"])
            chosen = _chosen(options["underlyings"], options["exchange"], first)
        except InvalidInput as error:
            raise CommandError(f"{error.field}: {error}", returncode=2) from error
        if not chosen:
            raise CommandError("no underlying has options that expire on or after --from", returncode=2)
        rows = 0
        for underlying, exchange in chosen:
            rows += self._record(underlying, _days(exchange, first, last, now), every, now)
        self.stdout.write(f"{rows} new rows")

    def _record(self, underlying: str, days: Sequence[date], every: int | None, now: datetime) -> int:
        rows = 0
        for found in record_days(underlying, days, every, now):
            rows += found.rows
            self.stdout.write(
                f"{found.underlying} {found.day}: {found.rows} new rows; of {found.instants} instants "
                f"{found.already} had rows, {found.evaluated} were evaluated"
            )
        return rows


def _date(text: str) -> date:
    return date.fromisoformat(text)


def _chosen(names: Sequence[str], exchange: str | None, first: date) -> list[tuple[str, str]]:
    """Return underlyings with their exchanges. Raises InvalidInput."""
    if names:
        return list(dict.fromkeys(map(read_underlying, names)))
    found = exchange_named(exchange or settings.DEFAULT_EXCHANGE).name
    return [(key, found) for key in underlyings_of(underlying=None, exchange=found, expiring_from=first)]


def _days(exchange: str, first: date, last: date | None, now: datetime) -> list[date]:
    last = min(last or date.max, local_date(exchange, now))
    if last < first:
        raise CommandError("--to is before --from, or --from is to come", returncode=2)
    if (last - first).days > MOST_DAYS:
        raise CommandError(f"--from: at most {MOST_DAYS} days", returncode=2)
    return sessions_between(exchange, first, last, now)
