# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, attr-defined"
"""The compiled gates of arbitrage: monotonicity and convexity within an expiry, calendar between two.

Prices are those of calls and puts on a forward of 1 without discount: c(k, s) = N(d1) - e^k N(d2), p = c - 1 + e^k,
d1 = -k/s + s/2, d2 = d1 - s, k = ln(K/F), s = volatility x sqrt(T). A point's prices range from `low` to `high`. All
functions also run uncompiled.

Of neighbours i, j, l (ascending strikes; refused points are no neighbours), with x = e^k:
    monotonicity  c_j(low) > c_i(high), or p_i(low) > p_j(high)
    convexity     c_j(low) > ((x_l - x_j) c_i(high) + (x_j - x_i) c_l(high)) / (x_l - x_i)
is a violation. Refusal goes in rounds. In each round, a point is refused if it is the worst of every violation that it
takes part in: its price is weaker (`strength`: two-sided, traded, in the money, not traded), else it takes part in more
of them, else it is farther in volatility from its neighbours (`distances`), else its strike is lower. Then all begins
anew, until there is no violation.
"""

import math

import numpy as np

from moneyness.core.kernel_compile import entry, piece

MONOTONICITY, CONVEXITY, CALENDAR = 32, 64, 128  # smile_words.Gate
SQRT_HALF = 0.7071067811865476


@piece
def otm_price(k, s):  # pragma: no cover - compiled
    """The price of the option out of the money: the put for k < 0, else the call."""
    if not s > 0.0:
        return 0.0
    sign = 1.0 if k >= 0.0 else -1.0
    d1 = -k / s + 0.5 * s
    d2 = d1 - s
    return max(
        sign * 0.5 * (math.erfc(-sign * d1 * SQRT_HALF) - math.exp(min(k, 700.0)) * math.erfc(-sign * d2 * SQRT_HALF)),
        0.0,
    )


@piece
def worse(i, j, count, strength, distance):  # pragma: no cover - compiled
    """Whether point i is worse than point j."""
    if strength[i] != strength[j]:
        return strength[i] < strength[j]
    if count[i] != count[j]:
        return count[i] > count[j]
    if distance[i] != distance[j]:
        return distance[i] > distance[j]
    return i < j


@piece
def off_line(i, a, b, k, volatility):  # pragma: no cover - compiled
    """How far point i is from the line through points a and b."""
    slope = (volatility[b] - volatility[a]) / (k[b] - k[a])
    return abs(volatility[i] - volatility[a] - slope * (k[i] - k[a]))


@piece
def distances(m, k, volatility, distance):  # pragma: no cover - compiled
    """How far each point is from its neighbours: the least of its distances from three lines.

    The lines go through the two beside it, the two next on its left, and the two next on its right; near the ends
    through each two of the three nearest to the end. So no single wrong neighbour makes a point look wrong.
    """
    for i in range(m):
        if m < 4:
            distance[i] = 0.0
            continue
        a, b, c = 0, 0, 0
        if i < 2:
            a, b, c = 1 - i, 2, 3
        elif i > m - 3:
            a, b, c = m - 4, m - 3, 2 * m - 3 - i
        if i < 2 or i > m - 3:
            one, two, three = (
                off_line(i, a, b, k, volatility),
                off_line(i, b, c, k, volatility),
                off_line(i, a, c, k, volatility),
            )
        else:
            one = off_line(i, i - 1, i + 1, k, volatility)
            two = off_line(i, i - 2, i - 1, k, volatility)
            three = off_line(i, i + 1, i + 2, k, volatility)
        distance[i] = min(one, two, three)
        if not distance[i] < math.inf:  # the order must be total, or rounds would not end
            distance[i] = 0.0


@piece
def violations(i, m, x, low_call, high_call, low_put, high_put):  # pragma: no cover - compiled
    """Bits of what is violated by the pair (i, i + 1), and by the triple (i, i + 1, i + 2)."""
    pair = 0
    triple = 0
    if i + 1 < m and (low_call[i + 1] > high_call[i] or low_put[i] > high_put[i + 1]):
        pair = MONOTONICITY
    if i + 2 < m:
        left, right = x[i + 1] - x[i], x[i + 2] - x[i + 1]
        # of calls above the forward and of puts below it, which is the same but for rounding
        if x[i + 1] >= 1.0:
            middle, one, other = low_call[i + 1], high_call[i], high_call[i + 2]
        else:
            middle, one, other = low_put[i + 1], high_put[i], high_put[i + 2]
        if middle * (left + right) > right * one + left * other:
            triple = CONVEXITY
    return pair, triple


@piece
def refuse_strikes(places, k, low, volatility, high, tick, strength, root, refused):  # pragma: no cover - compiled
    """Monotonicity and convexity of one expiry; `places` are those of its points that count so far."""
    m = places.shape[0]
    x, vol, money, rank = np.empty(m), np.empty(m), np.empty(m), np.empty(m, np.int64)
    low_call, high_call, low_put, high_put = np.empty(m), np.empty(m), np.empty(m), np.empty(m)
    place = places.copy()
    for i in range(m):
        p = place[i]
        money[i], vol[i], rank[i], x[i] = k[p], volatility[p], strength[p], math.exp(min(k[p], 700.0))
        least = otm_price(k[p], low[p] * root) - tick[p]
        most = otm_price(k[p], high[p] * root) + tick[p]
        parity = 1.0 - x[i]  # call less put
        low_call[i] = least if k[p] >= 0.0 else least + parity
        high_call[i] = most if k[p] >= 0.0 else most + parity
        low_put[i] = least if k[p] < 0.0 else least - parity
        high_put[i] = most if k[p] < 0.0 else most - parity
    count, won, bits = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m, np.int64)
    distance = np.empty(m)
    while m >= 2:
        count[:m] = 0
        won[:m] = 0
        bits[:m] = 0
        found = False
        for i in range(m - 1):
            pair, triple = violations(i, m, x, low_call, high_call, low_put, high_put)
            for j in range(i, i + 2 if triple == 0 else i + 3):
                if pair and j < i + 2:
                    count[j] += 1
                    bits[j] |= pair
                if triple:
                    count[j] += 1
                    bits[j] |= triple
            found = found or pair != 0 or triple != 0
        if not found:
            return
        distances(m, money, vol, distance)
        for i in range(m - 1):
            pair, triple = violations(i, m, x, low_call, high_call, low_put, high_put)
            worst = i + 1 if worse(i + 1, i, count, rank, distance) else i
            if pair:
                won[worst] += 1
            if triple:
                won[i + 2 if worse(i + 2, worst, count, rank, distance) else worst] += 1
        kept = 0
        for i in range(m):
            if count[i] > 0 and won[i] == count[i]:
                refused[place[i]] |= bits[i]
                continue
            place[kept], money[kept], vol[kept], rank[kept], x[kept] = place[i], money[i], vol[i], rank[i], x[i]
            low_call[kept], high_call[kept] = low_call[i], high_call[i]
            low_put[kept], high_put[kept] = low_put[i], high_put[i]
            kept += 1
        m = kept


@piece
def survivors(first, last, refused):  # pragma: no cover - compiled
    return np.flatnonzero(refused[first:last] == 0) + first


@piece
def refuse_calendar(earlier, years_before, later, years, k, low, high, refused):  # pragma: no cover - compiled
    """A point of the later expiry whose highest total variance is below the earlier one's lowest, linear in k between
    two points of the earlier expiry; nothing is extrapolated."""
    j = 0
    n = earlier.shape[0]
    for i in range(later.shape[0]):
        p = later[i]
        while j + 2 < n and k[earlier[j + 1]] < k[p]:
            j += 1
        a, b = earlier[j], earlier[j + 1]
        if not k[a] <= k[p] <= k[b]:
            continue
        share = (k[p] - k[a]) / (k[b] - k[a])
        before = (low[a] * low[a] * (1.0 - share) + low[b] * low[b] * share) * years_before
        if high[p] * high[p] * years < before * (1.0 - 1e-12):
            refused[p] |= CALENDAR


_F = "f8[::1]"


@entry(f"void(i8[::1], i8[::1], {_F}, {_F}, {_F}, {_F}, {_F}, {_F}, i8[::1], u1[::1])")
def refuse_arbitrage(
    starts, underlying, years, k, low, volatility, high, tick, strength, refused
):  # pragma: no cover - compiled
    """Set the bits of the three gates in `refused`, which has those of the gates before.

    `starts` (groups + 1) has the place of each group's first point. Groups are ordered by underlying and expiry, points
    by strike.
    """
    before = -1
    for g in range(years.shape[0]):
        if not 0.0 < years[g] < math.inf:
            continue
        places = survivors(starts[g], starts[g + 1], refused)
        refuse_strikes(places, k, low, volatility, high, tick, strength, math.sqrt(years[g]), refused)
        places = survivors(starts[g], starts[g + 1], refused)
        if before >= 0 and underlying[before] != underlying[g]:
            before = -1
        if before >= 0 and years[before] < years[g]:
            earlier = survivors(starts[before], starts[before + 1], refused)
            refuse_calendar(earlier, years[before], places, years[g], k, low, high, refused)
            places = survivors(starts[g], starts[g + 1], refused)
        if places.shape[0] >= 2:
            before = g
