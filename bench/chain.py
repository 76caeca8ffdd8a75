"""Measure one evaluation of a whole chain: prices and Greeks, levels, interest and smiles. python -m bench.chain

The chain is like NIFTY's: 8 expiries of 169 strikes, both legs quoted, open interest around the money. No servers run.
"""

from collections.abc import Callable

import numpy as np

from bench.engine import best_seconds
from moneyness.core.aggregates import aggregate
from moneyness.core.chain_params import ChainParams
from moneyness.core.deltas import find_deltas
from moneyness.core.distribution import settles_above, skews
from moneyness.core.evaluate_chain import delta_targets, evaluate_chain, price_chains
from moneyness.core.interest import analyse_interest
from moneyness.core.layout import find_strikes
from moneyness.core.level_grammar import levels_of
from moneyness.core.money import find_money
from moneyness.core.priced import InterestColumns
from moneyness.core.smile import smile_points
from moneyness.core.smile_words import FitStatus
from moneyness.core.svi_fit import fit_smiles
from signals.greeks.core import engine
from signals.greeks.core.conventions import GreeksParams
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import ChainColumns, ChainSnapshot, ExpiryColumns, UnderlyingColumns, find_markets

DAYS = (2, 9, 16, 23, 37, 65, 93, 184)
STRIKES = 169
AT, TODAY = 1_780_000_000.0, 739_000
SPOT, STEP, RATE, TICK = 24_010.0, 50.0, 0.065, 0.05
MOST_MS, MOST_FIT_MS = 5.0, 50.0


def chain(days: tuple[int, ...] = DAYS, strikes: int = STRIKES) -> tuple[ChainSnapshot, InterestColumns]:
    """Return a chain whose prices follow a smile, rounded to ticks, with spreads, volume and open interest."""
    rng = np.random.default_rng(2026)
    expiries = len(days)
    group = np.repeat(np.arange(expiries), 2 * strikes)
    listed = STEP * (round(SPOT / STEP) + np.arange(strikes) - strikes // 2)
    strike, sign = np.tile(np.repeat(listed, 2), expiries), np.tile([1.0, -1.0], expiries * strikes)
    years = np.array(days)[group] / 365
    forward = SPOT * np.exp(RATE * years)
    distance = np.log(strike / forward) / np.sqrt(years)
    count = len(strike)
    price = engine.model_greeks(
        volatility=0.13 - 0.03 * distance + 0.05 * distance**2,
        underlying=forward,
        strike=strike,
        expiry_years=years,
        rate=np.full(count, RATE),
        dividend_yield=np.zeros(count),
        sign=sign,
        black76=np.ones(count, np.bool_),
    ).price
    half = np.maximum(TICK, 0.004 * price)
    bid, ask = TICK * np.floor((price - half) / TICK), TICK * np.ceil((price + half) / TICK)
    around = np.exp(-0.5 * np.square(np.log(strike / forward) / 0.05 - 0.5 * sign))
    unknown, alive = np.full(count, np.nan), np.full(count, AT - 1.0)
    none = np.empty(0)
    snapshot = ChainSnapshot(
        at=AT,
        underlyings=UnderlyingColumns(
            spot=np.array([SPOT]),
            spot_source=np.array([1], np.int8),
            spot_time=np.array([AT - 1.0]),
            volatility_index=np.array([13.0]),
            volatility_index_time=np.array([AT - 1.0]),
            dividend_yield=np.zeros(1),
            today=np.array([TODAY]),
        ),
        groups=ExpiryColumns(
            underlying=np.zeros(expiries, np.intp),
            expiry=TODAY + np.array(days),
            expires_at=AT + 86_400.0 * np.array(days),
        ),
        options=ChainColumns(
            group=group,
            sign=sign,
            strike=strike,
            quotes=QuoteColumns(
                bid=np.where(bid > 0, bid, np.nan),
                ask=ask,
                last=np.maximum(TICK * np.round(price / TICK), TICK),
                settle=unknown,
                close=unknown,
                volume=np.round(1e6 * around * rng.uniform(0.5, 1.5, count)),
                time=alive,
            ),
        ),
        futures=ExpiryColumns(underlying=none.astype(np.intp), expiry=none.astype(np.int64), expires_at=none),
        future_quotes=QuoteColumns(**dict.fromkeys(QuoteColumns.__slots__, none)),
    )
    interest = np.round(75 * 1e5 * around * rng.uniform(0.5, 1.5, count))
    interest_columns = InterestColumns(
        open_interest=interest,
        open_interest_before=np.round(interest * rng.uniform(0.8, 1.2, count)),
    )
    return snapshot, interest_columns


def run() -> dict[str, float]:
    snapshot, interest = chain()
    greeks, params = GreeksParams(), ChainParams(fit=False)
    keys, black76 = ["NSE@NIFTY"], np.zeros(1, np.bool_)
    chains = price_chains(snapshot, keys, black76, interest, greeks)
    found = evaluate_chain(chains, params)

    def whole() -> None:
        evaluate_chain(price_chains(snapshot, keys, black76, interest, greeks), params)

    compute = best_seconds(whole, repeats=50) * 1e3
    count = len(snapshot.options.sign)
    print(f"One evaluation of {count:,} contracts, {len(DAYS)} expiries, one core, best of several, in ms")
    _row("everything but the fits", compute, MOST_MS)
    strikes, money, deltas, smile, fits = find_strikes(chains), found.money, found.deltas, found.smile, found.fits
    parts: dict[str, Callable[[], object]] = {
        "  price_chains": lambda: price_chains(snapshot, keys, black76, interest, greeks),
        "    of which the forwards": lambda: find_markets(snapshot, greeks),
        "  evaluate_chain": lambda: evaluate_chain(chains, params),
        "    money": lambda: find_money(chains, strikes, params, None),
        "    points and gates": lambda: smile_points(chains, strikes),
        "    deltas": lambda: find_deltas(chains, strikes, money, delta_targets(params)),
        "    interest and gamma": lambda: analyse_interest(chains, strikes, money, smile, params),
        "    skew and distribution": lambda: (
            skews(chains, smile, found.fits),
            settles_above(chains, smile, found.fits),
        ),
        "    levels": lambda: aggregate(chains, strikes, money, deltas, levels_of(params)),
    }
    with np.errstate(all="ignore"):
        for name, call in parts.items():
            _row(name, best_seconds(call, budget=0.3) * 1e3)
        fits = fit_smiles(chains, smile, fit=True, worst_fit=params.worst_fit)
        fit = best_seconds(lambda: fit_smiles(chains, smile, fit=True, worst_fit=params.worst_fit)) * 1e3
    fitted = int((fits.status == FitStatus.FITTED).sum())
    _row(f"SVI of {fitted} of {len(DAYS)} expiries", fit, MOST_FIT_MS)
    return {"chain.compute_ms": compute, "chain.svi_ms": fit}


def _row(name: str, milliseconds: float, most: float = np.inf) -> None:
    verdict = "" if most == np.inf else "as required" if milliseconds < most else "TOO SLOW"
    bound = "" if most == np.inf else f" (under {most:g})"
    print(f"{name:<32}{milliseconds:>8.2f} {verdict}{bound}".rstrip())


if __name__ == "__main__":
    run()
