"""Portfolios over HTTP: their totals are those of `greeks` and `greeks_grid`, leg by leg."""

import math
from typing import Any

import pytest
from django.test import Client

from signals.greeks.core.py_vollib_reference import py_vollib_greeks
from signals.instruments.models import Instrument
from tests.integration.portfolios import (
    FUTURE,
    GREEKS,
    NEAR,
    NIFTY,
    SPOT,
    SPX,
    http,
    market,
    option,
    post,
    single,
    some_legs,
    terms,
)

__all__ = ["http", "market"]  # fixtures

pytestmark = pytest.mark.django_db


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
