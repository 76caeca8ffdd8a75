"""Portfolios over HTTP and as jobs: their totals are those of `greeks` and `greeks_grid`, leg by leg."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from signals.greeks.core.py_vollib_reference import py_vollib_greeks
from signals.instruments.models import Instrument
from signals.instruments.services import register_instruments
from signals.positions.core.legs import read_legs
from signals.positions.core.portfolio_text import portfolio_text
from signalsite.foundation.computations.contract import Params
from signalsite.foundation.computations.registry import find
from timeframes.core.keys import parse_key
from timeframes.models import Quote

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
RATE, SPOT = 0.065, 24_000.0
NIFTY, SPX = "NSE@NIFTY", "CBOE@SPX"
NEAR, FAR = "2026-12-29", "2027-01-26"
FUTURE = f"{NIFTY}@equity_futures@{NEAR}"
STRIKES = range(22_000, 26_001, 250)
ADDRESS = "/api/v2/signals/positions/greeks"
GREEKS = ("delta", "gamma", "theta", "vega", "rho")


def option(strike: float, right: str, expiry: str = NEAR, underlying: str = NIFTY) -> str:
    return f"{underlying}@equity_options@{expiry}@{right}@{strike:g}"


def years(expiry: str) -> float:
    return float((datetime.fromisoformat(f"{expiry}T10:00:00+00:00") - NOW) / timedelta(days=365))


def black(strike: float, right: str, expiry: str, volatility: float) -> float:
    left = years(expiry)
    forward = SPOT * math.exp(RATE * left)
    d1 = (math.log(forward / strike) + volatility**2 * left / 2) / (volatility * math.sqrt(left))
    d2, sign = d1 - volatility * math.sqrt(left), 1.0 if right == "call" else -1.0

    def normal(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    return sign * math.exp(-RATE * left) * (forward * normal(sign * d1) - strike * normal(sign * d2))


@pytest.fixture(autouse=True)
def market() -> None:
    """Two expiries of NIFTY with a smile, its future and spot, and the spot of SPX."""
    prices = {f"{NIFTY}@equity_spot": SPOT, f"{SPX}@equity_spot": 6_000.0, FUTURE: SPOT * math.exp(RATE * years(NEAR))}
    for expiry in (NEAR, FAR):
        for strike in STRIKES:
            volatility = 0.12 + 2.0 * math.log(strike / SPOT) ** 2
            for right in ("call", "put"):
                prices[option(strike, right, expiry)] = black(strike, right, expiry, volatility)
    keys = {key: parse_key(key) for key in prices}
    register_instruments(keys, lot_sizes=[75 if key.startswith(NIFTY) else None for key in keys])
    Quote.objects.bulk_create(
        Quote(instrument_key=key, time=NOW, last=price, volume=10, source="test") for key, price in prices.items()
    )


@pytest.fixture
def http() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_user("desk"))
    return client


def post(http: Client, legs: Any, status: int = 200, **asked: Any) -> Any:
    body = {"legs": legs, "params": asked.pop("params", {}), **asked}
    found = http.post(ADDRESS, orjson.dumps(body), content_type="application/json")
    assert found.status_code == status, found.content[:500]
    return orjson.loads(found.content)


def single(name: str, keys: list[str], params: Params | None = None) -> list[dict[str, Any]]:
    """Return the rows of another computation about these instruments."""
    computation = find(name)
    asked = {**computation.defaults, **(params or {})}
    prepared = computation.prepare([keys], NOW, asked)
    answers = computation.evaluate(computation.load(keys, {}, NOW, asked, prepared.context))
    return [dict(zip(answers.columns, row, strict=True)) for row in zip(*answers.columns.values(), strict=True)]


def some_legs(count: int, seed: int = 1, strikes: range = STRIKES) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    keys = [option(k, right, expiry) for expiry in (NEAR, FAR) for k in strikes for right in ("call", "put")]
    return [
        {"instrument_key": str(random.choice(keys)), "quantity": float(random.integers(-20, 21)) * 75}
        for _ in range(count)
    ]


class TestTotals:
    def test_they_are_the_sums_of_the_legs_to_the_last_digit(self, http: Client) -> None:
        legs = some_legs(500)
        found = post(http, legs)
        rows = single("greeks", [leg["instrument_key"] for leg in legs])
        assert {row["status"] for row in rows} == {"ok"}
        for name in GREEKS:
            total = math.fsum(leg["quantity"] * row[name] for leg, row in zip(legs, rows, strict=True))
            assert found["net"][name] == total, name
        value = math.fsum(leg["quantity"] * row["price_used"] for leg, row in zip(legs, rows, strict=True))
        assert found["net"]["market_value"] == value
        assert found["net"]["complete"] and found["net"]["currency"] == "INR"
        assert [leg["delta"] for leg in found["legs"]] == [row["delta"] for row in rows]

    def test_a_straddle_and_a_condor_by_py_vollib(self, http: Client) -> None:
        for strikes in ({24_000: (-1, -1)}, {23_000: (0, 1), 23_500: (0, -1), 24_500: (-1, 0), 25_000: (1, 0)}):
            legs, want = [], dict.fromkeys(GREEKS, 0.0)
            for strike, quantities in strikes.items():
                for right, quantity in zip(("call", "put"), quantities, strict=True):
                    if not quantity:
                        continue
                    legs.append({"instrument_key": option(strike, right), "quantity": 75 * quantity})
                    (row,) = single("greeks", [option(strike, right)])
                    theirs = py_vollib_greeks(
                        price=row["price_used"],
                        underlying=row["underlying_used"],
                        strike=float(strike),
                        expiry_years=row["expiry_years"],
                        rate=row["rate"],
                        dividend_yield=row["dividend_yield"],
                        sign=1.0 if right == "call" else -1.0,
                        black76=row["model"] == "black76",
                    )
                    assert isinstance(theirs, dict)
                    for name in GREEKS:
                        want[name] += 75 * quantity * theirs[name]
            found = post(http, legs)
            for name in GREEKS:
                assert found["net"][name] == pytest.approx(want[name], rel=1e-7, abs=1e-7), name

    def test_the_price_paid_lots_and_money(self, http: Client) -> None:
        legs = [
            {**terms(24_000, "call"), "quantity": -2, "price_paid": 500.0},
            {"underlying": "NIFTY", "expiry": NEAR, "quantity": 1, "price_paid": 24_000.0},
            {"underlying": "NIFTY", "quantity": 1, "lot_size": 10, "price_paid": 23_900.0},
        ]
        found = post(http, legs, params={"quantity_in": "lots"})
        call, future, spot = found["legs"]
        assert (call["units"], future["units"], spot["units"]) == (-150.0, 75.0, 10.0)
        assert call["market_value"] == -150 * call["price"] and future["market_value"] == 0.0
        assert spot["market_value"] == 10 * SPOT
        assert found["net"]["market_value"] == call["market_value"] + spot["market_value"]
        since = -150 * (call["price"] - 500.0) + 75 * (future["price"] - 24_000.0) + 10 * (SPOT - 23_900.0)
        assert found["net"]["profit_and_loss_since_paid"] == pytest.approx(since, rel=1e-14)
        assert future["delta"] == spot["delta"] == 1.0 and spot["vega"] == 0.0
        assert spot["delta_value"] == 10 * SPOT
        assert call["gamma_value"] == pytest.approx(-150 * call["gamma"] * call["underlying_price"] ** 2 * 0.01)
        assert found["net"]["delta_value"] == pytest.approx(sum(leg["delta_value"] for leg in found["legs"]))

    def test_an_unknown_lot_size_leaves_a_leg_out(self, http: Client) -> None:
        Instrument.objects.filter(key=FUTURE).update(lot_size=None)
        legs = [{"instrument_key": FUTURE, "quantity": 1}, {**terms(24_000, "put"), "quantity": 1}]
        found = post(http, legs, params={"quantity_in": "lots"})
        assert found["legs"][0]["status"] == "no_lot_size" and found["net"]["delta"] is None
        assert found["net"]["reason"].startswith("1 of 2 legs has no value: legs[0] is no_lot_size")

    def test_a_total_without_all_its_legs_is_null_or_says_so(self, http: Client) -> None:
        gone = option(24_000, "call", "2026-11-24")
        legs = [{**terms(24_000, "put"), "quantity": 75}, {"instrument_key": gone, "quantity": 75}]
        found = post(http, legs)
        assert found["legs"][1]["status"] == "expired" and found["legs"][1]["price"] is None
        assert found["net"]["delta"] is None and not found["net"]["complete"] and found["net"]["legs_left_out"] == 1
        assert {cell["delta"] for cell in found["grid"]} == {None}
        partial = post(http, legs, params={"partial": True})
        assert partial["net"]["delta"] == 75 * partial["legs"][0]["delta"] and not partial["net"]["complete"]
        assert partial["grid"][0]["value"] == pytest.approx(75 * partial["legs"][0]["theoretical_price"], rel=1e-13)
        nothing = post(http, [{"instrument_key": gone, "quantity": 75}], params={"partial": True})
        assert nothing["net"]["delta"] is None and nothing["grid"][0]["value"] is None
        zero = post(http, [legs[0], {**legs[1], "quantity": 0}])
        assert zero["net"]["complete"] and zero["net"]["delta"] == 75 * zero["legs"][0]["delta"]

    def test_money_of_two_currencies_is_not_added(self, http: Client) -> None:
        legs = [{**terms(24_000, "put"), "quantity": 75}, {"instrument_key": f"{SPX}@equity_spot", "quantity": 2}]
        found = post(http, legs, params={"partial": True})
        assert found["net"]["delta_value"] is None and found["net"]["currency"] is None
        assert "INR and USD" in found["net"]["reason"]
        each = {row["underlying"]: row for row in found["underlyings"]}
        assert (each[SPX]["currency"], each[SPX]["delta"], each[SPX]["market_value"]) == ("USD", 2.0, 12_000.0)
        assert each[NIFTY]["delta"] == 75 * found["legs"][0]["delta"]
        assert {cell["value"] for cell in found["grid"]} == {None}


def terms(strike: float, right: str, expiry: str = NEAR) -> dict[str, Any]:
    return {"underlying": "NIFTY", "expiry": expiry, "strike": strike, "option_type": right}


class TestGrid:
    SHOCKS = {"spot_shocks": [-0.1, 0.0, 0.05], "volatility_shocks": [-0.03, 0.1], "days_forward": [0.0, 10.0, 40.0]}

    @pytest.mark.parametrize("more", [{}, {"theta": "next_day", "day_count": "calendar_days", "exercise": "american"}])
    def test_it_is_the_grids_of_the_legs_weighted(self, http: Client, more: dict[str, Any]) -> None:
        legs = some_legs(12, seed=3, strikes=range(23_500, 24_501, 250))
        found = post(http, legs, params={**self.SHOCKS, **more})
        rows = single("greeks_grid", [leg["instrument_key"] for leg in legs], {**self.SHOCKS, **more})
        assert len(found["grid"]) == 18 and len(rows) == 18 * 12
        for place, cell in enumerate(found["grid"]):
            own = rows[place::18]
            for shock in ("spot_shock", "volatility_shock", "days_forward"):
                assert {row[shock] for row in own} == {cell[shock]}
            if cell["days_forward"] == 40.0:
                assert cell["legs_expired"] == sum(f"@{NEAR}@" in leg["instrument_key"] for leg in legs)
            for name, theirs in (
                ("value", "price"),
                ("profit_and_loss", "profit_and_loss"),
                *zip(GREEKS, GREEKS, strict=True),
            ):
                parts = [leg["quantity"] * row[theirs] for leg, row in zip(legs, own, strict=True)]
                want = math.fsum(0.0 if math.isnan(part) else part for part in parts)
                assert cell[name] == pytest.approx(want, rel=1e-12, abs=1e-9), (name, cell)

    def test_spot_and_future_move_with_the_spot(self, http: Client) -> None:
        legs = [{"instrument_key": FUTURE, "quantity": 75}, {"underlying": "NIFTY", "quantity": 10}]
        found = post(http, legs, params={"spot_shocks": [0.1], "days_forward": [0.0, 30.0]})
        now, later = found["grid"]
        assert now["profit_and_loss"] == pytest.approx(0.1 * (75 * found["legs"][0]["price"] + 10 * SPOT))
        assert now["value"] == pytest.approx(1.1 * 10 * SPOT), "a future has no value"
        assert (now["delta"], later["delta"], later["legs_expired"]) == (85.0, 10.0, 1)

    def test_a_volatility_that_no_model_prices_leaves_legs_out(self, http: Client) -> None:
        legs = [{**terms(24_000, "put"), "quantity": 75}, {"underlying": "NIFTY", "quantity": 10}]
        found = post(http, legs, params={"volatility_shocks": [-0.5, 0.0]})
        refused, fine = found["grid"]
        assert refused["value"] is None and refused["legs_left_out"] == 1 and "1 of 2 legs" in refused["reason"]
        assert fine["value"] is not None and fine["reason"] is None

    def test_the_cells_of_one_portfolio_are_bounded(self, http: Client) -> None:
        shocks = [place / 1000 for place in range(500)]
        found = post(http, some_legs(4001), 400, params={"spot_shocks": shocks})
        assert found["errors"] == [{"field": "params", "detail": "4001 legs x 500 cells; 2000000 are allowed"}]


class TestJob:
    def rows(self, portfolios: list[Any], **asked: Any) -> list[dict[str, Any]]:
        computation = find("portfolios")
        params = {**computation.defaults, **asked}
        texts = [portfolio_text(read_legs(legs, computation.bounds, "NSE")) for legs in portfolios]
        prepared = computation.prepare([texts], NOW, params)
        answers = computation.evaluate(computation.load(texts, {}, NOW, params, prepared.context))
        assert answers.item is not None
        rows = zip(*answers.columns.values(), strict=True)
        return [
            {"item": item, **dict(zip(answers.columns, row, strict=True))}
            for item, row in zip(answers.item.tolist(), rows, strict=True)
        ]

    def test_its_rows_are_the_answers_over_http(self, http: Client) -> None:
        portfolios = [some_legs(size, seed=size) for size in (1, 7, 2, 40)]
        shocks = {"spot_shocks": [-0.1, 0.1], "days_forward": [0.0, 40.0]}
        rows = self.rows(portfolios, **shocks)
        assert [row["item"] for row in rows] == [place for place in range(4) for _ in range(4)]
        for place, legs in enumerate(portfolios):
            alone = post(http, legs, params=shocks)
            for cell, row in zip(alone["grid"], rows[4 * place :][:4], strict=True):
                assert row["status"] == "ok"
                for name in ("value", "profit_and_loss", *GREEKS, "delta_value", "gamma_value", "legs_expired"):
                    assert row[name] == pytest.approx(cell[name], rel=1e-13, abs=1e-9), name
                assert row["market_value"] == alone["net"]["market_value"]

    def test_one_that_cannot_be_computed_has_one_row_and_no_neighbour_suffers(self) -> None:
        mixed = [{**terms(24_000, "put"), "quantity": 1}, {"instrument_key": f"{SPX}@equity_spot", "quantity": 1}]
        unknown = [{"instrument_key": "NSE@NOBODY@equity_spot", "quantity": 1}]
        fine = [{**terms(24_000, "call"), "quantity": 1}]
        rows = self.rows([mixed, fine, unknown], spot_shocks=(-0.1, 0.1))
        assert [(row["item"], row["status"]) for row in rows] == [
            (0, "mixed_currencies"),
            (1, "ok"),
            (1, "ok"),
            (2, "incomplete"),
        ]
        assert "no usable auto price" in rows[-1]["reason"]

    def test_an_arrow_stream_makes_the_same_job(self, http: Client) -> None:
        items = [
            {"custom_id": "a", "legs": [{**terms(24_000, "put"), "quantity": 75.0}]},
            {"custom_id": "b", "legs": [{"instrument_key": FUTURE, "quantity": -50.0, "lot_size": 25.0}]},
            {"custom_id": "c", "legs": []},
        ]
        head = {"kind": "portfolios", "as_of": NOW.isoformat()}
        table = pa.Table.from_pylist(items).replace_schema_metadata({b"submission": orjson.dumps(head)})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        arrow = "application/vnd.apache.arrow.stream"
        bodies = {arrow: sink.getvalue().to_pybytes(), "application/json": orjson.dumps({**head, "items": items})}
        kept = {"Idempotency-Key": "same"}
        found = [
            http.post("/api/v2/signals/batch/jobs", body, content_type=kind, headers=kept)
            for kind, body in bodies.items()
        ]
        assert [each.status_code for each in found] == [202, 202], [each.content for each in found]
        assert found[0].json()["id"] == found[1].json()["id"]  # to an Idempotency-Key both are one submission

    def test_it_goes_through_the_batch_api(self, http: Client) -> None:
        items = [
            {"custom_id": "a", "legs": [{**terms(24_000, "put"), "quantity": 75}]},
            {"custom_id": "b", "legs": [{**terms(24_000, "put"), "quantity": True}]},
            {"custom_id": "a", "legs": [{**terms(24_000, "put"), "quantity": 1}]},
            {"custom_id": "c", "legs": [{**terms(24_000, "put"), "quantity": 75}], "price": 3},
            {"legs": [{**terms(24_000, "put"), "quantity": 75}]},
        ]
        body = {"items": items, "params": {"spot_shocks": [-0.1, 0.1]}}
        found = http.post("/api/v2/batch/portfolios", orjson.dumps(body), content_type="application/json")
        assert found.status_code == 200, found.content
        rows = orjson.loads(found.content)["data"]
        assert [(row["position"], row["custom_id"], row["status"]) for row in rows] == [
            (0, "a", "ok"),
            (0, "a", "ok"),
            (1, "b", "bad_input"),
            (2, "a", "bad_input"),
            (3, "c", "bad_input"),
            (4, None, "ok"),
            (4, None, "ok"),
        ]
        assert rows[2]["reason"] == "legs[0].quantity: quantity must be a number"
        assert rows[0]["portfolio"] == rows[5]["portfolio"] and len(rows[0]["portfolio"]) == 32
        assert rows[2]["portfolio"] is None
        refused = http.post(
            "/api/v2/batch/portfolios", orjson.dumps({"selector": {"underlying": "NIFTY"}}), "application/json"
        )
        assert refused.status_code == 400 and orjson.loads(refused.content)["errors"][0]["field"] == "selector"


@pytest.mark.parametrize(
    ("legs", "field"),
    [
        (None, "legs"),
        ([], "legs"),
        ({}, "legs"),
        ("x", "legs"),
        ([[]], "legs[0]"),
        ([{"quantity": 1}], "legs[0].instrument_key"),
        ([{"instrument_key": FUTURE}], "legs[0].quantity"),
        ([{"instrument_key": FUTURE, "quantity": "1"}], "legs[0].quantity"),
        ([{"instrument_key": FUTURE, "quantity": 1e13}], "legs[0].quantity"),
        ([{"instrument_key": FUTURE, "quantity": 1, "volatility": 0.2}], "legs[0].volatility"),
        ([{"instrument_key": FUTURE, "quantity": 1, "lot_size": 0}], "legs[0].lot_size"),
        ([{"instrument_key": FUTURE, "quantity": 1, "price_paid": -1}], "legs[0].price_paid"),
        ([{"instrument_key": FUTURE, "quantity": 1, "q" * 100: 1}], f"legs[0].{'q' * 50}"),
        ([{"instrument_key": NIFTY, "quantity": 1}], "legs[0].instrument_key"),
        ([{"instrument_key": "a\x00b", "quantity": 1}], "legs[0].instrument_key"),
        ([{"instrument_key": 'NSE@X"\r\n@equity_spot', "quantity": 1}], "legs[0].instrument_key"),
        ([{"instrument_key": FUTURE, "underlying": "NIFTY", "quantity": 1}], "legs[0].instrument_key"),
        ([{"underlying": "NIFTY", "expiry": "0001-01-01", "quantity": 1}], "legs[0].expiry"),
        ([{"underlying": "NIFTY", "expiry": NEAR, "strike": 100, "quantity": 1}], "legs[0].option_type"),
        ([{"underlying": ["NIFTY"], "quantity": 1}], "legs[0].underlying"),
        ([{"underlying": "NIFTY", "exchange": "nse", "quantity": 1}], "legs[0].exchange"),
        ([{"instrument_key": FUTURE, "quantity": 1}] * 10_001, "legs"),
    ],
)
def test_what_is_wrong_is_named(http: Client, legs: Any, field: str) -> None:
    assert post(http, legs, 400)["errors"][0]["field"] == field


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"legs":' + b"[" * 100_000,
        b'{"legs":[{"instrument_key":"x","quantity":' + b"9" * 401 + b"}]}",
        b'{"legs":[{"instrument_key":"x","quantity":NaN}]}',
        b'{"legs":[{"instrument_key":"x","quantity":1}],"params":7}',
        b'{"legs":[{"instrument_key":"x","quantity":1}],"params":null}',
        b'{"legs":[{"instrument_key":"x","quantity":1}],"leg":7}',
        b'{"legs":[{"instrument_key":"x","quantity":1}],"as_of":"0001-01-01"}',
        b'{"legs":[{"instrument_key":"x","quantity":1}],"params":{"spot_shocks":[' + b"0," * 1000 + b"0]}}",
    ],
)
def test_a_hostile_body_is_refused(http: Client, body: bytes) -> None:
    found = http.post(ADDRESS, body, content_type="application/json")
    assert found.status_code == 400 and orjson.loads(found.content)["status"] == 400


def test_ten_thousand_legs_of_what_nobody_knows(http: Client) -> None:
    legs = [{"underlying": f"N{place}", "quantity": 1} for place in range(10_000)]
    found = post(http, legs)
    assert found["net"]["legs_left_out"] == 10_000 and len(found["underlyings"]) == 10_000
    assert {leg["status"] for leg in found["legs"]} == {"no_price"}


def test_strangers_are_refused() -> None:
    assert Client().post(ADDRESS, b"{}", content_type="application/json").status_code in (401, 403)
