"""The market around the options of one expiry at the four moments of each bar, from bars of the same times.

The bars become a `ChainSnapshot` of many instants, so the forward, the rate and the dividends follow from the code that
live chains and stored quotes use. No moment takes a price of another bar.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from signals.greeks.core.conventions import PRICE_SOURCES, ForwardSource, GreeksParams, PriceSource
from signals.greeks.core.forward import NO_FORWARD, Forward
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import (
    ChainColumns,
    ChainSnapshot,
    ExpiryColumns,
    GroupMarket,
    UnderlyingColumns,
    find_markets,
)
from signals.history.core.points import BOTTOM, CLOSE, OPEN, TOP, aligned, instants, prices
from signals.rates.core.carry import Carry
from timeframes.core.bars import BarColumns
from timeframes.core.grid import SECOND, Instants

_LAST = PRICE_SOURCES.index(PriceSource.LAST)
_MOMENTS = 4
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainBars:
    """Bars of one expiry's options, `sign` +1 for calls and -1 for puts, and of its underlying's futures."""

    sign: Floats
    strike: Floats
    options: Sequence[BarColumns]
    futures: Sequence[BarColumns]
    future_expiry: NDArray[np.int64]  # date.toordinal
    future_expires_at: Floats  # seconds since 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryTerms:
    expiry: int  # date.toordinal
    expires_at: float  # seconds since 1970
    dividend_yield: float  # the underlying's own
    american: bool  # by the underlying's own setting


@dataclass(frozen=True, slots=True, kw_only=True)
class BarMoments:
    """Bars of an underlying and what is known of it. Arrays of (4, bars) are by moment: OPEN, TOP, BOTTOM, CLOSE."""

    begins: Instants
    ends: Instants
    spot: Floats  # (4, bars), NaN where there is no bar
    volatility_index: Floats  # (4, bars) of its own open, high, low and close, in percent
    today: NDArray[np.int64]  # (4, bars): the date at the exchange, date.toordinal
    known: Sequence[Carry]  # rates and dividends, of each of the 4 x bars; empty if nothing is stored


def markets_of(moments: BarMoments, terms: ExpiryTerms, chain: ChainBars, params: GreeksParams) -> list[GroupMarket]:
    """Return the market at each moment of each bar: 4 x bars of them, all OPEN ones first, then TOP, BOTTOM, CLOSE.

    Parity needs prices of one time, which the highs and lows of many options are not. So where strikes gave the forward
    at the bar's close, the forward at TOP and BOTTOM is that one, moved as the spot (or without one the future) moved
    from its close to its own high or low. In the bar that ends with the contract, the bar's open takes its place.
    """
    found = find_markets(_snapshot(moments, terms, chain), params)
    count = len(moments.begins)
    over = moments.ends >= terms.expires_at * SECOND
    bases = [OPEN * count + place if over[place] else CLOSE * count + place for place in range(count)]
    by_parity = [place for place, base in enumerate(bases) if found[base].forward.source is ForwardSource.PARITY]
    if by_parity:
        reference = np.where(moments.spot > 0, moments.spot, _future(moments, terms, chain))
        with np.errstate(invalid="ignore", divide="ignore"):
            moved = reference / np.where(over, reference[OPEN], reference[CLOSE])
        for moment in (TOP, BOTTOM):
            for place in by_parity:
                at = moment * count + place
                forward = _moved(found[bases[place]].forward, float(moved[moment, place]))
                found[at] = replace(found[at], forward=forward)
    return found


def _moved(forward: Forward, by: float) -> Forward:
    if forward.parity is not None and forward.parity.disagree:
        return forward
    return replace(forward, value=forward.value * by) if by == by else NO_FORWARD


def _future(moments: BarMoments, terms: ExpiryTerms, chain: ChainBars) -> Floats:
    """Return the prices of the future nearest to the expiry that has a bar, NaN where none has."""
    order = np.argsort(np.abs(chain.future_expiry - terms.expiry), kind="stable").tolist()
    found = np.full(moments.spot.shape, np.nan)
    for place in order:
        found = np.where(np.isnan(found), prices(chain.futures[place], moments.begins), found)
    return found


def _snapshot(moments: BarMoments, terms: ExpiryTerms, chain: ChainBars) -> ChainSnapshot:
    """Every moment of every bar is an underlying of its own, and a group of options that see it."""
    at = (instants(moments.begins, moments.ends) / SECOND).ravel()
    count = len(at)
    futures, future_quotes = _futures(moments, chain, at)
    groups = np.arange(count, dtype=np.intp)
    index = moments.volatility_index
    half_way = (index[OPEN] + index[CLOSE]) / 2  # the middle of the bar, as T has it
    return ChainSnapshot(
        at=at,
        underlyings=UnderlyingColumns(
            spot=moments.spot.ravel(),
            spot_source=np.where(np.isnan(moments.spot.ravel()), -1, _LAST).astype(np.int8),
            spot_time=at,
            volatility_index=np.concatenate([index[OPEN], half_way, half_way, index[CLOSE]]),
            volatility_index_time=at,
            dividend_yield=np.full(count, terms.dividend_yield),
            american=np.full(count, terms.american),
            today=moments.today.ravel(),
            known=moments.known,
        ),
        groups=ExpiryColumns(
            underlying=groups,
            expiry=np.full(count, terms.expiry, np.int64),
            expires_at=np.full(count, terms.expires_at),
        ),
        options=_options(moments, chain, at),
        futures=futures,
        future_quotes=future_quotes,
    )


def _options(moments: BarMoments, chain: ChainBars, at: Floats) -> ChainColumns:
    """Return the chain at the bars' opens and closes, each option where it has a bar."""
    count = len(moments.begins)
    group, option, price, volume = list[np.ndarray](), list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()
    for place, bars in enumerate(chain.options):
        where = np.searchsorted(moments.begins, bars.time)
        inside = np.flatnonzero(where < count)
        inside = inside[moments.begins[where[inside]] == bars.time[inside]]
        for moment, values in ((OPEN, bars.open), (CLOSE, bars.close)):
            group.append(where[inside] + moment * count)
            option.append(np.full(len(inside), place, np.intp))
            price.append(values[inside])
            volume.append(bars.volume[inside])
    of = _joined(group).astype(np.intp)
    which = _joined(option).astype(np.intp)
    quotes = traded(_joined(price), _joined(volume), at[of])
    return ChainColumns(group=of, sign=chain.sign[which], strike=chain.strike[which], quotes=quotes).ordered()


def _futures(moments: BarMoments, chain: ChainBars, at: Floats) -> tuple[ExpiryColumns, QuoteColumns]:
    known = [prices(bars, moments.begins).ravel() for bars in chain.futures]
    volume = [np.tile(aligned(bars, bars.volume, moments.begins), _MOMENTS) for bars in chain.futures]
    rows = [np.flatnonzero(np.isfinite(each)) for each in known]
    which = np.repeat(np.arange(len(rows)), [len(each) for each in rows])
    of = _joined(rows).astype(np.intp)
    price = _joined([each[some] for each, some in zip(known, rows, strict=True)])
    futures = ExpiryColumns(underlying=of, expiry=chain.future_expiry[which], expires_at=chain.future_expires_at[which])
    return futures, traded(price, _joined([each[some] for each, some in zip(volume, rows, strict=True)]), at[of])


def traded(price: Floats, volume: Floats, time: Floats) -> QuoteColumns:
    """Return prices of bars as quotes: last trades."""
    nothing = np.full(len(price), np.nan)
    return QuoteColumns(bid=nothing, ask=nothing, last=price, settle=nothing, close=nothing, volume=volume, time=time)


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0)
