# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, attr-defined, assignment"
"""Compiled loops over open interest: max pain and walls, and the spot at which net gamma changes its sign.

`offsets` (G + 1) says where each group's elements begin and end.
"""

import math

import numpy as np
from numba import config

from moneyness.core.kernel_compile import entry, piece
from signals.greeks.core.kernel_compile import block

if config.DISABLE_JIT:  # then all of this runs as Python, which the compiler's own functions do not

    def full_width_vectors():
        return None

    exp = math.exp
else:
    from signals.greeks.core.kernel_compile import full_width_vectors
    from signals.greeks.core.kernel_math import exp

_COLUMN = "f8[::1]"
_PLACES = "i8[::1]"
STEPS = 24  # of the search on each side of the spot
REFINEMENTS = 40
ENOUGH = 1e-10  # of ln(S'/S)
BELOW = 1.0 - 1e-12  # a pain is less than another if it is less than this share of it: the rest is rounding


@piece
def is_wall(interest, place, walls, g):
    """Whether the strike has more interest than the last of the walls."""
    most = walls.shape[1]
    if most == 0 or not interest[place] > 0.0:
        return False
    last = walls[g, most - 1]
    return last < 0 or interest[place] > interest[last]


@piece
def place_wall(interest, place, walls):  # pragma: no cover - compiled
    """Insert a strike among the walls, the most interest first, the lower strike first of equals."""
    for rank in range(walls.shape[0]):
        if walls[rank] < 0 or interest[place] > interest[walls[rank]]:
            for other in range(walls.shape[0] - 1, rank, -1):
                walls[other] = walls[other - 1]
            walls[rank] = place
            return


@entry(f"void({_COLUMN}, {_PLACES}, {_COLUMN}, {_COLUMN}, {_COLUMN}, {_COLUMN}, i8[:,::1], i8[:,::1])")
def walk_interest(
    strike, offsets, call_interest, put_interest, pain, max_pain, call_walls, put_walls
):  # pragma: no cover - compiled
    """Fill pain by strike, max pain by group and the places of the walls (G, w), -1 for none.

    From one strike to the next the calls at and below it gain the distance: one walk up sums them, and one walk down
    sums the puts. Nothing is subtracted, so pains that are equal are equal but for rounding.
    """
    for g in range(max_pain.shape[0]):
        begin, end = offsets[g], offsets[g + 1]
        max_pain[g] = math.nan
        call_walls[g, :] = -1
        put_walls[g, :] = -1
        calls = 0.0
        worth = 0.0
        for i in range(begin, end):
            if i > begin:
                worth += (strike[i] - strike[i - 1]) * calls
            calls += call_interest[i]
            pain[i] = worth
            if is_wall(call_interest, i, call_walls, g):
                place_wall(call_interest, i, call_walls[g])
            if is_wall(put_interest, i, put_walls, g):
                place_wall(put_interest, i, put_walls[g])
        puts = 0.0
        worth = 0.0
        for i in range(end - 1, begin - 1, -1):
            if i < end - 1:
                worth += (strike[i + 1] - strike[i]) * puts
            puts += put_interest[i]
            pain[i] += worth
        if not calls + puts > 0.0:
            for i in range(begin, end):
                pain[i] = math.nan
            continue
        least = math.inf
        for i in range(begin, end):
            if pain[i] < least * BELOW:
                least = pain[i]
                max_pain[g] = strike[i]


@block
def net_gamma(x, distance, width, weight, terms):  # pragma: no cover - compiled
    """The net gamma of options when the spot is at exp(x) of itself, but for a positive factor.

    `distance`: ln(K/F), `width`: volatility x sqrt(T), `weight`: signed open interest / width.
    """
    full_width_vectors()
    for i in range(distance.shape[0]):
        d = (x - distance[i]) / width[i] + 0.5 * width[i]
        terms[i] = weight[i] * exp(-0.5 * d * d)
    total = 0.0
    for i in range(distance.shape[0]):
        total += terms[i]
    return total


@block
def root_between(low, high, at_low, distance, width, weight, terms):  # pragma: no cover - compiled
    for _ in range(REFINEMENTS):
        middle = 0.5 * (low + high)
        if high - low < ENOUGH:
            return middle
        value = net_gamma(middle, distance, width, weight, terms)
        if value == 0.0:
            return middle
        if (value > 0.0) == (at_low > 0.0):
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@entry(f"void({_PLACES}, {_COLUMN}, {_COLUMN}, {_COLUMN}, {_COLUMN}, {_COLUMN})")
def find_flips(offsets, distance, width, weight, step, flip):  # pragma: no cover - compiled
    """Fill ln(S'/S) of the spot S' nearest to S at which the net gamma of each group changes its sign, NaN for none.

    The search goes outwards on both sides in steps of `step` (by group), STEPS of them, and the root is bisected.
    """
    longest = 0
    for g in range(flip.shape[0]):
        longest = max(longest, offsets[g + 1] - offsets[g])
    scratch = np.empty(longest)
    for g in range(flip.shape[0]):
        begin, end = offsets[g], offsets[g + 1]
        flip[g] = math.nan
        d, w, c = distance[begin:end], width[begin:end], weight[begin:end]
        some_long = False
        some_short = False
        for i in range(c.shape[0]):
            some_long |= c[i] > 0.0
            some_short |= c[i] < 0.0
        if not (some_long and some_short and step[g] > 0.0):
            continue
        terms = scratch[: end - begin]
        at_zero = net_gamma(0.0, d, w, c, terms)
        up_before = at_zero
        down_before = at_zero
        if at_zero == 0.0:
            flip[g] = 0.0
            continue
        for number in range(1, STEPS + 1):
            x = number * step[g]
            up = net_gamma(x, d, w, c, terms)
            down = net_gamma(-x, d, w, c, terms)
            rises = up * up_before < 0.0
            falls = down * down_before < 0.0
            above = root_between(x - step[g], x, up_before, d, w, c, terms) if rises else math.inf
            below = root_between(-x, step[g] - x, down, d, w, c, terms) if falls else -math.inf
            if rises or falls:
                flip[g] = above if math.exp(above) - 1.0 < 1.0 - math.exp(below) else below
                break
            up_before = up
            down_before = down
