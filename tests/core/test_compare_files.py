"""Vendors' files compared with ours: the settings of each are found, and the numbers are as near as is known."""

from pathlib import Path

import numpy as np
import pytest

from signals.comparison.core.differences import by_column, by_days, by_moneyness
from signals.comparison.services import Comparison, compare_file, guess_mapping, rows_of

DATA = Path(__file__).parents[2] / "../shared/data"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the shared market data is not on this machine")


def compare(name: str, **fixed: str | float) -> Comparison:
    path = DATA / name
    return compare_file(path, guess_mapping(path), fixed)


def within(comparison: Comparison) -> dict[str, tuple[int, int, float, float, float]]:
    """Return, by column: legs with both numbers, legs with the vendor's; median, 90 % and most of their difference."""
    found = by_column(comparison.file.columns, comparison.ours, comparison.settings)
    return {
        each.column: (each.both, each.both + each.only_theirs, each.median, each.p90, each.greatest) for each in found
    }


def test_the_exact_day_of_nse_is_explained_to_its_rounding() -> None:
    found = compare("2_nse_chain/banknifty_2021-05-17_1530.json.gz")
    settings = found.settings
    assert (settings.rate, settings.dividend_yield, settings.forward, settings.model) == (0.1, 0.0, "spot", "bsm")
    assert (settings.day_count, settings.price) == ("calendar_days", "last")
    both, theirs, *_, greatest = within(found)["implied_volatility"]
    assert both == theirs == 406
    assert greatest < 0.011
    worth = {each.name: each for each in found.found.worth} if found.found else {}
    assert worth["rate"].decided and worth["forward"].decided and worth["price"].decided
    assert not worth["day_count"].decided  # taken at 15:30, the hour of expiry: whole days are exact


def test_a_setting_of_the_callers_stays() -> None:
    found = compare("2_nse_chain/banknifty_2021-05-17_1530.json.gz", rate=0.065)
    assert found.settings.rate == 0.065
    assert within(found)["implied_volatility"][2] > 0.003


@pytest.mark.parametrize(("name", "pinned"), [("deribit_BTC_2020-05-21", 0), ("deribit_ETH_2021-02-11", 900)])
def test_deribit_is_black76_on_the_rows_underlying_price_without_a_rate(name: str, pinned: int) -> None:
    found = compare(f"4_vendor_greeks/{name}.csv.gz")
    settings = found.settings
    assert (settings.model, settings.forward, settings.rate) == ("black76", "future", 0.0)
    assert (settings.day_count, settings.price, settings.theta_unit) == ("exact", "mark", "per_day_365")
    assert (settings.vega_unit, settings.rho_unit, settings.rho_holds) == ("per_0.01", "per_0.01", "spot")
    columns = within(found)
    for column, bound in (("delta", 1.1e-4), ("gamma", 2e-5), ("vega", 0.02), ("rho", 1e-3)):
        both, theirs, *_, greatest = columns[column]
        assert both == theirs and greatest < bound, column
    assert found.found is not None and found.found.pinned >= pinned


def test_cboe_is_the_mid_on_a_forward_by_parity() -> None:
    found = compare("4_vendor_greeks/cboe_SPX_2022-07-12_1155ET.csv.gz")
    assert (found.settings.price, found.settings.forward, found.settings.day_count) == ("mid", "parity", "exact")
    assert 0.01 <= found.settings.rate <= 0.035
    columns = within(found)
    assert columns["implied_volatility"][2] < 0.06  # points
    assert columns["delta"][3] < 0.005


def test_american_options_of_a_stock_with_dividends_come_near() -> None:
    found = compare("4_vendor_greeks/tda_MSFT_2021-05-17.json.gz")
    assert (found.settings.exercise, found.settings.forward) == ("american", "spot")
    assert (
        0 <= found.settings.rate < 0.006 < found.settings.dividend_yield < 0.012
    )  # the money market, and MSFT's yield
    assert (found.settings.vega_unit, found.settings.rho_unit) == ("per_0.01", "per_0.01")
    assert within(found)["delta"][2] < 0.003
    assert within(found)["vega"][3] < 0.01


def test_each_leg_is_in_one_part_and_in_the_rows() -> None:
    found = compare("4_vendor_greeks/deribit_BTC_2020-05-21.csv.gz")
    vendor, ours, settings = found.file.columns, found.ours, found.settings
    for parts in (by_days, by_moneyness):
        counts: dict[str, int] = {}
        for each in parts(vendor, ours, settings):
            counts[each.column] = (
                counts.get(each.column, 0) + each.both + each.only_theirs + each.only_ours + each.neither
            )
        assert set(counts.values()) == {len(vendor)} == {326}
    table = rows_of(found)
    assert table.num_rows == 326
    rows = table.to_pandas()
    apart = rows.delta - rows.vendor_delta
    assert np.allclose(apart, rows.delta_difference, equal_nan=True)
    assert rows.instrument_key.str.startswith("DERIBIT@BTC@crypto_options@").all()
    assert set(rows.status) >= {"ok", "no_price", "below_intrinsic"}
