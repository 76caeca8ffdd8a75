"""The time zone, regular hours, calendar and moment of expiry of each exchange.

Hours have dates because exchanges change them: NSE opened at 09:55 until 2009, and its derivatives close at 15:40 since
3 August 2026, when the closing auction came to the cash market. Special sessions are those that `exchange_calendars`
leaves out: Saturdays and Sundays on which NSE traded, and the hour of Muhurat trading at Diwali.
"""

from dataclasses import dataclass, field
from datetime import date, time
from types import MappingProxyType
from typing import Literal
from zoneinfo import ZoneInfo

from signalsite.foundation.errors import InvalidInput

UTC = ZoneInfo("UTC")
KOLKATA = ZoneInfo("Asia/Kolkata")
NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True)
class Hours:
    """Regular hours in the exchange's zone. `closes` is None where trading never stops: sessions end at midnight."""

    since: date
    opens: time
    closes: time | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """`hours`: newest first. `expires`: local time of expiry; None means the session's close. `currency`: of prices.

    `calendar`: name in exchange_calendars; empty if every day is a session. `special`: sessions at other hours, and
    those that the calendar lacks. `closed`: days that the calendar wrongly lists as sessions. `fixed_holidays`:
    (month, day) of holidays on weekdays, for the years beyond the calendar's last. `asset`: of its options' keys, and
    where its bars count from (`timeframes.core.grid`).
    """

    name: str
    zone: ZoneInfo
    hours: tuple[Hours, ...]
    calendar: str = ""
    expires: time | None = None
    special: MappingProxyType[date, tuple[time, time]] = field(default_factory=lambda: MappingProxyType({}))
    closed: frozenset[date] = frozenset()
    fixed_holidays: frozenset[tuple[int, int]] = frozenset()
    asset: Literal["equity", "crypto"] = "equity"
    currency: str = "USD"

    def regular_hours(self, day: date) -> Hours:
        return next((hours for hours in self.hours if hours.since <= day), self.hours[-1])


def exchange_named(name: str) -> Exchange:
    """Return the exchange of a key. Pairs on no particular exchange have the empty name. Raises InvalidInput."""
    try:
        return EXCHANGES[name]
    except KeyError:
        known = ", ".join(sorted(filter(None, EXCHANGES)))
        raise InvalidInput("exchange", f"exchange {name!r} is not known; known are {known}") from None


def _indian_special_sessions() -> MappingProxyType[date, tuple[time, time]]:
    # Checked against the daily and intraday index bars of 2009 to May 2024; later ones are from the exchange's notices.
    whole, morning = (time(9, 15), time(15, 30)), (time(9, 15), time(12, 30))
    evening = (time(18, 15), time(19, 15))
    sessions = {date.fromisoformat(day): whole for day in WHOLE_DAYS}
    sessions |= {date(2024, 3, 2): morning, date(2024, 5, 18): morning}  # two short sessions, to test the recovery site
    sessions |= {date.fromisoformat(day): evening for day in MUHURAT_AT_18_15}
    sessions |= {
        date(2015, 11, 11): (time(17, 45), time(18, 45)),
        date(2016, 10, 30): (time(18, 30), time(19, 30)),
        date(2017, 10, 19): (time(18, 30), time(19, 30)),
        date(2018, 11, 7): (time(17, 30), time(18, 30)),
        date(2024, 11, 1): (time(18, 0), time(19, 0)),
        date(2025, 10, 21): (time(13, 45), time(14, 45)),
        date(2026, 11, 8): (time(18, 0), time(19, 0)),  # the day is from the 2026 list, the hour assumed as in 2024
    }
    return MappingProxyType(sessions)


WHOLE_DAYS = (
    *("2010-02-06", "2012-01-07", "2012-03-03", "2012-04-28", "2012-09-08", "2013-05-11", "2013-11-14", "2014-03-22"),
    *("2015-02-28", "2020-02-01", "2024-01-20", "2025-02-01", "2026-02-01"),
)
MUHURAT_AT_18_15 = (
    *("2009-10-17", "2013-11-03", "2014-10-23", "2019-10-27"),
    *("2020-11-14", "2021-11-04", "2022-10-24", "2023-11-12"),
)

_ALWAYS = (Hours(date.min, time(0), None),)
_NEW_YORK_HOURS = (Hours(date.min, time(9, 30), time(16)),)
_BSE_HOURS = (
    Hours(date(2010, 10, 18), time(9, 15), time(15, 30)),
    Hours(date(2010, 1, 4), time(9), time(15, 30)),
    Hours(date.min, time(9, 55), time(15, 30)),
)
_NSE_HOURS = (Hours(date(2026, 8, 3), time(9, 15), time(15, 40)), *_BSE_HOURS)


def _indian(name: str, hours: tuple[Hours, ...]) -> Exchange:
    return Exchange(
        name,
        KOLKATA,
        hours,
        calendar="XBOM",
        special=_indian_special_sessions(),
        closed=frozenset({date(2013, 11, 15)}),
        fixed_holidays=frozenset({(1, 26), (4, 14), (5, 1), (8, 15), (10, 2), (12, 25)}),
        currency="INR",
    )


def _american(name: str) -> Exchange:
    return Exchange(name, NEW_YORK, _NEW_YORK_HOURS, calendar="XNYS")


def _crypto(name: str) -> Exchange:
    return Exchange(name, UTC, _ALWAYS, expires=time(8), asset="crypto")


EXCHANGES: MappingProxyType[str, Exchange] = MappingProxyType(
    {
        exchange.name: exchange
        for exchange in (
            _indian("NSE", _NSE_HOURS),
            _indian("BSE", _BSE_HOURS),
            # Our simulated market never closes, so that it is alive whenever somebody looks. Its contracts are NSE's.
            Exchange("SIM", KOLKATA, _ALWAYS, expires=time(15, 40), currency="INR"),
            *(_american(name) for name in ("CBOE", "NYSE", "NASDAQ", "OPRA")),
            *(_crypto(name) for name in ("DERIBIT", "BINANCE", "BYBIT", "OKX", "")),
        )
    }
)
