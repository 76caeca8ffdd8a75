"""evaluate_chain on real chains, beside the exchange's own figures and slow references."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from bench.forward_days import files, read_day
from moneyness.core.chain_params import ChainParams
from moneyness.core.evaluate_chain import evaluate_chain, price_chains
from moneyness.core.priced import InterestColumns, PricedChains
from signals.greeks.core.conventions import ForwardSource, GreeksParams
from tests.core import slow_chain
from tests.core.chain_makers import price
from tests.core.drawn_chains import close
from tests.core.real_chains import DATA, NSE_FILES, five_minutes, minutes, page, read_page
from tests.core.test_evaluate_chain_interest import check_flip, walls

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the shared market data is not on this machine")
LONG_CALLS = {1.0: 1.0, -1.0: -1.0}

BY_HAND = {
    # of the nearest expiry: put/call ratio of open interest and volume, from the totals that the exchange printed
    "banknifty_2021-05-17_1530": (590_495 / 373_551, 8_706_414 / 10_323_432),
    "nifty_2022-03-15_1301": (1_167_469 / 1_530_960, 8_835_908 / 9_143_048),
    "nifty_2025-08-05_1359": (1_734_647 / 2_635_468, 19_306_252 / 19_430_034),
}


@pytest.mark.parametrize("name", NSE_FILES)
def test_an_exchanges_page(name: str) -> None:
    found = evaluate_chain(price(page(name)), ChainParams(fit=False))
    interest, shown = found.interest, read_page(name)
    by_interest, by_volume = BY_HAND[name]
    close(interest.put_call_interest[0], by_interest)
    close(interest.put_call_volume[0], by_volume)
    totals = shown["filtered"]
    close([interest.call_interest[0], interest.put_interest[0]], [totals[side]["totOI"] for side in ("CE", "PE")])
    nearest = shown["records"]["expiryDates"][0]
    own = [row for row in shown["records"]["data"] if row["expiryDate"] == nearest]
    close(interest.max_pain[0], _pain_of_page(own))
    changes = [row["CE"]["changeinOpenInterest"] for row in own if "CE" in row]
    close(interest.call_change[0], sum(changes))
    for group in range(len(found.chains.expiries.years)):
        options = slow_chain.options_of(found.chains, group)
        close(interest.max_pain[group], slow_chain.max_pain(options))
        puts = [each for each in options if each.sign < 0]
        assert interest.put_walls[group] == walls(puts, 3)
        check_flip(found, group, options, LONG_CALLS)
    assert abs(found.money.atm_strike[0] - shown["records"]["underlyingValue"]) <= 100.0
    assert 0.05 < found.money.atm_volatility[0] < 0.5


def _pain_of_page(rows: Sequence[dict[str, Any]]) -> float:
    """Max pain from the exchange's own rows."""
    strikes = sorted({row["strikePrice"] for row in rows})

    def pain(settlement: float) -> float:
        return sum(
            row[side]["openInterest"] * max(sign * (settlement - row["strikePrice"]), 0)
            for row in rows for side, sign in (("CE", 1), ("PE", -1)) if side in row
        )  # fmt: skip

    return float(min(strikes, key=lambda strike: (pain(strike), strike)))


@pytest.mark.parametrize("name", NSE_FILES)
def test_deltas_of_an_exchanges_page(name: str) -> None:
    found = evaluate_chain(price(page(name)), ChainParams(fit=False))
    deltas = found.deltas
    for row, (group, target, sign) in enumerate(zip(deltas.group, deltas.target, deltas.sign, strict=True)):
        options = slow_chain.options_of(found.chains, int(group))
        side = slow_chain.side_of(
            options, slow_chain.strikes_of(options), float(found.money.atm_strike[group]), float(sign)
        )
        strike, volatility, place = slow_chain.at_delta(side, float(target))
        close([deltas.strike[row], deltas.implied_volatility[row]], [strike, volatility])
        assert deltas.nearest_option[row] == place


@pytest.mark.parametrize("read", [lambda: minutes("20260820"), lambda: minutes("20260821"), five_minutes])
def test_minutes_in_one_call(read: Any) -> None:
    """Every minute is an underlying of its own."""
    priced = price(read())
    found = evaluate_chain(priced, ChainParams())
    known = np.isfinite(priced.expiries.forward)
    assert known.mean() > 0.9
    assert np.isfinite(found.money.atm_volatility[known]).mean() > 0.9
    assert np.isfinite(found.interest.max_pain).all()
    spot = priced.underlyings.spot[priced.expiries.underlying]
    assert (np.abs(found.money.atm_strike / spot - 1) < 0.02).all()
    check_levels(priced, found, int(np.flatnonzero(known)[-1]))


def check_levels(priced: PricedChains, found: Any, group: int) -> None:
    levels = found.levels
    options = slow_chain.options_of(priced, group)
    atm, money = float(found.money.atm_strike[group]), slow_chain.money_of(priced, group)
    compared = 0
    for row in np.flatnonzero(levels.group == group).tolist():
        if levels.level[row].endswith("D"):
            continue
        chosen = slow_chain.members(options, levels.level[row], atm, money)
        expected = slow_chain.aggregate([each for each in chosen if levels.side[row] in (0, each.sign)])
        for name, value in expected.items():
            close(getattr(levels, name)[row], value)
        compared += levels.options[row] > 0
    assert compared > 20


@pytest.mark.skipif(not files(), reason="the shared market data is not on this machine")
def test_a_day_of_the_exchange() -> None:
    """All underlyings of a day in one call. The forward by parity is within 0.1 % of the future's close."""
    compared = 0
    for path in files():
        day = read_day(path)
        count = len(day.open_interest)
        unknown = np.full(count, np.nan)
        interest = InterestColumns(open_interest=day.open_interest, open_interest_before=unknown)
        keys = [f"NSE@{symbol}" for symbol in sorted(day.expiries.symbol.unique())]
        params = GreeksParams(forward=ForwardSource.PARITY)
        priced = price_chains(day.snapshot, keys, np.zeros(len(keys), np.bool_), interest, params)
        found = evaluate_chain(priced, ChainParams(fit=False))
        table = day.expiries.assign(off=np.abs(priced.expiries.forward / day.expiries.future - 1))
        indices = table[table.symbol.isin(["NIFTY", "BANKNIFTY"]) & table.month.isin(["near", "next"])].off.dropna()
        assert (indices < 0.001).all()
        compared += len(indices)
        group = int(np.flatnonzero((table.symbol == "NIFTY") & (table.month == "near"))[0])
        options = slow_chain.options_of(priced, group)
        close(found.interest.max_pain[group], slow_chain.max_pain(options))
        check_levels(priced, found, group)
        check_flip(found, group, options, LONG_CALLS)
    assert compared >= 10
