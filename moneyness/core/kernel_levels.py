# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, attr-defined"
"""Compiled loops over the options and strikes of chains: sums of levels and strikes, and strikes by delta.

`offsets` (G + 1) says where each group's strikes begin and end.
"""

import math

from moneyness.core.kernel_compile import entry, piece

_COLUMN = "f8[::1]"
_PLACES = "i8[::1]"
_MATRIX = "f8[:,::1]"
_FLAGS = "u1[::1]"

# Columns of the sums of a level: numbers of options, then sums of what is known.
OPTIONS, PRICED, FIRM, WITH_INTEREST, WITH_VOLUME, WITH_PREMIUM, WITH_WEIGHT = range(7)
PRICED_INTEREST, PRICED_VOLUME = 7, 8  # options that are priced and have the weight, be it 0
INTEREST, VOLUME, PREMIUM, VOLATILITY, WEIGHT, WEIGHTED_VOLATILITY = range(9, 15)
MEAN, BY_INTEREST, BY_VOLUME = 15, 20, 25  # five Greeks each
LOW, HIGH = 30, 31
WIDTH = 32
# Rows of the values of options.
_STRIKE, _INTEREST, _VOLUME, _PRICE, _VOLATILITY, _GREEKS = 0, 1, 2, 3, 4, 5


@entry(f"void({_PLACES}, {_PLACES}, {_MATRIX}, {_FLAGS}, {_FLAGS}, {_MATRIX})")
def sum_members(cell, member, values, priced, firm, sums):  # pragma: no cover - compiled
    """Add each member option to its cell's row of `sums` (cells, WIDTH), of which LOW is inf and HIGH -inf before.

    `values` (10, N): strike, open interest, volume, price, volatility, delta, gamma, theta, vega, rho.
    """
    for p in range(member.shape[0]):
        o = member[p]
        row = sums[cell[p]]
        strike = values[_STRIKE, o]
        interest = values[_INTEREST, o]
        volume = values[_VOLUME, o]
        price = values[_PRICE, o]
        has_interest = math.isfinite(interest)
        has_volume = math.isfinite(volume)
        row[OPTIONS] += 1.0
        row[LOW] = min(row[LOW], strike)
        row[HIGH] = max(row[HIGH], strike)
        if has_interest:
            row[WITH_INTEREST] += 1.0
            row[INTEREST] += interest
            if math.isfinite(price):
                row[WITH_PREMIUM] += 1.0
                row[PREMIUM] += price * interest
        if has_volume:
            row[WITH_VOLUME] += 1.0
            row[VOLUME] += volume
        if not priced[o]:
            continue
        volatility = values[_VOLATILITY, o]
        row[PRICED] += 1.0
        row[FIRM] += firm[o]
        row[VOLATILITY] += volatility
        if has_interest and interest > 0.0:
            row[WITH_WEIGHT] += 1.0
            row[WEIGHT] += interest
            row[WEIGHTED_VOLATILITY] += volatility * interest
        row[PRICED_INTEREST] += has_interest
        row[PRICED_VOLUME] += has_volume
        for greek in range(5):
            value = values[_GREEKS + greek, o]
            row[MEAN + greek] += value
            if has_interest:
                row[BY_INTEREST + greek] += value * interest
            if has_volume:
                row[BY_VOLUME + greek] += value * volume


@entry(f"void({_PLACES}, {_COLUMN}, {_MATRIX}, f8[:,:,:,::1])")
def sum_strikes(of_strike, sign, values, sums):  # pragma: no cover - compiled
    """Add the options' values (rows, N) to `sums` (strikes, 2, rows, 2): of calls and puts, how many are known, and
    their sum.
    """
    for o in range(of_strike.shape[0]):
        side = 1 if sign[o] < 0.0 else 0
        for row in range(values.shape[0]):
            value = values[row, o]
            if math.isfinite(value):
                sums[of_strike[o], side, row, 0] += 1.0
                sums[of_strike[o], side, row, 1] += value


@piece
def take_delta(
    place, before, strike, leg, delta, volatility, targets, found_strike, found_volatility, nearest
):  # pragma: no cover - compiled
    """Compare the option at a strike, and the one before it nearer to the money (-1 for none), with each target.

    Return the strike if its option has a delta, else `before`.
    """
    option = leg[place]
    if option < 0 or not math.isfinite(delta[option]):
        return before
    own = abs(delta[option])
    for t in range(targets.shape[0]):
        target = targets[t]
        if nearest[t] < 0 or abs(own - target) < abs(abs(delta[nearest[t]]) - target):
            nearest[t] = option
        if not math.isnan(found_strike[t]):
            continue
        if own == target:
            found_strike[t] = strike[place]
            found_volatility[t] = volatility[option]
        elif before >= 0:
            inner = abs(delta[leg[before]])
            if inner > target > own:
                share = (inner - target) / (inner - own)
                found_strike[t] = strike[before] + share * (strike[place] - strike[before])
                first = volatility[leg[before]]
                found_volatility[t] = first + share * (volatility[option] - first)
    return place


@entry(
    f"void({_PLACES}, {_PLACES}, {_COLUMN}, {_PLACES}, {_PLACES}, {_COLUMN}, {_COLUMN}, {_COLUMN},"
    " f8[:,:,::1], f8[:,:,::1], i8[:,:,::1])"
)
def walk_deltas(
    offsets, atm, strike, call, put, delta, volatility, targets, found_strike, found_volatility, nearest
):  # pragma: no cover - compiled
    """Fill (groups, 2, targets) of calls and puts: see deltas.py. They hold NaN and -1 before."""
    for g in range(atm.shape[0]):
        if atm[g] < 0:
            continue
        middle = offsets[g] + atm[g]
        before = -1
        for place in range(middle, offsets[g + 1]):
            before = take_delta(
                place, before, strike, call, delta, volatility, targets,
                found_strike[g, 0], found_volatility[g, 0], nearest[g, 0],
            )  # fmt: skip
        before = -1
        for place in range(middle, offsets[g] - 1, -1):
            before = take_delta(
                place, before, strike, put, delta, volatility, targets,
                found_strike[g, 1], found_volatility[g, 1], nearest[g, 1],
            )  # fmt: skip
