"""price_chains says of each option what every other entry point says of it."""

import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.chain import chain
from moneyness.core.priced import InterestColumns
from signals.greeks.core.answers import answer_options
from signals.greeks.core.contracts import ContractColumns
from signals.greeks.core.conventions import (
    PRICE_WORDS,
    FallbackVolatility,
    ForwardSource,
    GreeksParams,
    IvFrom,
    PriceSource,
    QuoteIv,
    Theta,
)
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import ChainSnapshot, find_markets
from signals.greeks.core.status import Status
from tests.core.chain_makers import price

Made = tuple[ChainSnapshot, InterestColumns]
SAME = {
    "implied_volatility": "implied_volatility", "delta": "delta", "gamma": "gamma", "theta": "theta", "vega": "vega",
    "rho": "rho", "price": "price_used", "age": "price_age_seconds", "bid_volatility": "bid_iv",
    "ask_volatility": "ask_iv",
}  # fmt: skip


@pytest.fixture
def made() -> Made:
    """A chain of which some quotes are old, crossed or missing."""
    snapshot, interest = chain(days=(2, 37), strikes=15)
    quotes = snapshot.options.quotes
    rows = np.arange(len(quotes.bid))
    changed = replace(
        quotes,
        time=np.where(rows % 7 == 3, quotes.time - 90_000.0, quotes.time),
        bid=np.where(rows % 11 == 5, quotes.ask + 1.0, quotes.bid),
        ask=np.where(rows % 13 == 4, np.nan, quotes.ask),
        last=np.where(rows % 17 == 2, np.nan, quotes.last),
    )
    return replace(snapshot, options=replace(snapshot.options, quotes=changed)), interest


PARAMS = (
    GreeksParams(),
    GreeksParams(price=PriceSource.LAST, rate=0.03),
    GreeksParams(forward=ForwardSource.SPOT, dividend_yield=0.01, max_quote_age_seconds=100_000.0),
    GreeksParams(theta=Theta.NEXT_DAY, fallback_volatility=FallbackVolatility.VIX),
    GreeksParams(iv_from=IvFrom.OTM_TWIN),
)


@pytest.mark.parametrize("params", PARAMS)
@pytest.mark.parametrize("american", [False, True])
@pytest.mark.parametrize("black76", [False, True])
def test_an_answer_of_the_api_is_the_same(made: Made, params: GreeksParams, american: bool, black76: bool) -> None:
    snapshot = replace(made[0], underlyings=replace(made[0].underlyings, american=np.array([american])))
    found = price((snapshot, made[1]), params, black76)
    chain, groups = snapshot.options, snapshot.groups
    count = len(chain.sign)
    contracts = ContractColumns(
        sign=chain.sign,
        strike=chain.strike,
        expires_at=groups.expires_at[chain.group],
        black76=np.full(count, black76),
        dividend_yield=np.zeros(count),
        quotes=chain.quotes,
        american=np.full(count, american),
    )
    twin = np.arange(count) ^ 1  # of a full ladder: call, put, call, put
    twins = QuoteColumns(**{name: getattr(chain.quotes, name)[twin] for name in QuoteColumns.__slots__})
    at, markets = float(np.asarray(snapshot.at)), find_markets(snapshot, params)
    asked = replace(params, quote_iv=QuoteIv.BOTH_SIDES)
    answer = answer_options(contracts, chain.group, markets, {}, {}, at, asked, twins)
    for name, of_answer in SAME.items():
        np.testing.assert_array_equal(getattr(found.options, name), np.array(answer[of_answer], float), err_msg=name)
    assert [Status(code).word for code in found.options.status.tolist()] == answer["status"]
    assert [PRICE_WORDS[code] for code in found.options.price_source.tolist()] == answer["price_source"]
    np.testing.assert_array_equal(found.expiries.forward[chain.group], np.array(answer["forward"], float))
    assert (found.options.status == Status.OK).sum() > count / 2


def test_old_prices_are_none(made: Made) -> None:
    found = price(made)
    old = np.arange(len(found.options.sign)) % 7 == 3
    for name in ("bid", "ask", "last", "volume", "price", "implied_volatility", "bid_volatility"):
        assert np.isnan(getattr(found.options, name)[old]).all()
    assert np.isfinite(found.options.open_interest[old]).all()
    stale = replace(made[0], underlyings=replace(made[0].underlyings, spot_time=np.array([1.0])))
    assert np.isnan(price((stale, made[1])).underlyings.spot).all()


SCRIPT = """
import numpy as np
from bench.chain import chain
from tests.core.chain_makers import evaluate
found = evaluate(chain(days=(9, 37), strikes=15), fit=True)
for values in (found.money.atm_volatility, found.interest.max_pain, found.interest.flip, found.deltas.strike,
               found.levels.greeks_oi.sum(axis=0), found.fits.residual, found.skew.risk_reversal_25):
    print(*values.tolist())
"""


def test_without_numba_the_same_loops_answer() -> None:
    def run(**environment: str) -> Any:
        told = subprocess.run(
            [sys.executable, "-c", SCRIPT], env={**os.environ, "PYTHONPATH": ".", **environment},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return np.array(told.stdout.split(), float)

    np.testing.assert_allclose(run(NUMBA_DISABLE_JIT="1"), run(), rtol=1e-6)


COMPILES = """
from moneyness.core.warm import warm
warm()
from numba.core import event
with event.install_recorder("numba:compile") as compiled:
    from bench.chain import chain
    from tests.core.chain_makers import evaluate
    found = evaluate(chain(days=(9, 37), strikes=15), fit=True)
print(len(found.money.atm_strike), [str(each.data["dispatcher"]) for _, each in compiled.buffer])
"""


def test_after_warm_nothing_is_compiled() -> None:
    """A compiler in the first evaluation would hold all ticks for half a second."""
    told = subprocess.run([sys.executable, "-c", COMPILES], env={**os.environ, "PYTHONPATH": "."},
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert told.stdout == "2 []\n"
