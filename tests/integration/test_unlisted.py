"""Options that no table has: their terms are those of their keys, their market is that of their underlying."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from signals.computations.greeks import GreeksInputs
from signals.greeks.core.py_vollib_reference import py_vollib_greeks
from signals.greeks.selectors import MOST_SHARED_GROUPS
from signals.instruments.models import Instrument, Underlying
from signals.instruments.services import register_instruments
from signalsite.foundation.computations.contract import Inputs
from signalsite.foundation.computations.registry import find
from timeframes.core.keys import parse_key
from timeframes.models import Quote

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
NAME, SPOT, VIX = "NSE@NIFTY", "NSE@NIFTY@equity_spot", "NSE@INDIAVIX@equity_spot"
LISTED, LATER = "2026-12-29", "2027-01-12"
FUTURE = f"{NAME}@equity_futures@2027-01-26"
STRIKES = range(23_000, 25_001, 500)
RATE = 0.065


def option(strike: float, right: str = "call", expiry: str = LISTED, underlying: str = NAME) -> str:
    return f"{underlying}@equity_options@{expiry}@{right}@{strike:g}"


CHAIN = [option(strike, right) for strike in STRIKES for right in ("call", "put")]


@pytest.fixture
def market() -> None:
    """A chain in parity with a forward of 24,100, the spot at 24,000, a later future at 24,300, the VIX at 15."""
    register_instruments({key: parse_key(key) for key in (SPOT, VIX, FUTURE, *CHAIN)})
    Underlying.objects.filter(key=NAME).update(dividend_yield=0.012, pricing_model="black76")
    prices = {SPOT: 24_000.0, VIX: 15.0, FUTURE: 24_300.0}
    discount = math.exp(-RATE * (datetime(2026, 12, 29, 10, 10, tzinfo=UTC) - NOW) / timedelta(days=365))
    for key in CHAIN:
        terms = parse_key(key)
        call = 400.0 + 0.45 * (24_000.0 - float(terms.strike or 0))
        prices[key] = max(
            call - (0.0 if terms.right == "call" else discount * (24_100.0 - float(terms.strike or 0))), 1
        )
    rows = [Quote(instrument_key=key, time=NOW, last=price, volume=10, source="test") for key, price in prices.items()]
    Quote.objects.bulk_create(rows)


def load(*keys: str, overrides: Mapping[str, Mapping[int, float]] | None = None, **asked: Any) -> GreeksInputs:
    greeks = find("greeks")
    as_of = asked.pop("as_of", None)
    params = greeks.defaults | asked
    prepared = greeks.prepare([keys], as_of, params)
    found = greeks.load(keys, overrides or {}, prepared.as_of or NOW, params, prepared.context)
    assert isinstance(found, GreeksInputs)
    return found


def rows_of(inputs: Inputs) -> list[dict[str, Any]]:
    columns = find("greeks").evaluate(inputs).columns
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def answer(*keys: str, **more: Any) -> list[dict[str, Any]]:
    return rows_of(load(*keys, **more))


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return repr(left) == repr(right)  # NaN is not equal to itself


@pytest.mark.usefixtures("market")
class TestOfAKnownUnderlying:
    def test_a_strike_that_was_never_listed_has_its_expirys_market(self) -> None:
        known, unknown = answer(option(24_000), option(24_125), overrides={"volatility": {0: 0.2, 1: 0.2}})
        assert (known["status"], unknown["status"], unknown["reason"]) == ("ok", "ok", None)
        shared = ("forward", "forward_source", "forward_strikes", "expiry_years", "rate", "dividend_yield", "model")
        assert [known[name] for name in shared] == [unknown[name] for name in shared]
        assert (unknown["forward_source"], unknown["model"], unknown["dividend_yield"]) == ("parity", "black76", 0.012)
        assert unknown["forward"] == pytest.approx(24_100.0)
        theirs = py_vollib_greeks(
            price=unknown["theoretical_price"],
            underlying=unknown["forward"],
            strike=24_125.0,
            expiry_years=unknown["expiry_years"],
            rate=RATE,
            dividend_yield=0.012,
            sign=1.0,
            black76=True,
        )
        assert isinstance(theirs, dict)
        for name, value in theirs.items():
            assert unknown[name] == pytest.approx(value, rel=1e-8), name

    @pytest.mark.parametrize("day_count", ["exact", "calendar_days"])
    def test_an_expiry_that_was_never_listed_carries_the_spot_or_a_future(self, day_count: str) -> None:
        (by_spot,) = answer(option(24_000, expiry=LATER), overrides={"volatility": {0: 0.2}}, day_count=day_count)
        years = by_spot["expiry_years"]
        assert by_spot["status"] == "ok"
        assert years == pytest.approx(42 / 365 if day_count == "calendar_days" else 42.215 / 365, abs=1e-5)
        assert by_spot["forward_source"] == "spot"
        assert by_spot["forward"] == pytest.approx(24_000.0 * math.exp((RATE - 0.012) * years), rel=1e-12)
        (by_future,) = answer(
            option(24_000, expiry="2027-01-26"), overrides={"volatility": {0: 0.2}}, day_count=day_count
        )
        assert (by_future["forward"], by_future["forward_source"]) == (24_300.0, "future")
        Quote.objects.filter(instrument_key=SPOT).delete()
        (carried,) = answer(option(24_000, expiry=LATER), overrides={"volatility": {0: 0.2}}, day_count=day_count)
        assert carried["forward_source"] == "carried_future" and 24_000 < carried["forward"] < 24_300

    def test_the_volatility_index_prices_it(self) -> None:
        (row,) = answer(option(24_125), fallback_volatility="vix")
        assert (row["status"], row["iv_source"], row["implied_volatility"]) == ("ok", "vix", 0.15)

    def test_what_is_missing_is_a_reason_that_says_what_helps(self) -> None:
        priceless, gone, no_spot = answer(
            option(24_125), option(24_125, expiry="2026-11-24"), option(24_125, expiry=LATER), forward="parity"
        )
        assert (priceless["status"], priceless["retryable"]) == ("no_price", True)
        assert priceless["reason"].endswith("no file or feed has listed this contract: give price or volatility")
        assert (gone["status"], gone["retryable"]) == ("expired", False)
        assert no_spot["status"] == "no_price"
        (no_forward,) = answer(option(24_125, expiry=LATER), overrides={"price": {0: 300.0}}, forward="parity")
        assert (no_forward["status"], no_forward["retryable"]) == ("no_underlying", True)
        assert no_forward["reason"].endswith("no file or feed has listed this contract: give underlying_price")
        assert math.isnan(no_forward["delta"]) and no_forward["expiry_years"] > 0

    def test_a_contract_that_loses_its_row_keeps_its_numbers(self) -> None:
        before = load(*CHAIN, forward="spot", as_of=NOW)
        Instrument.objects.filter(key__in=CHAIN).delete()
        after = load(*CHAIN, forward="spot", as_of=NOW)
        assert any(row["status"] == "ok" for row in rows_of(before))
        for own, keyed in zip(rows_of(before), rows_of(after), strict=True):
            assert same(own, keyed)
        assert before.digest() != after.digest(), "what it says of missing prices depends on the listing"

    def test_the_digest_tells_two_contracts_apart_and_sees_what_arrives(self) -> None:
        first, again, other = load(option(24_125)), load(option(24_125)), load(option(24_150))
        assert first.digest() == again.digest() != other.digest()
        Quote.objects.create(instrument_key=option(24_125), time=NOW, last=300.0, source="test")
        quoted = load(option(24_125))
        assert quoted.digest() != first.digest()
        assert rows_of(quoted)[0]["price_used"] == 300.0
        register_instruments({option(24_125): parse_key(option(24_125))})
        listed = load(option(24_125))
        assert listed.digest() not in (quoted.digest(), first.digest())
        Underlying.objects.filter(key=NAME).update(dividend_yield=0.02)
        Instrument.objects.get(key=option(24_125)).delete()
        assert load(option(24_125)).digest() != quoted.digest()

    def test_without_as_of_the_newest_quote_around_it_counts(self) -> None:
        Quote.objects.create(instrument_key=SPOT, time=NOW + timedelta(seconds=7), last=24_001.0, source="test")
        Quote.objects.create(instrument_key=VIX, time=NOW + timedelta(seconds=9), last=15.0, source="test")
        greeks = find("greeks")
        found = greeks.prepare([[option(24_125)], ["nonsense"]], None, greeks.defaults)
        assert found.as_of == NOW + timedelta(seconds=7)
        assert found.context.keys() == {NAME} and found.context[NAME].keys() == {LISTED}
        assert greeks.prepare([[option(24_125), CHAIN[0]]], None, greeks.defaults).as_of == NOW, (
            "its own, if it has one"
        )
        assert greeks.prepare([[option(1, underlying="NSE@NOBODY")]], None, greeks.defaults).as_of is None

    def test_expiries_beyond_the_shared_market_have_the_same_one(self) -> None:
        keys = [option(24_125), CHAIN[0], option(24_000, expiry=LATER)]
        given = {"volatility": dict.fromkeys(range(3), 0.2)}
        greeks, shared = find("greeks"), load(*keys, overrides=given, as_of=NOW)
        alone = greeks.load(keys, given, NOW, greeks.defaults, {})
        assert isinstance(alone, GreeksInputs) and len(alone.unshared) == 2 and not shared.unshared
        for left, right in zip(rows_of(shared), rows_of(alone), strict=True):
            assert left["status"] == "ok" and same(left, right)
        before = alone.digest()
        Quote.objects.filter(instrument_key=SPOT).update(last=24_002.0)
        assert greeks.load(keys, given, NOW, greeks.defaults, {}).digest() != before

    def test_thousands_of_expiries_fill_no_context(self) -> None:
        first = date(2027, 1, 1)
        keys = [option(24_000, expiry=str(first + timedelta(days=day))) for day in range(MOST_SHARED_GROUPS + 50)]
        greeks = find("greeks")
        prepared = greeks.prepare([keys[:7_000], keys[7_000:]], NOW, greeks.defaults)
        assert len(prepared.context[NAME]) == MOST_SHARED_GROUPS
        assert len(json.dumps(prepared.context)) < 2_000_000
        last = keys[-100:]
        inputs = greeks.load(
            last, {"volatility": dict.fromkeys(range(100), 0.2)}, NOW, greeks.defaults, prepared.context
        )
        assert {row["status"] for row in rows_of(inputs)} == {"ok"}  # type: ignore[arg-type]
        assert {row["forward_source"] for row in rows_of(inputs)} == {"spot"}  # type: ignore[arg-type]

    def test_a_grid_starts_from_it(self) -> None:
        grid = find("greeks_grid")
        params = grid.defaults | {"days_forward": (0.0, 10.0, 400.0), "day_count": "calendar_days"}
        keys = [option(24_125), option(24_125), "MOON@X@equity_options@2027-01-01@put@5"]
        overrides = {
            "volatility": dict.fromkeys(range(3), 0.2),
            "underlying_price": {2: 6.0},
            "expiry_years": {1: 0.5, 2: 0.25},
        }
        prepared = grid.prepare([keys], NOW, params)
        found = grid.evaluate(grid.load(keys, overrides, NOW, params, prepared.context))
        assert found.item is not None
        left = [sorted(set(found.columns["expiry_years"][found.item == place]), reverse=True) for place in range(3)]
        assert left[0] == pytest.approx([28 / 365, 18 / 365, 0.0])
        assert left[1] == pytest.approx([0.5, 0.5 - 10 / 365, 0.0])
        assert left[2] == pytest.approx([0.25, 0.25 - 10 / 365, 0.0])

    def test_a_market_without_one_fresh_price_is_kept_as_json(self) -> None:
        greeks = find("greeks")
        params = greeks.defaults | {"max_quote_age_seconds": 1.0}
        prepared = greeks.prepare([CHAIN], NOW + timedelta(seconds=7), params)
        assert json.loads(json.dumps(prepared.context, allow_nan=False)) == prepared.context


class TestOfNothingKnown:
    FULL = {"underlying_price": {0: 100.0}, "volatility": {0: 0.2}}

    @pytest.mark.parametrize("day_count", ["exact", "calendar_days"])
    def test_an_underlying_that_is_not_registered(self, day_count: str) -> None:
        key = option(100, underlying="NSE@NOBODY")
        (row,) = answer(key, overrides=self.FULL, as_of=NOW, day_count=day_count)
        assert (row["status"], row["model"], row["dividend_yield"]) == ("ok", "bsm", 0.0)
        assert row["expiry_years"] == pytest.approx(
            28 / 365 if day_count == "calendar_days" else 28.215 / 365, abs=1e-5
        )
        (bare,) = answer(key, as_of=NOW)
        assert (bare["status"], bare["forward_source"]) == ("no_price", None)
        (priced,) = answer(key, overrides={"price": {0: 3.0}}, as_of=NOW)
        assert priced["status"] == "no_underlying"

    def test_exercise_is_that_of_a_new_underlying(self) -> None:
        overrides = {"underlying_price": {0: 80.0, 1: 80.0}, "volatility": {0: 0.3, 1: 0.3}}
        keys = [option(100, "put", underlying=name) for name in ("OPRA@NOBODY", "NSE@NOBODY")]
        names = ["exercise", "early_exercise_premium"]
        stock, other = answer(*keys, overrides=overrides, as_of=NOW, greeks=names)
        assert (stock["status"], stock["exercise"]) == ("ok", "american")
        assert stock["early_exercise_premium"] > 0
        assert (other["status"], other["exercise"]) == ("ok", "european")

    def test_an_exchange_without_a_calendar_needs_expiry_years(self) -> None:
        key = "XETRA@DAX@equity_options@2027-06-18@call@100"
        (row,) = answer(key, overrides=self.FULL, as_of=NOW)
        assert (row["status"], row["retryable"]) == ("bad_input", False)
        assert "no calendar of exchange 'XETRA' is here" in row["reason"] and "give expiry_years" in row["reason"]
        (given,) = answer(key, overrides={**self.FULL, "expiry_years": {0: 0.5}}, as_of=NOW)
        assert (given["status"], given["expiry_years"], given["model"]) == ("ok", 0.5, "bsm")
        (bare,) = answer(key, overrides={"expiry_years": {0: 0.5}}, as_of=NOW)
        assert bare["status"] == "no_price"

    def test_all_given_is_computable_on_an_empty_database(self) -> None:
        client = Client()
        client.force_login(get_user_model().objects.create_user("caller"))
        item = {"underlying": "ACME", "expiry": "2020-01-02", "strike": 100, "option_type": "put", "expiry_years": 0.25}
        items = [
            {**item, "underlying_price": 101.0, "volatility": 0.3, "rate": 0.03, "dividend_yield": 0.01},
            {**item, "underlying_price": 101.0, "price": 5.25, "rate": 0.03, "dividend_yield": 0.01},
        ]
        answer = client.post("/api/v2/signals/batch/greeks", {"items": items}, content_type="application/json")
        assert answer.status_code == 200, answer.content
        rows = answer.json()["data"]
        assert {row["instrument_key"] for row in rows} == {"NSE@ACME@equity_options@2020-01-02@put@100"}
        for row in rows:
            assert (row["status"], row["expiry_years"], row["forward_source"]) == ("ok", 0.25, "override")
            theirs = py_vollib_greeks(
                price=row["theoretical_price"],
                underlying=101.0,
                strike=100.0,
                expiry_years=0.25,
                rate=0.03,
                dividend_yield=0.01,
                sign=-1.0,
                black76=False,
            )
            assert isinstance(theirs, dict)
            for name, value in theirs.items():
                assert row[name] == pytest.approx(value, rel=1e-8), name
        assert rows[1]["theoretical_price"] == pytest.approx(5.25, rel=1e-9)
