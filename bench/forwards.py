"""Compare the forward with futures on days of NSE, and rules for it with each other. python -m bench.forwards

This needs the end-of-day files of ../shared/data/1_bhavcopy. No servers run, and nothing is stored.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bench.forward_days import FOLDER, MONTHS, Day, files, read_day
from bench.forward_rules import PARITY, RULES, Judged, judge
from signals.greeks.core.conventions import ForwardSource, GreeksParams
from signals.greeks.core.snapshot import GroupMarket, find_markets

KINDS = {True: "index", False: "stock"}
SPREAD = ("median", "p90", "max")
Row = Sequence[object]


def run() -> dict[str, float]:
    days = [read_day(path) for path in files()]
    if not days:
        print(f"left out: no end-of-day file in {FOLDER}")
        return {}
    print("The forward by parity (rate 6.5 %) beside the close of the expiry's future, where that traded to the end")
    _table(COMPARED_HEADS, (row for day in days for row in compared(day)))
    print("\nThe same of all days, in basis points, by the number of strikes at which both legs traded")
    _table(EVIDENCE_HEADS, evidence(days))
    print("\nExpiries, where `auto` takes their forward from, and why there is none by parity")
    _table(SOURCE_HEADS, (row for day in days for row in sources(day)))
    figures: dict[str, float] = {}
    judged = {name: [judge(day, rule) for day in days] for name, rule in RULES.items()}
    for index, kind in KINDS.items():
        found = {name: together([each[index] for each in by_day]) for name, by_day in judged.items()}
        print(f"\nRules for {kind} expiries of all days. Differences in basis points, gaps in points of volatility")
        _table(RULE_HEADS, rules(found))
        median, p90, _ = _spread(_off(found[PARITY]))
        figures |= {f"forwards.{kind}_median_bp": median, f"forwards.{kind}_p90_bp": p90}
    return figures


def parity(day: Day) -> list[GroupMarket]:
    return find_markets(day.snapshot, GreeksParams(forward=ForwardSource.PARITY))


COMPARED_HEADS = ("day", "expiries", "compared", "no parity", "future did not trade to the end",
                  *(f"points: {each}" for each in SPREAD), *(f"basis points: {each}" for each in SPREAD))  # fmt: skip


def compared(day: Day) -> Iterable[Row]:
    """Yield a row for each kind and month of expiries: how far the forward by parity is from the future's close."""
    forward = np.array([each.forward.value for each in parity(day)])
    table = day.expiries.assign(points=np.abs(forward - day.expiries.future))
    for index, kind in KINDS.items():
        for month in MONTHS:
            rows = table[(table["index"] == index) & (table.month == month)]
            both, no_future = rows[rows.points.notna()], rows.future.isna().sum()
            if len(rows):
                counts = (len(both), len(rows) - len(both) - no_future, no_future)
                in_points, in_share = _spread(both.points), _spread(both.points / both.future * 1e4)
                yield [day.title, f"{kind}, {month}", *counts, *_words(in_points, 2), *_words(in_share)]


EVIDENCE_HEADS = ("expiries of", "strikes traded on both legs", "compared", *SPREAD)


def evidence(days: Iterable[Day]) -> Iterable[Row]:
    found = []
    for day in days:
        forward = np.array([each.forward.value for each in parity(day)])
        found.append(day.expiries.assign(off=np.abs(forward / day.expiries.future - 1.0) * 1e4))
    table = pd.concat(found).dropna(subset="off")
    for index, kind in KINDS.items():
        for words, low, high in (("3 or more", 3, np.inf), ("1 or 2", 1, 2), ("none", 0, 0)):
            rows = table[(table["index"] == index) & table.both_legs.between(low, high)]
            yield [kind, words, len(rows), *_words(_spread(rows.off))]


SOURCE_HEADS = ("day", "expiries of", "all", "parity", "future", "spot", "carried future", "none",
                "no parity: fewer than 3 strikes with both prices", "strikes disagree")  # fmt: skip
_SOURCES = (ForwardSource.PARITY, ForwardSource.FUTURE, ForwardSource.SPOT, ForwardSource.CARRIED_FUTURE, None)


def sources(day: Day) -> Iterable[Row]:
    auto = [each.forward for each in find_markets(day.snapshot, GreeksParams())]
    strict = [each.forward for each in parity(day)]
    for index, kind in KINDS.items():
        chosen = np.flatnonzero(day.expiries["index"] == index)
        words = [auto[place].source if auto[place].found else None for place in chosen]
        without = [strict[place].parity for place in chosen if not strict[place].found]
        disagree = sum(each is not None and each.disagree for each in without)
        if len(chosen):
            yield [day.title, kind, len(chosen), *map(words.count, _SOURCES), len(without) - disagree, disagree]


RULE_HEADS = ("rule", "expiries", *SPREAD, *(f"parity's: {each}" for each in SPREAD), "nearer : farther",
              "no value: options that traded", "that did not", "gap: median", "p90", "none")  # fmt: skip


def rules(found: Mapping[str, Judged]) -> Iterable[Row]:
    """Yield a row for each rule that gives a forward anywhere. It is compared with parity on the same expiries."""
    peer = _off(found[PARITY])
    for name, each in found.items():
        own = _off(each)
        same = np.isfinite(own) & np.isfinite(peer)
        if not same.any():
            continue
        apart = own[same] - peer[same]
        gap = [np.quantile(each.gap, at, method="inverted_cdf") * 100 for at in (0.5, 0.9)]
        none = [f"{(~each.valued & kind).sum():,} of {kind.sum():,}" for kind in (each.traded, ~each.traded)]
        yield [
            name, np.isfinite(each.forward).sum(), *_words(_spread(own[same])), *_words(_spread(peer[same])),
            f"{(apart < -1e-3).sum()} : {(apart > 1e-3).sum()}", *none,
            *_words(gap, 2), f"{np.isinf(each.gap).sum()} of {len(each.gap):,}",
        ]  # fmt: skip


def together(parts: Sequence[Judged]) -> Judged:
    names = ("official", "forward", "valued", "traded", "gap")
    return Judged(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _off(judged: Judged) -> np.ndarray:
    """Return how far each expiry's forward is from its future, in basis points."""
    off: np.ndarray = np.abs(judged.forward / judged.official - 1.0) * 1e4
    return off


def _spread(values: ArrayLike) -> tuple[float, float, float]:
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    if not len(known):
        return (np.nan,) * 3
    return float(np.median(known)), float(np.quantile(known, 0.9)), float(known.max())


def _words(numbers: Iterable[float], digits: int = 1) -> list[str]:
    return [f"{each:,.{digits}f}" if np.isfinite(each) else "" for each in numbers]


def _table(heads: Row, rows: Iterable[Row]) -> None:
    print("\n| " + " | ".join(map(str, heads)) + " |\n|" + " --- |" * len(heads))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    run()
