"""Historical Greeks: equal to the Greeks of quotes at the same instant and to py_vollib, or null with a reason."""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from django.db import transaction

from signals.greeks.core.py_vollib_reference import py_vollib_greeks
from signalsite.foundation.computations.answers import declared
from signalsite.foundation.computations.registry import find
from tests.integration.history_market import (
    DAYS,
    EXPIRIES,
    FUTURE,
    MINUTES,
    NAME,
    OPTIONS,
    SPOT,
    VIX,
    option,
    prices_of,
    spots,
    store_market,
    times,
)
from timeframes.bars.services import record_bars
from timeframes.core.bars import BarColumns
from timeframes.core.grid import microseconds
from timeframes.core.keys import parse_key
from timeframes.core.quotes import QuoteRows
from timeframes.core.sessions import session_close, session_open
from timeframes.models import Bar, Quote
from timeframes.quotes.services import record_quotes

pytestmark = pytest.mark.django_db
DATA = Path(__file__).parents[3].parent / "shared/data/3_intraday_india"
LATER = datetime(2024, 1, 10, 12, tzinfo=UTC)
CALL, PUT = option(EXPIRIES[1], "call", 1000), option(EXPIRIES[1], "put", 1000)
SAME = (
    *("status", "implied_volatility", "delta", "gamma", "theta", "vega", "rho", "theoretical_price", "price_used"),
    *("underlying_used", "forward", "forward_source", "forward_residual", "forward_strikes", "expiry_years", "rate"),
    *("rate_source", "dividend_yield", "dividend_source", "dividend_value", "model", "iv_source", "vanna"),
)


def compute(
    keys: list[str], as_of: datetime = LATER, kind: str = "historical_greeks", **params: Any
) -> list[dict[str, Any]]:
    computation = find(kind)
    history = {"timeframe": "1m", "days": 2.0} if kind == "historical_greeks" else {}
    asked: Mapping[str, Any] = computation.defaults | history | params
    prepared = computation.prepare([keys], as_of, asked)
    answers = computation.evaluate(computation.load(keys, {}, as_of, asked, prepared.context))
    columns = declared(computation, answers, asked)
    items = range(len(keys)) if answers.item is None else answers.item.tolist()
    return [
        {"item": item, **{name: None if value != value else value for name, value in zip(columns, row, strict=True)}}
        for item, row in zip(items, zip(*columns.values(), strict=True), strict=True)
    ]


def quote(at: datetime, number: int, column: int, keys: list[str]) -> None:
    """Store quotes whose last price is the bars' open (column 0) or close (column 3)."""
    last = []
    for key in keys:
        rows = {SPOT: spots(), VIX: [[14.0, 15.0, 13.0, 14.5]] * len(times())}.get(key) or (
            [[value * 1.004 for value in row] for row in spots()] if key == FUTURE else prices_of(key)
        )
        last.append(rows[number][column])
    traded = np.array([0.0 if key in (SPOT, VIX) else 75.0 for key in keys])
    record_quotes(
        QuoteRows(
            instrument_key=keys,
            time=[at] * len(keys),
            source="test",
            last=np.array(last),
            volume=traded,
            **dict.fromkeys(("bid", "ask", "open_interest"), np.full(len(keys), np.nan)),
        )
    )


@pytest.mark.parametrize(
    ("future", "asked"),
    [
        (False, {}),
        (True, {}),
        (True, {"forward": "future"}),
        (True, {"forward": "spot", "theta": "next_day"}),
        (False, {"forward": "parity", "rate": 0.03, "day_count": "calendar_days"}),
        (True, {"model": "black76", "dividend_yield": 0.01}),
        (False, {"exercise": "american", "fallback_volatility": "vix"}),
    ],
)
def test_open_and_close_have_the_greeks_of_quotes_at_these_instants(future: bool, asked: dict[str, Any]) -> None:
    asked = {**asked, "greeks": ["delta", "gamma", "theta", "vega", "rho", "vanna"]}
    store_market(future=future)
    rows = compute(list(OPTIONS), **asked)
    assert len(rows) == len(OPTIONS) * len(times()) * 4
    keys = [*OPTIONS, SPOT, VIX, *([FUTURE] if future else [])]
    for number, (point, column) in ((2, ("open", 0)), (MINUTES + 3, ("close", 3))):
        begin = times()[number]
        at = begin + timedelta(minutes=1 if column else 0)
        with transaction.atomic():
            quote(at, number, column, keys)
            wanted = compute(list(OPTIONS), at, "greeks", max_quote_age_seconds=30.0, **asked)
            transaction.set_rollback(True)
        mine = [row for row in rows if row["point"] == point and row["bar_time"] == begin.isoformat()]
        assert len(mine) == len(wanted) and any(row["status"] == "ok" for row in mine)
        for found, row in zip(mine, wanted, strict=True):
            assert found["instant"] == at.isoformat()
            assert {name: found[name] for name in SAME} == {name: row[name] for name in SAME}


def test_parity_gives_the_forward_and_the_extremes_move_with_the_spot() -> None:
    store_market()
    rows = compute([CALL, PUT])
    by = {(row["item"], row["bar_time"], row["point"]): row for row in rows}
    begin, spot = times()[3], spots()[3]
    for item, (high, low) in enumerate(((spot[1], spot[2]), (spot[2], spot[1]))):  # a put is dearest at the bottom
        points = {point: by[item, begin.isoformat(), point] for point in ("open", "high", "low", "close")}
        assert {row["forward_source"] for row in points.values()} == {"parity"}
        assert [points[name]["underlying_price"] for name in points] == [spot[0], high, low, spot[3]]
        closing = points["close"]
        for name, price in (("high", high), ("low", low)):
            assert points[name]["forward"] == pytest.approx(closing["forward"] * price / spot[3], rel=1e-12)
            assert points[name]["instant"] == (begin + timedelta(seconds=30)).isoformat()
        years = (session_close("NSE", EXPIRIES[1]) - begin - timedelta(minutes=1)).total_seconds() / (365 * 86400)
        assert closing["expiry_years"] == years
        assert closing["forward"] == pytest.approx(spot[3] * math.exp(0.05 * years), rel=1e-6)
        assert [points[name]["volatility_index"] for name in points] == pytest.approx([0.14, 0.1425, 0.1425, 0.145])
    same = compute([PUT], extremes="same")
    (row,) = (row for row in same if (row["bar_time"], row["point"]) == (begin.isoformat(), "high"))
    assert row["underlying_price"] == spot[1]


def test_what_is_missing_is_null_with_a_reason_and_leaves_the_rest() -> None:
    store_market()
    begin = times()[1]
    whole = compute([CALL], forward="spot")
    Bar.objects.filter(instrument_key=SPOT, time=begin).delete()
    rows = compute([CALL], forward="spot")
    assert [row for row in rows if row["bar_time"] != begin.isoformat()] == [
        row for row in whole if row["bar_time"] != begin.isoformat()
    ]
    missing = [row for row in rows if row["bar_time"] == begin.isoformat()]
    assert [row["point"] for row in missing] == ["open", "high", "low", "close"]
    for row in missing:
        assert row["status"] == "no_underlying" and SPOT in row["reason"] and row["delta"] is None
        assert row["price_used"] is not None
    Bar.objects.filter(instrument_key=CALL, time__date=DAYS[0]).delete()
    first, *others = compute([CALL, "NSE@NOBODY@equity_options@2024-01-25@call@5"], forward="spot")
    assert (first["status"], first["bar_time"]) == ("no_bars", session_open("NSE", DAYS[0]).isoformat())
    assert first["reason"] == f"no bars of it are stored on {DAYS[0]}"
    assert len(others) == MINUTES * 4 + 1 and others[-1]["status"] == "no_bars" and others[-1]["item"] == 1


def test_a_date_whose_bars_are_of_its_last_half_hour_has_bars() -> None:
    """The dates of SIM begin at half past six in the evening, by UTC."""
    key, late = "SIM@LATE@equity_options@2024-01-25@call@1000", datetime(2024, 1, 9, 18, 15, tzinfo=UTC)
    price, unknown = np.array([10.0]), np.array([np.nan])
    names = dict.fromkeys(("open", "high", "low", "close"), price)
    more = dict.fromkeys(("volume", "vwap", "open_interest", "trades"), unknown)
    record_bars(key, 60, BarColumns(time=np.array([microseconds(late)]), **names, **more), source="test")
    missing = [row["reason"] for row in compute([key]) if row["status"] == "no_bars"]
    assert missing == [f"no bars of it are stored on 2024-01-{day}" for day in ("08", "10")]


def test_an_item_that_is_no_option_says_so() -> None:
    store_market([CALL])
    keys = [SPOT, "nonsense", "", "MOON@X@equity_options@2024-01-25@call@5", CALL, "NSE@A\x00@equity_spot"]
    rows = compute(keys)
    assert {row["item"]: row["status"] for row in rows if row["item"] != 4} == dict.fromkeys(
        (0, 1, 2, 3, 5), "bad_input"
    )
    assert all(row["reason"] for row in rows if row["item"] != 4)
    assert len([row for row in rows if row["item"] == 4]) == len(times()) * 4
    (row,) = compute([CALL], timeframe="45s")
    assert row["status"] == "unfit"
    (row,) = compute([CALL], datetime(1901, 1, 2, tzinfo=UTC))
    assert row["status"] == "no_bars"


def test_the_bar_in_which_the_contract_ends() -> None:
    store_market([CALL])
    expiry = EXPIRIES[1]
    last = session_close("NSE", expiry) - timedelta(minutes=1)
    for key in (CALL, SPOT, VIX):
        Bar.objects.filter(instrument_key=key, time=times()[-1]).update(time=last)
    rows = compute([CALL], session_close("NSE", expiry), days=0.2)
    assert [row["status"] for row in rows if row["point"] == "close"] == ["expired"]
    assert [row["status"] for row in rows if row["point"] == "open"] != ["expired"]
    assert next(row for row in rows if row["status"] == "expired")["reason"] == (
        "the contract expired at or before this instant"
    )


def test_other_timeframes_and_an_open_bar() -> None:
    store_market()
    rows = compute([CALL], timeframe="3m", points=["close"])
    assert len(rows) == len(times()) // 3
    minutes = {row["instant"]: row for row in compute([CALL], points=["close"])}
    for row in rows:  # the close of three minutes is that of the last of them
        assert {name: row[name] for name in SAME if name != "vanna"} == {
            name: minutes[row["instant"]][name] for name in SAME if name != "vanna"
        }
    daily = compute([CALL], timeframe="1d")
    assert [row["point"] for row in daily] == ["open", "high", "low", "close"] * 2
    now = times()[-1]  # within the last day, whose bar is still open: its end is now
    assert [row["instant"] for row in compute([CALL], now, timeframe="1d", points=["close"])][-1] == now.isoformat()


def test_no_item_has_more_rows_than_announced() -> None:
    store_market([CALL])
    kind = find("historical_greeks")
    for days in (0.01, 1.0, 3.5):
        for timeframe in ("1m", "7m", "1d", "1w"):
            asked = kind.defaults | {"timeframe": timeframe, "days": days}
            most = kind.rows_per_item_of(asked, [CALL])
            assert len(compute([CALL], timeframe=timeframe, days=days)) <= most <= kind.rows_per_item(asked)
    day = kind.defaults | {"timeframe": "1m", "days": 1.0}
    assert kind.rows_per_item_of(day, [CALL]) == 3 * 390 * 4  # three dates at most, of the longest session there was
    assert kind.rows_per_item_of(day, [CALL, "DERIBIT@BTC@crypto_options@2024-01-25@call@5"]) > 1440 * 4


def test_the_digest_follows_every_bar_that_takes_part() -> None:
    store_market()
    kind = find("historical_greeks")

    def digest() -> str:
        asked = kind.defaults | {"timeframe": "1m", "days": 2.0}
        found: str = kind.load([CALL, "nonsense"], {}, LATER, asked, {}).digest()
        return found

    seen = {digest()}
    assert digest() in seen
    for key in (CALL, SPOT, VIX, option(EXPIRIES[1], "put", 960)):
        Bar.objects.filter(instrument_key=key, time=times()[2]).update(close=12.5)
        seen.add(digest())
    assert len(seen) == 5
    Bar.objects.filter(instrument_key=option(EXPIRIES[0], "put", 960)).delete()  # of another expiry
    assert digest() in seen


REAL = {
    "NSE@BANKNIFTY@equity_options@2024-01-10@call@47200": "BANKNIFTY_10JAN2024_47200CE_1min.csv.gz",
    "NSE@BANKNIFTY@equity_options@2024-01-10@call@47400": "BANKNIFTY_10JAN2024_47400CE_1min.csv.gz",
    "NSE@BANKNIFTY@equity_options@2024-01-10@put@47400": "BANKNIFTY_10JAN2024_47400PE_1min.csv.gz",
    "NSE@BANKNIFTY@equity_spot": "BANKNIFTY_1min_2024-01_05.csv.gz",
}


@pytest.mark.skipif(not DATA.exists(), reason="real market data is absent")
def test_real_bars_agree_with_py_vollib(tmp_path: Path) -> None:
    for place, (key, name) in enumerate(REAL.items()):
        rejects = tmp_path / f"{place}.csv"
        call_command("import_bars", str(DATA / name), instrument=key, timeframe="1m", rejects=rejects, verbosity=0)
    *options, _ = REAL
    rows = compute(options, datetime(2024, 1, 10, 12, tzinfo=UTC), days=6.0)
    assert {row["item"] for row in rows} == {0, 1, 2}
    by_status = {word: [row for row in rows if row["status"] == word] for word in {row["status"] for row in rows}}
    assert set(by_status) == {"ok", "below_intrinsic", "expired"}  # stale fills lie below intrinsic
    for row in islice(by_status["ok"], 0, None, 29):
        key = parse_key(options[row["item"]])
        theirs = py_vollib_greeks(
            price=row["price_used"],
            underlying=row["underlying_price"],
            strike=float(key.strike or 0),
            expiry_years=row["expiry_years"],
            rate=0.065,
            dividend_yield=0.0,
            sign=1.0 if key.right == "call" else -1.0,
            black76=False,
        )
        assert isinstance(theirs, dict), theirs
        for name, value in theirs.items():
            assert row[name] == pytest.approx(value, rel=1e-6, abs=1e-6), (name, row)
    both = {row["instant"]: row for row in by_status["ok"] if row["item"] == 1 and row["point"] == "close"}
    pairs = [
        (both[row["instant"]], row)
        for row in by_status["ok"]
        if row["item"] == 2 and row["point"] == "close" and row["instant"] in both
    ]
    assert len(pairs) > 1000
    for call, put in pairs:
        if abs(call["implied_volatility"] - put["implied_volatility"]) < 1e-3:  # delta is N(d1), and N(d1) - 1
            assert call["delta"] - put["delta"] == pytest.approx(1.0, abs=1e-2)


def test_all_dates_are_answered_though_the_listing_has_none() -> None:
    """Bars of a contract that no table lists as an instrument count all the same."""
    store_market([CALL])
    from signals.instruments.models import Instrument

    Instrument.objects.filter(key=CALL).delete()
    rows = compute([CALL], forward="spot")
    assert len(rows) == len(times()) * 4 and {row["status"] for row in rows} <= {"ok", "below_intrinsic"}
    assert date.fromisoformat(rows[0]["bar_time"][:10]) == DAYS[0] and NAME in CALL and Quote.objects.count() == 0
