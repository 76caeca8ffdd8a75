"""A slow twin of the gates of arbitrage: the rules in plain Python, each round from scratch."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from moneyness.core.smile_words import Gate


@dataclass(frozen=True)
class Point:
    k: float
    low: float
    volatility: float
    high: float
    tick: float
    strength: int


def undiscounted(k: float, s: float) -> tuple[float, float]:
    """Call and put on a forward of 1: the one out of the money from the formula, the other by parity."""
    if not s > 0:
        otm = 0.0
    else:
        sign = 1.0 if k >= 0 else -1.0
        d1 = -k / s + 0.5 * s
        d2 = d1 - s
        half = math.sqrt(0.5)
        otm = max(sign * 0.5 * (math.erfc(-sign * d1 * half) - math.exp(k) * math.erfc(-sign * d2 * half)), 0.0)
    parity = 1.0 - math.exp(k)
    return (otm, otm - parity) if k >= 0 else (otm + parity, otm)


def bounds(point: Point, years: float) -> tuple[float, float, float, float]:
    """Lowest and highest call, lowest and highest put."""
    low, high = (undiscounted(point.k, of * math.sqrt(years)) for of in (point.low, point.high))
    return low[0] - point.tick, high[0] + point.tick, low[1] - point.tick, high[1] + point.tick


def violated(points: Sequence[Point], kept: list[int], years: float) -> list[tuple[Gate, tuple[int, ...]]]:
    found: list[tuple[Gate, tuple[int, ...]]] = []
    priced = {i: bounds(points[i], years) for i in kept}
    for i, j in itertools.pairwise(kept):
        if priced[j][0] > priced[i][1] or priced[i][2] > priced[j][3]:
            found.append((Gate.MONOTONICITY, (i, j)))
    for i, j, n in zip(kept, kept[1:], kept[2:], strict=False):
        x = [math.exp(points[each].k) for each in (i, j, n)]
        low, high = (0, 1) if x[1] >= 1 else (2, 3)
        left, right = x[1] - x[0], x[2] - x[1]
        if priced[j][low] * (left + right) > right * priced[i][high] + left * priced[n][high]:
            found.append((Gate.CONVEXITY, (i, j, n)))
    return found


def far(points: Sequence[Point], kept: list[int], place: int) -> float:
    """The least distance of a point from three lines: through those beside it, and the next two on either side; near
    an end through each two of the other three there."""
    if len(kept) < 4:
        return 0.0
    at, last = kept.index(place), len(kept) - 1
    if at < 2 or at > last - 2:
        others = [each for each in (range(4) if at < 2 else range(last - 3, last + 1)) if each != at]
        pairs = [(others[0], others[1]), (others[1], others[2]), (others[0], others[2])]
    else:
        pairs = [(at - 1, at + 1), (at - 2, at - 1), (at + 1, at + 2)]
    own, found = points[place], []
    for one, other in pairs:
        a, b = points[kept[one]], points[kept[other]]
        slope = (b.volatility - a.volatility) / (b.k - a.k)
        found.append(abs(own.volatility - a.volatility - slope * (own.k - a.k)))
    return min(found)


def refused_strikes(points: Sequence[Point], places: list[int], years: float) -> dict[int, Gate]:
    kept, refused = list(places), {}
    while found := violated(points, kept, years):
        count = {i: sum(i in members for _, members in found) for i in kept}
        rank = {i: (points[i].strength, -count[i], -far(points, kept, i), i) for i in kept}
        worst = {
            i
            for i in kept
            if count[i] and all(min(members, key=rank.__getitem__) == i for _, members in found if i in members)
        }
        assert worst
        for i in worst:
            refused[i] = Gate(0)
            for gate, members in found:
                if i in members:
                    refused[i] |= gate
        kept = [i for i in kept if i not in worst]
    return refused


def refused_points(
    groups: Sequence[Sequence[Point]], underlying: Sequence[int], years: Sequence[float]
) -> list[list[Gate]]:
    """Groups in order of underlying and time; all their points count so far."""
    answers: list[list[Gate]] = []
    before: tuple[int, list[Point]] | None = None
    for place, points in enumerate(groups):
        refused = refused_strikes(points, list(range(len(points))), years[place])
        if before is not None and underlying[before[0]] != underlying[place]:
            before = None
        if before is not None and years[before[0]] < years[place]:
            earlier = before[1]
            for i, point in enumerate(points):
                if i in refused:
                    continue
                for a, b in itertools.pairwise(earlier):
                    if a.k <= point.k <= b.k:
                        share = (point.k - a.k) / (b.k - a.k)
                        lowest = (a.low * a.low * (1 - share) + b.low * b.low * share) * years[before[0]]
                        if point.high * point.high * years[place] < lowest * (1 - 1e-12):
                            refused[i] = Gate.CALENDAR
                        break
        answers.append([refused.get(i, Gate(0)) for i in range(len(points))])
        kept = [point for i, point in enumerate(points) if i not in refused]
        if len(kept) >= 2:
            before = (place, kept)
    return answers
