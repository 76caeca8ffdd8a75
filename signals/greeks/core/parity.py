"""Forwards from put-call parity, F = K + (C - P) / D, of many expiries at once, robust against bad quotes.

Each strike gives an interval for the forward. If both its quotes are two-sided, that is the range in which no trade at
the quotes is free money: K + (bid C - ask P) / D to K + (ask C - bid P) / D. The forward is where most intervals
overlap (one sweep over their sorted ends). So a strike counts once however narrow its quotes are, and one whose
interval lies elsewhere does not count. If a few strikes alone would decide between different forwards, there is none.
Where there are only trades, the interval is the error that the price may have, and strikes have bounded weights.
"""

import math
from dataclasses import dataclass

import numpy as np

from signals.greeks.core.conventions import MIXED_PRICES

MIN_STRIKES = 3
"""Fewer strikes cannot outvote one bad quote."""

RATE_DOUBT = 0.03
"""How far the annual rate may be off. An error of the rate moves a strike's forward by error x T x |K - F|: nothing
at the money, much in the wings. 0.03 covers the default rate (6.5 %) in a market that discounts at 3.5 %."""

MOVE = 0.3
"""Volatility, in trading time, that a forward may have had since a price was made: twice that of an index."""
TRADING_SECONDS = 252 * 22_500.0
"""Seconds of trading in a year, at an exchange that is open for six hours and a quarter."""

SLIGHTLY_WRONG = 0.1
"""Share of the agreeing strikes (at least one) that may be slightly wrong and still overlap. The forward's bid and ask
are the ends of where all but these overlap, so no single quote can pull them together."""

SMALLEST_REACH = 1e-6
"""Of the forward. No strike counts as surer, however narrow its quotes."""

MAX_ERROR = 0.1
"""How far a forward may be off, as a share of the price of the option at the money. It bounds a forward from trades,
and one from quotes of which a few say another. At that error the call and the put at the money are each a twentieth off
in price, and so a tenth apart in volatility."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityColumns:
    """Call and put of each strike, float64 of equal length.

    `*_spread` is ask - bid, NaN where the price is not a mid; volume and time (seconds since 1970) NaN where unknown.
    `*_source` (int8) is the place in PRICE_SOURCES of the price, None if the caller needs no receipt of it.
    """

    strike: np.ndarray
    call: np.ndarray
    put: np.ndarray
    call_spread: np.ndarray
    put_spread: np.ndarray
    call_volume: np.ndarray
    put_volume: np.ndarray
    call_time: np.ndarray
    put_time: np.ndarray
    call_source: np.ndarray | None = None
    put_source: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class ParityForward:
    """The forward of one expiry from its strikes. `value` is NaN if they are too few, or disagree.

    A forward from quotes has `bid` and `ask`. One from trades has `residual`: the weighted mean distance between the
    forward and the strikes that took part. `strikes` counts these; `excluded` lists the strikes that had both prices
    and took no part. `price_source` is the place in PRICE_SOURCES of the prices that took part, MIXED_PRICES if these
    are of several, -1 for none. `time` is the median time of these strikes, each as old as its older leg.

    `anchor` is the mean strike of those that took part, the surest ones first: the part of the forward that comes from
    no price and is not carried to the expiry. Another rate turns the forward about it (`rederived`).
    """

    value: float
    bid: float
    ask: float
    residual: float
    strikes: int
    excluded: tuple[float, ...]
    disagree: bool
    price_source: int = -1
    time: float = math.nan
    anchor: float = math.nan
    from_market: bool = True


def parity_forwards(
    columns: ParityColumns, sizes: np.ndarray, *, rate: float | np.ndarray, expiry_years: np.ndarray
) -> list[ParityForward]:
    """Return the forward of each expiry. `columns` has the strikes expiry by expiry, `sizes` how many each has.

    `rate` is one for all, or one for each expiry.

    If an expiry has MIN_STRIKES two-sided pairs, only these count: trades of another moment would dilute them. The
    strikes disagree if no more than half of them (by weight) overlap anywhere. Quotes also disagree if they overlap
    most farther than MAX_ERROR from the middle of bid and ask, since nothing then tells which of them are right.
    """
    count = len(sizes)
    group = np.repeat(np.arange(count), sizes)
    with np.errstate(over="ignore", invalid="ignore"):
        growth = np.exp(rate * np.maximum(expiry_years, 0.0))[group]
        apart = (columns.call - columns.put) * growth
        estimate = columns.strike + apart
        half = 0.5 * (columns.call_spread + columns.put_spread) * growth
        usable = np.isfinite(estimate) & (estimate > 0)
        two_sided = usable & np.isfinite(half)
        quoted = np.bincount(group[two_sided], minlength=count) >= MIN_STRIKES
        rows = np.flatnonzero(np.where(quoted[group], two_sided, usable))
        estimate, half, of = estimate[rows], half[rows], group[rows]
        move = MOVE * np.sqrt(_ages(columns, rows, of, count) / TRADING_SECONDS)
        doubt = RATE_DOUBT * np.maximum(expiry_years, 0.0)[of] * np.abs(apart[rows]) + move * estimate
    weight = np.ones(len(rows))
    trades = np.flatnonzero(~quoted[of])
    if len(trades):
        half[trades], weight[trades] = _trades(columns, rows[trades], of[trades], doubt[trades])
    reach = half + doubt
    dearer = np.maximum(columns.call, columns.put)[rows]
    low, high, strike = estimate - reach, estimate + reach, columns.strike[rows]
    bid, ask, agrees = _overlap(low, high, weight, dearer, of, count, quoted)
    member = (low <= ask[of]) & (high >= bid[of])
    value, residual = 0.5 * (bid + ask), np.full(count, np.nan)
    if len(trades):
        _settle(value, residual, estimate, weight * member, of, trades)
    bid[~quoted], ask[~quoted] = np.nan, np.nan
    have = np.bincount(of, minlength=count)
    for column in (value, bid, ask, residual):
        column[~agrees | (have < MIN_STRIKES)] = np.nan
    out = np.flatnonzero(~member)
    excluded: list[list[float]] = [[] for _ in range(count)]
    for place, left_out in zip(of[out].tolist(), strike[out].tolist(), strict=True):
        excluded[place].append(left_out)
    disagree = ~agrees & (have >= MIN_STRIKES)
    strikes = np.bincount(of[member], minlength=count)
    took_part = rows[member]
    with np.errstate(over="ignore", invalid="ignore"):  # a price of 1e300 has no weight
        surest = (weight / (np.square(reach) + np.square(SMALLEST_REACH * estimate)))[member]
        anchor = np.bincount(of[member], surest * strike[member], minlength=count) / np.bincount(
            of[member], surest, minlength=count
        )
    price_source = _price_sources(columns, took_part, of[member], count)
    time = _median(np.minimum(columns.call_time, columns.put_time)[took_part], of[member], count)
    call_dead = (columns.call_volume == 0) & ~np.isfinite(columns.call_spread)
    put_dead = (columns.put_volume == 0) & ~np.isfinite(columns.put_spread)
    alive = ~(call_dead | put_dead)[took_part]
    from_market = np.bincount(of[member][alive], minlength=count) >= MIN_STRIKES
    return list(
        map(
            ParityForward,
            value.tolist(),
            bid.tolist(),
            ask.tolist(),
            residual.tolist(),
            strikes.tolist(),
            map(tuple, excluded),
            disagree.tolist(),
            price_source.tolist(),
            time.tolist(),
            anchor.tolist(),
            from_market.tolist(),
        )
    )


def _price_sources(columns: ParityColumns, rows: np.ndarray, of: np.ndarray, count: int) -> np.ndarray:
    """Return the price source that all legs of each expiry share, MIXED_PRICES if they have several, -1 for none."""
    found = np.full(count, -1, np.int8)
    if columns.call_source is None or columns.put_source is None or not len(rows):
        return found
    groups, begins = np.unique(of, return_index=True)
    call, put = columns.call_source[rows], columns.put_source[rows]
    least = np.minimum.reduceat(np.minimum(call, put), begins)
    greatest = np.maximum.reduceat(np.maximum(call, put), begins)
    found[groups] = np.where(least == greatest, least, MIXED_PRICES)
    return found


def _median(values: np.ndarray, of: np.ndarray, count: int) -> np.ndarray:
    """Return the median of each group's values (of two middle ones the lower), NaN for a group without any."""
    found = np.full(count, np.nan)
    if len(values):
        groups, begins, sizes = np.unique(of, return_index=True, return_counts=True)
        found[groups] = values[_order(values, of)][begins + (sizes - 1) // 2]
    return found


def _ages(columns: ParityColumns, rows: np.ndarray, of: np.ndarray, count: int) -> np.ndarray:
    """Return by how many seconds each pair's older price is older than the expiry's newest; 0 for unknown times."""
    call, put = columns.call_time[rows], columns.put_time[rows]
    newest = np.full(count, -np.inf)
    np.fmax.at(newest, of, np.fmax(call, put))
    age = newest[of] - np.minimum(call, put)
    return np.where(age > 0, age, 0.0)


def _trades(
    columns: ParityColumns, rows: np.ndarray, of: np.ndarray, doubt: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the error that each pair of trades may have, and its weight from 0 to 1.

    The dearer leg is in the money, trades least and moves most, so pairs near the money weigh more. The volume of the
    thinner leg shows how fresh the pair is. The third value of the expiry bounds both, so no single pair outweighs the
    others by a tiny price or a huge volume.
    """
    call_volume, put_volume = columns.call_volume[rows], columns.put_volume[rows]
    dearer = np.maximum(columns.call[rows], columns.put[rows])
    thinner = np.minimum(np.nan_to_num(call_volume), np.nan_to_num(put_volume))
    money = _third_least(dearer, of)
    enough = -_third_least(-thinner, of)
    weight = (1.0 + np.minimum(thinner, enough)) / (1.0 + enough)
    return MAX_ERROR * money, weight * np.square(money / (np.maximum(dearer, money) + doubt))


def _third_least(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Return the third least value of each element's group, or the middle one of fewer than five values."""
    sizes = np.bincount(of)
    ends = np.cumsum(sizes)
    place = np.minimum(ends - sizes + np.minimum(2, np.maximum(sizes - 1, 0) // 2), len(values) - 1)
    found: np.ndarray = values[_order(values, of)][place][of]
    return found


def _order(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Return the order by group, then by value. Equal values keep their order."""
    order = np.argsort(values, kind="stable")
    groups = of[order]
    if len(of) and of[-1] < 65_536:
        groups = groups.astype(np.uint16)  # which numpy sorts by radix
    return order[np.argsort(groups, kind="stable")]


def _overlap(
    low: np.ndarray,
    high: np.ndarray,
    weight: np.ndarray,
    dearer: np.ndarray,
    of: np.ndarray,
    count: int,
    quoted: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, for each group, the ends of where its intervals overlap most, and whether they agree.

    The sweep goes from the least end to the greatest: each beginning adds an interval's weight, each end subtracts it.
    `dearer` is the price of each strike's option in the money; the least of them is close to that of one at the money.
    """
    lowest, highest = np.full(count, np.nan), np.full(count, np.nan)
    total = np.bincount(of, weight, minlength=count)
    groups = np.flatnonzero(np.bincount(of, minlength=count))
    if not len(groups):
        return lowest, highest, np.zeros(count, np.bool_)
    ends = np.concatenate([low, high])
    of_ends = np.concatenate([of, of])
    order = _order(ends, of_ends)  # of equal ends beginnings come first: intervals are closed
    ends, of_ends = ends[order], of_ends[order]
    following = np.append(ends[1:], np.nan)
    cover = np.cumsum(np.concatenate([weight, -weight])[order])
    begins = np.searchsorted(of_ends, groups)
    most = np.zeros(count)
    most[groups] = np.maximum.reduceat(cover, begins)
    rounding = 1e-9 * total
    majority = 0.5 * total + rounding
    spared = np.where(quoted, np.maximum(1.0, SLIGHTLY_WRONG * most), 0.0)
    least = np.minimum(np.maximum(most - spared, majority), most) - rounding
    inside = cover >= least[of_ends]
    lowest[groups] = np.minimum.reduceat(np.where(inside, ends, np.inf), begins)
    highest[groups] = np.maximum.reduceat(np.where(inside, following, -np.inf), begins)
    agrees = most > majority

    # The intervals may overlap most in several places: the first ends at `first`, the last begins at `last`.
    peak = cover >= (most - rounding)[of_ends]
    first, last, money = np.full(count, np.nan), np.full(count, np.nan), np.full(count, np.nan)
    first[groups] = np.minimum.reduceat(np.where(peak, following, np.inf), begins)
    last[groups] = np.maximum.reduceat(np.where(peak, ends, -np.inf), begins)
    money[groups] = np.minimum.reduceat(dearer, np.searchsorted(of, groups))
    middle = 0.5 * (lowest + highest)
    torn = quoted & agrees & (np.maximum(middle - first, last - middle) > MAX_ERROR * money)
    agrees &= ~torn
    lowest = np.where(torn, first, lowest)
    highest = np.where(agrees, highest, lowest)  # of equally large majorities, the one at the lower price
    return lowest, highest, agrees


def _settle(
    value: np.ndarray, residual: np.ndarray, estimate: np.ndarray, weight: np.ndarray, of: np.ndarray, rows: np.ndarray
) -> None:
    """Set the weighted median of the pairs that agree, and their distance from it, where there are only trades."""
    estimate, weight, of = estimate[rows], weight[rows], of[rows]
    order = _order(estimate, of)
    estimate, weight, of = estimate[order], weight[order], of[order]
    below = np.cumsum(weight)
    groups, begins = np.unique(of, return_index=True)
    total = np.add.reduceat(weight, begins)
    middle = np.searchsorted(below, below[begins] - weight[begins] + 0.5 * total)
    value[groups] = estimate[np.minimum(middle, len(estimate) - 1)]
    residual[groups] = np.add.reduceat(weight * np.abs(estimate - value[of]), begins) / total
