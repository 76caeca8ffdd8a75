"""Sessions and expiries on dates for which the exchanges' hours are known."""

from datetime import UTC, date, datetime, timedelta

import pytest

from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import EXCHANGES, exchange_named
from timeframes.core.keys import parse_key
from timeframes.core.sessions import expiry_moment, is_session, local_date, parse_instant, session_close, session_open


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("exchange", "day", "opens", "closes"),
    [
        ("NSE", "2009-01-05", "04:25", "10:00"),  # 09:55 to 15:30 until 2009
        ("NSE", "2010-05-03", "03:30", "10:00"),  # 09:00
        ("NSE", "2025-03-21", "03:45", "10:00"),
        ("NSE", "2026-07-31", "03:45", "10:00"),
        ("NSE", "2026-08-03", "03:45", "10:10"),  # derivatives close at 15:40 since then
        ("BSE", "2026-08-03", "03:45", "10:00"),
        ("NSE", "2024-01-20", "03:45", "10:00"),  # a whole Saturday
        ("NSE", "2024-03-02", "03:45", "07:00"),  # a Saturday's two short sessions
        ("NSE", "2024-11-01", "12:30", "13:30"),  # Muhurat trading
        ("NSE", "2025-10-21", "08:15", "09:15"),
        ("NSE", "2025-02-26", "03:45", "10:00"),  # a holiday: the regular hours
        ("CBOE", "2022-07-12", "13:30", "20:00"),
        ("NYSE", "2022-01-12", "14:30", "21:00"),
        ("OPRA", "2021-05-17", "13:30", "20:00"),
        ("NASDAQ", "2025-11-28", "14:30", "18:00"),  # half day after Thanksgiving
        ("NASDAQ", "2025-12-25", "14:30", "21:00"),
        ("NYSE", "2090-01-12", "14:30", "21:00"),  # beyond the calendar
    ],
)
def test_open_and_close(exchange: str, day: str, opens: str, closes: str) -> None:
    assert session_open(exchange, date.fromisoformat(day)) == utc(f"{day} {opens}")
    assert session_close(exchange, date.fromisoformat(day)) == utc(f"{day} {closes}")


def test_new_hours_hold_for_the_days_from_their_date() -> None:
    """A quote of June 2026 is of 15:30; a contract that expires in August 2026 ends at 15:40, seen from June too."""
    assert parse_instant("2026-06-11", "NSE") == session_close("NSE", date(2026, 6, 11)) == utc("2026-06-11 10:00")
    assert expiry_moment(parse_key("NSE@NIFTY@equity_options@2026-06-30@call@23000")) == utc("2026-06-30 10:00")
    assert expiry_moment(parse_key("NSE@NIFTY@equity_options@2026-08-25@call@23000")) == utc("2026-08-25 10:10")


@pytest.mark.parametrize("exchange", ["DERIBIT", "BINANCE", ""])
def test_a_day_of_crypto_ends_at_midnight(exchange: str) -> None:
    assert session_open(exchange, date(2024, 2, 28)) == utc("2024-02-28 00:00")
    assert session_close(exchange, date(2024, 2, 28)) == utc("2024-02-29 00:00")
    assert is_session(exchange, date(2024, 2, 24))


@pytest.mark.parametrize("day", ["2026-08-03", "2026-11-28", "2026-11-29", "2026-12-25", "2061-01-26"])
def test_the_simulated_market_never_closes(day: str) -> None:
    """Its days are India's, weekends and holidays too. Its contracts end at NSE's hour."""
    found = date.fromisoformat(day)
    opens = utc(f"{day} 00:00") - timedelta(hours=5, minutes=30)
    assert is_session("SIM", found)
    assert (session_open("SIM", found), session_close("SIM", found)) == (opens, opens + timedelta(days=1))
    assert local_date("SIM", opens) == found == local_date("SIM", opens + timedelta(days=1, microseconds=-1))
    assert expiry_moment(parse_key(f"SIM@NIFTY@equity_options@{day}@call@23000")) == utc(f"{day} 10:10")


@pytest.mark.parametrize(
    ("exchange", "day", "trades"),
    [
        ("NSE", "2025-03-21", True),
        ("NSE", "2025-03-22", False),
        ("NSE", "2025-02-26", False),  # Mahashivratri
        ("NSE", "2025-02-01", True),  # the budget, on a Saturday
        ("NSE", "2013-11-15", False),  # the calendar has it for the 14th
        ("NSE", "2013-11-14", True),
        ("NSE", "2021-11-04", True),  # Muhurat
        ("NSE", "2031-01-27", True),  # beyond the calendar: weekdays
        ("NSE", "2032-01-26", False),
        ("NSE", "2031-01-26", False),
        ("NYSE", "2025-07-04", False),
    ],
)
def test_is_session(exchange: str, day: str, trades: bool) -> None:
    assert is_session(exchange, date.fromisoformat(day)) is trades


@pytest.mark.parametrize(
    ("key", "moment"),
    [
        ("NSE@NIFTY@equity_options@2025-03-27@call@23500", "2025-03-27 10:00"),
        ("NSE@NIFTY@equity_futures@2026-12-29", "2026-12-29 10:10"),
        (
            "NSE@NIFTY@equity_options@2025-08-15@put@23500",
            "2025-08-15 10:00",
        ),  # a holiday: the key decides
        ("DERIBIT@BTC@crypto_options@2020-05-22@call@9000", "2020-05-22 08:00"),
        ("NASDAQ@MSFT@equity_options@2021-05-21@call@250", "2021-05-21 20:00"),
        ("NASDAQ@MSFT@equity_options@2025-11-28@call@250", "2025-11-28 18:00"),
        ("OPRA@MSFT@equity_options@2021-05-21@put@215", "2021-05-21 20:00"),
        ("CBOE@SPX@equity_options@2022-07-15@call@3800", "2022-07-15 13:30"),  # third Friday: on the opening
        ("CBOE@SPX@equity_options@2022-07-29@call@3800", "2022-07-29 20:00"),
        ("CBOE@SPX@equity_options@2025-04-17@call@3800", "2025-04-17 13:30"),  # before a third Friday that is Good
        ("CBOE@SPX@equity_options@2025-03-20@call@3800", "2025-03-20 20:00"),  # before one that is a session
        ("CBOE@SPXW@equity_options@2022-07-15@call@3800", "2022-07-15 20:00"),
        ("CBOE@VIX@equity_options@2022-07-20@call@30", "2022-07-20 13:30"),
        ("CBOE@VIX@equity_futures@2022-07-20", "2022-07-20 20:00"),
    ],
)
def test_expiry_moment(key: str, moment: str) -> None:
    assert expiry_moment(parse_key(key)) == utc(moment)


def test_what_does_not_expire_says_so() -> None:
    with pytest.raises(InvalidInput, match="NSE@NIFTY@equity_spot does not expire"):
        expiry_moment(parse_key("NSE@NIFTY@equity_spot"))


def test_an_unknown_exchange_is_named_with_those_known() -> None:
    with pytest.raises(InvalidInput, match=r"'LSE' is not known; known are BINANCE, .*NSE") as error:
        expiry_moment(parse_key("LSE@X@equity_futures@2026-01-01"))
    assert error.value.field == "exchange"
    assert exchange_named("").zone is EXCHANGES["DERIBIT"].zone


def test_local_date() -> None:
    assert local_date("NSE", utc("2026-06-10 20:00")) == date(2026, 6, 11)
    assert local_date("CBOE", utc("2026-06-11 02:00")) == date(2026, 6, 10)


@pytest.mark.parametrize(
    ("text", "exchange", "moment"),
    [
        ("2026-06-11", "NSE", "2026-06-11 10:00"),
        (" 2026-06-11 ", "DERIBIT", "2026-06-12 00:00"),
        ("2026-06-11T15:30", "NSE", "2026-06-11 10:00"),
        ("2026-06-11T15:30:00+05:30", "CBOE", "2026-06-11 10:00"),
        ("2026-06-11T10:00:00Z", "NSE", "2026-06-11 10:00"),
        ("2026-06-11 12:00", "NYSE", "2026-06-11 16:00"),
    ],
)
def test_parse_instant(text: str, exchange: str, moment: str) -> None:
    found = parse_instant(text, exchange)
    assert found == utc(moment)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-13-01", "2026-02-30", "0001-01-01T00:00:00+14:00", "11/06/2026"]
)
def test_a_bad_instant_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_instant(text, "NSE")
    assert error.value.field == "as_of"


def test_the_last_day_of_all_has_no_crypto_close() -> None:
    with pytest.raises(InvalidInput):
        parse_instant("9999-12-31", "BINANCE")
