"""When an exchange is open and when a contract expires, as moments in UTC.

`session_close` and `expiry_moment` take any day, holiday or not, since stored data decides which days count. Only
`is_session` asks a calendar. Importing `exchange_calendars` takes two seconds, so it is loaded when a day needs it:
never for an Indian or crypto expiry.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import NEW_YORK, Exchange, exchange_named
from timeframes.core.keys import InstrumentKey, Product

if TYPE_CHECKING:
    from exchange_calendars import ExchangeCalendar

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Python's parser accepts any character between the seconds and the offset.
_INSTANT = re.compile(
    rf"{_DATE.pattern}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.,][0-9]{{1,9}})?)?(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)?"
)
AFTER_YEAR, BEFORE_YEAR = 1900, 2200  # bounds of an instant, far from where datetime arithmetic overflows
# Options that settle on the opening prices of their last day. VIX always does; the indices do in the monthly series
# (third Friday) only, and name their afternoon series otherwise (SPXW).
_MORNING_ALWAYS = {("CBOE", "VIX")}
_MORNING_ON_THIRD_FRIDAY = {("CBOE", "SPX"), ("CBOE", "NDX"), ("CBOE", "RUT")}


def session_open(exchange: str, day: date) -> datetime:
    """Return the opening of the session of `day` (a date in the exchange's zone), in UTC.

    A day without a session has the regular opening.
    """
    found = exchange_named(exchange)
    if day in found.special:
        return _moment(found, day, found.special[day][0])
    return _moment(found, day, found.regular_hours(day).opens)


@lru_cache(maxsize=65_536)
def session_close(exchange: str, day: date) -> datetime:
    """Return the close of the session of `day` (a date in the exchange's zone), in UTC.

    A day without a session has the regular close. Where trading never stops, it is the following midnight.
    """
    found = exchange_named(exchange)
    if day in found.special:
        return _moment(found, day, found.special[day][1])
    closes = found.regular_hours(day).closes
    if closes is None:
        return _moment(found, day + timedelta(days=1), time(0))
    if found.zone is NEW_YORK:
        calendar = _calendar(found.calendar)
        if calendar.first_session.date() <= day <= calendar.last_session.date() and calendar.is_session(day):
            closing: datetime = calendar.session_close(day).to_pydatetime()
            return closing.astimezone(UTC)
    return _moment(found, day, closes)


def is_session(exchange: str, day: date) -> bool:
    """Return whether the exchange trades on `day`. Beyond its calendar: each weekday but fixed holidays."""
    found = exchange_named(exchange)
    if not found.calendar or day in found.special:
        return True
    if day in found.closed:
        return False
    calendar = _calendar(found.calendar)
    if calendar.first_session.date() <= day <= calendar.last_session.date():
        return bool(calendar.is_session(day))
    return day.weekday() < 5 and (day.month, day.day) not in found.fixed_holidays


def expiry_moment(key: InstrumentKey) -> datetime:
    """Return the exact moment, in UTC, at which the contract of `key` expires. Raises InvalidInput if it never does."""
    if key.expiry is None:
        raise InvalidInput("instrument_key", f"{key} does not expire")
    return _expiry_moment(key.exchange, key.symbol, key.product, key.expiry)


@lru_cache(maxsize=65_536)
def _expiry_moment(exchange: str, symbol: str, product: Product, expiry: date) -> datetime:
    found = exchange_named(exchange)
    if found.expires is not None:
        return _moment(found, expiry, found.expires)
    root = (exchange, symbol)
    if product.is_option and (
        root in _MORNING_ALWAYS or (root in _MORNING_ON_THIRD_FRIDAY and _ends_monthly_series(exchange, expiry))
    ):
        return session_open(exchange, expiry)
    return session_close(exchange, expiry)


def _ends_monthly_series(exchange: str, expiry: date) -> bool:
    """Return whether `expiry` is a third Friday, or the session before one on which the exchange is closed."""
    if expiry.weekday() == 4:
        return 15 <= expiry.day <= 21
    friday = expiry + timedelta(days=1)
    return friday.weekday() == 4 and 15 <= friday.day <= 21 and not is_session(exchange, friday)


def local_date(exchange: str, instant: datetime) -> date:
    """Return the date in the exchange's zone at `instant` (aware)."""
    return instant.astimezone(exchange_named(exchange).zone).date()


def parse_instant(text: str, exchange: str, field: str = "as_of") -> datetime:
    """Read an ISO 8601 instant and return it in UTC.

    A naive instant is in the exchange's zone. A date alone means the close of that session.
    Raises InvalidInput under the name of the field.
    """
    found = exchange_named(exchange)
    text = text.strip()
    try:
        if _DATE.fullmatch(text) or _INSTANT.fullmatch(text):
            instant = datetime.fromisoformat(text)
            if AFTER_YEAR < instant.year < BEFORE_YEAR:
                if len(text) == len("YYYY-MM-DD"):
                    return session_close(exchange, instant.date())
                return (instant if instant.tzinfo else instant.replace(tzinfo=found.zone)).astimezone(UTC)
    except ValueError:  # no such day, hour or offset
        pass
    raise InvalidInput(
        field,
        f"{text[:40]!r} is neither a date such as 2026-06-11 nor an instant such as 2026-06-11T15:30:00+05:30, "
        f"after {AFTER_YEAR} and before {BEFORE_YEAR}",
    )


def _moment(exchange: Exchange, day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, exchange.zone).astimezone(UTC)


@lru_cache(maxsize=4)
def _calendar(name: str) -> "ExchangeCalendar":
    import exchange_calendars

    # Explicit ends, since the library's defaults move with the clock. XBOM's list of sessions ends at its bound.
    bound = exchange_calendars.get_calendar(name).bound_max()
    end = "2050-12-31" if bound is None else bound
    return exchange_calendars.get_calendar(name, start="2000-01-01", end=end)
