"""Smiles of whole real chains: what the gates refuse, how far fits are from their points, and a vendor's own skew.

`pytest -s` prints the counts of refused points.
"""

import ast
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from moneyness.core.distribution import settles_above, skews
from moneyness.core.evaluation import FitColumns, SkewColumns, SmileColumns
from moneyness.core.layout import find_strikes
from moneyness.core.priced import PricedChains
from moneyness.core.smile import smile_points
from moneyness.core.smile_words import FitStatus, gate_words
from moneyness.core.svi import volatility_at
from moneyness.core.svi_fit import fit_smiles
from tests.core.smile_chains import (
    DATA,
    Expiry,
    cboe,
    deribit,
    nse_chain,
    nse_day,
    nse_five_minutes,
    nse_minutes,
    nse_stocks,
    priced,
)

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the shared market data is not on this machine")


@dataclass(frozen=True)
class Read:
    chains: PricedChains
    smile: SmileColumns
    fits: FitColumns
    skew: SkewColumns
    above: np.ndarray

    @property
    def fitted(self) -> np.ndarray:
        return self.fits.status == FitStatus.FITTED


def read(expiries: list[Expiry], *, fit: bool = True) -> Read:
    chains = priced(expiries)
    smile = smile_points(chains, find_strikes(chains))
    fits = fit_smiles(chains, smile, fit=fit, worst_fit=0.02)
    return Read(chains, smile, fits, skews(chains, smile, fits), settles_above(chains, smile, fits))


def apart(moments: list[list[Expiry]]) -> list[Expiry]:
    """The same chain at several moments, as several underlyings."""
    return [replace(expiry, underlying=place) for place, chain in enumerate(moments) for expiry in chain]


CHAINS: dict[str, tuple[Callable[[], list[Expiry]], float, float, int, float]] = {
    # expiries, most that gates of arbitrage and parity refuse and most that those of markets do (shares of the points
    # with a volatility), how many expiries are fitted at least, the largest residual
    "BANKNIFTY 2021, quotes": (lambda: nse_chain("banknifty_2021-05-17_1530.json.gz"), 0.0, 0.51, 5, 0.008),
    "NIFTY 2022, quotes": (lambda: nse_chain("nifty_2022-03-15_1301.json.gz"), 0.05, 0.21, 10, 0.006),
    "NIFTY 2025, quotes": (lambda: nse_chain("nifty_2025-08-05_1359.json.gz"), 0.01, 0.08, 10, 0.002),
    "NIFTY 20-Aug-2026, trades": (lambda: apart(nse_minutes("20260820", 5)), 0.03, 0.0, 4, 0.004),
    "NIFTY 21-Aug-2026, trades": (lambda: apart(nse_minutes("20260821", 5)), 0.03, 0.0, 4, 0.004),
    "NIFTY 11-May-2026, trades": (lambda: apart(nse_five_minutes(6)), 0.01, 0.0, 12, 0.004),
    "all stocks 2026, trades": (nse_stocks, 0.04, 0.14, 193, 0.017),
    "all of NSE, 21-Mar-2025, closes": (lambda: nse_day("fo_legacycols_20250321.csv.gz"), 0.05, 0.27, 600, 0.02),
    "all of NSE, 11-Jun-2026, closes": (lambda: nse_day("fo_legacycols_20260611.csv.gz"), 0.05, 0.32, 580, 0.02),
    "BTC 2020, quotes": (lambda: deribit()[0], 0.01, 0.04, 6, 0.01),
    "SPX 2022, quotes": (cboe, 0.01, 0.06, 52, 0.005),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_whole_chain(name: str) -> None:
    expiries, most_arbitrage, most_market, least_fitted, largest = CHAINS[name]
    found = read(expiries())
    smile, fits = found.smile, found.fits
    words = Counter(word for bits in smile.refused.tolist() for word in gate_words(bits))
    used = int((smile.refused == 0).sum())
    residual = fits.residual[found.fitted]
    print(f"{name}: {used} of {len(smile.strike)} points used, refused {dict(words)};", end=" ")
    print(
        f"{found.fitted.sum()} of {len(fits.status)} fitted, residual {np.median(residual):.4f}, {residual.max():.4f}"
    )
    with_volatility = len(smile.strike) - words["no_volatility"]
    market = words["no_market"] + words["wide_market"] + words["not_traded"]
    assert with_volatility - used - market <= most_arbitrage * with_volatility
    assert market <= most_market * with_volatility
    assert found.fitted.sum() >= least_fitted
    assert residual.max() <= largest
    assert np.median(residual) <= 0.7 * largest
    free = fits.butterfly_free
    assert free.sum() >= 0.97 * found.fitted.sum()
    np.testing.assert_allclose(found.skew.mean[free], 1.0, atol=1e-6)
    for group in np.flatnonzero(free):
        above = found.above[smile.group == group]
        assert np.isfinite(above).all()
        assert (np.diff(above) <= 1e-9).all()


def test_nobody_quotes_ether() -> None:
    found = read(deribit("deribit_ETH_2021-02-11.csv.gz")[0])
    assert {word for bits in found.smile.refused.tolist() for word in gate_words(bits)} == {"no_volatility"}
    assert set(found.fits.status.tolist()) <= {FitStatus.TOO_FEW_POINTS}


def test_risk_reversal_butterfly_and_money_are_the_vendors() -> None:
    """Deribit's marks, read at its own deltas, against smiles from its quotes: within the quotes' width."""
    expiries, frame = deribit()
    fitted, points = read(expiries), read(expiries, fit=False)
    frame["delta"] = [ast.literal_eval(text)["delta"] for text in frame.greeks]
    compared = 0
    for group, (_, part) in enumerate(frame[frame.years > 0].groupby("until")):
        if not fitted.fitted[group]:
            continue
        call, put = (part[part.sign == sign].sort_values("strike") for sign in (1, -1))
        at_call = np.interp(-0.25, -call.delta, call.mark_iv / 100)
        at_put = np.interp(0.25, -put.delta, put.mark_iv / 100)
        money = np.interp(part.own.iloc[0], call.strike, call.mark_iv / 100)
        own = volatility_at(fitted.fits, fitted.chains.expiries.years, group, 0.0)
        assert own == pytest.approx(money, abs=0.01)
        for skew in (fitted.skew, points.skew):
            assert skew.risk_reversal_25[group] == pytest.approx(at_call - at_put, abs=0.01)
            assert skew.butterfly_25[group] == pytest.approx((at_call + at_put) / 2 - money, abs=0.012)
        compared += 1
    assert compared == 6


@pytest.mark.parametrize("name", ["NIFTY 2025, quotes", "SPX 2022, quotes"])
def test_fits_and_points_say_the_same(name: str) -> None:
    """Risk reversal, slope and probabilities without a fit are near those with one: half of a point of volatility."""
    expiries = CHAINS[name][0]()
    fitted, points = read(expiries), read(expiries, fit=False)
    both = np.abs(fitted.skew.risk_reversal_25 - points.skew.risk_reversal_25)[fitted.fitted]
    assert np.nanmedian(both) < 0.005
    known = np.isfinite(points.above) & np.isfinite(fitted.above)
    assert np.median(np.abs(points.above - fitted.above)[known]) < 0.01
