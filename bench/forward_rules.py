"""Rules for the forward of an expiry from end-of-day prices, judged on the same expiries and options.

A rule gets a day and the options that it may use, and returns a forward for each expiry, NaN for none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bench.forward_days import Day
from signals.greeks.core.conventions import DEFAULT_RATE, SECONDS_PER_YEAR, ForwardSource, GreeksParams, PriceSource
from signals.greeks.core.engine import implied_greeks
from signals.greeks.core.prices import choose_price
from signals.greeks.core.snapshot import find_markets
from signals.greeks.core.status import Status

Rule = Callable[[Day, np.ndarray], np.ndarray]
NEAREST = 5  # strikes at which a rule's forward is judged


def by_parity(price: PriceSource = PriceSource.AUTO, *, both_legs: bool = False) -> Rule:
    """Return today's parity, by this price, from all strikes or only from those at which both legs traded."""
    params = GreeksParams(forward=ForwardSource.PARITY, price=price)

    def rule(day: Day, kept: np.ndarray) -> np.ndarray:
        if both_legs:
            kept = kept & day.traded  # a strike with one leg is no pair
        return np.array([each.forward.value for each in find_markets(day.only(kept), params)])

    return rule


def by_nearest(count: int, weigh: str = "") -> Rule:
    """Return the median of K + (C - P) / D at the strikes nearest the money, or their mean weighed by the thinner leg.

    The nearest are those with the least |C - P|. `weigh` is "volume" or "open interest".
    """

    def rule(day: Day, kept: np.ndarray) -> np.ndarray:
        options = day.only(kept).options
        calls, puts = options.pairs()
        price, _ = choose_price(options.quotes, PriceSource.AUTO)
        apart = price[calls] - price[puts]
        of = options.group[calls]
        estimate = options.strike[calls] + apart * np.exp(DEFAULT_RATE * years(day)[of])
        size = day.open_interest[kept] if weigh == "open interest" else options.quotes.volume
        thinner = np.nan_to_num(np.minimum(size[calls], size[puts]))
        usable = np.isfinite(estimate)
        found = np.full(len(day.expiries), np.nan)
        for group in np.unique(of[usable]):
            rows = np.flatnonzero(usable & (of == group))
            rows = rows[np.argsort(np.abs(apart[rows]), kind="stable")[:count]]
            if weigh and thinner[rows].any():
                found[group] = np.average(estimate[rows], weights=thinner[rows])
            else:
                found[group] = np.median(estimate[rows])
        return found

    return rule


def future(day: Day, kept: np.ndarray) -> np.ndarray:
    return day.expiries.future.to_numpy(float)


def where_traded(rule: Rule, strikes: int) -> Rule:
    """Return a rule that gives a forward only where both legs of so many strikes traded."""

    def limited(day: Day, kept: np.ndarray) -> np.ndarray:
        calls, puts = (options := day.only(kept).options).pairs()
        traded = day.traded[kept]
        both = np.bincount(options.group[calls][traded[calls] & traded[puts]], minlength=len(day.expiries))
        return np.where(both >= strikes, rule(day, kept), np.nan)

    return limited


def first(*rules: Rule) -> Rule:
    """Return a rule that takes each expiry's forward from the first of these rules that has one."""

    def rule(day: Day, kept: np.ndarray) -> np.ndarray:
        found = rules[0](day, kept)
        for each in rules[1:]:
            found = _or(found, each(day, kept))
        return found

    return rule


def by_auto(day: Day, kept: np.ndarray) -> np.ndarray:
    """Return the forward by parity or by a future as the service finds it: `auto` without spot and carry."""
    found = [each.forward for each in find_markets(day.only(kept), GreeksParams())]
    own = (ForwardSource.PARITY, ForwardSource.FUTURE)
    return np.array([each.value if each.source in own else np.nan for each in found])


PARITY = "parity"
RULES: Mapping[str, Rule] = {
    PARITY: by_parity(),
    "`auto`": by_auto,
    "future, else parity": first(future, by_parity()),
    **{
        f"parity where {count} strikes traded, else the future, else parity": first(
            where_traded(by_parity(), count), future, by_parity()
        )
        for count in (1, 5, 12)
    },
    "parity of strikes traded on both legs": by_parity(both_legs=True),
    "the same, else of all strikes": first(by_parity(both_legs=True), by_parity()),
    "parity of closes": by_parity(PriceSource.CLOSE),
    "parity of settlements": by_parity(PriceSource.SETTLE),
    "parity of last trades": by_parity(PriceSource.LAST),
    "strike nearest the money": by_nearest(1),
    "median of the 3 nearest": by_nearest(3),
    "median of the 5 nearest": by_nearest(5),
    "median of the 9 nearest": by_nearest(9),
    "5 nearest, by volume": by_nearest(5, "volume"),
    "9 nearest, by volume": by_nearest(9, "volume"),
    "5 nearest, by open interest": by_nearest(5, "open interest"),
}


def years(day: Day) -> np.ndarray:
    seconds: np.ndarray = day.snapshot.groups.expires_at - day.snapshot.at
    return seconds / SECONDS_PER_YEAR


@dataclass(frozen=True, eq=False)
class Judged:
    """What a rule gives for the indices, or the stocks, of one day."""

    official: np.ndarray  # for each expiry: the future's close
    forward: np.ndarray  # for each expiry: by the rule alone
    valued: np.ndarray  # for each option with a price: whether it has a volatility
    traded: np.ndarray  # for each of these: whether it traded
    gap: np.ndarray  # for each held-out strike: |call's volatility - put's|, infinite where a leg has none


def judge(day: Day, rule: Rule) -> dict[bool, Judged]:
    """Apply the rule to the day; return what it gives for indices (True) and stocks (False).

    Where the rule has no forward, the future counts, as for `auto`. `valued` uses the prices that `auto` chooses. `gap`
    is at the NEAREST strikes to the future at which both legs traded, among every second strike of each expiry with a
    traded future. Their forward comes from the other strikes, so that no rule is judged by the prices that it was
    fitted to, and the prices are closes, since a settlement of what did not trade is a model's.
    """
    options = day.snapshot.options
    calls, puts = options.pairs()
    forward = rule(day, np.ones(len(options.strike), bool))
    price, _ = choose_price(options.quotes, PriceSource.AUTO)
    official = future(day, price > 0)
    valued = np.isfinite(_volatility(day, price, _or(forward, official)))
    held_out = _every_second_strike(day)
    volatility = _volatility(day, options.quotes.close, _or(rule(day, ~held_out), official))
    gap = np.abs(volatility[calls] - volatility[puts])
    gap = np.where(np.isfinite(gap), gap, np.inf)
    shown = _judges(day, held_out)
    index = day.expiries["index"].to_numpy(bool)
    found = {}
    for kind in (True, False):
        chosen = index == kind
        found[kind] = Judged(
            official=official[chosen],
            forward=forward[chosen],
            valued=valued[(counts := chosen[options.group] & (price > 0))],
            traded=day.traded[counts],
            gap=gap[shown[chosen[options.group[calls][shown]]]],
        )
    return found


def _or(forward: np.ndarray, instead: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(forward), forward, instead)


def _volatility(day: Day, price: np.ndarray, forward: np.ndarray) -> np.ndarray:
    options = day.snapshot.options
    found = implied_greeks(
        price=price,
        underlying=forward[options.group],
        strike=options.strike,
        expiry_years=years(day)[options.group],
        rate=DEFAULT_RATE,
        dividend_yield=0.0,
        sign=options.sign,
        black76=True,
    )
    return np.where(found.status == Status.OK, found.implied_volatility, np.nan)


def _every_second_strike(day: Day) -> np.ndarray:
    options = day.snapshot.options
    is_new = np.append(True, (options.strike[1:] != options.strike[:-1]) | (options.group[1:] != options.group[:-1]))
    place = np.cumsum(is_new)
    begins = np.searchsorted(options.group, options.group)
    odd: np.ndarray = (place - place[begins]) % 2 == 1
    return odd


def _judges(day: Day, held_out: np.ndarray) -> np.ndarray:
    """Return the places, among the pairs, of the held-out strikes that judge."""
    options = day.snapshot.options
    calls, puts = options.pairs()
    of = options.group[calls]
    away = np.abs(options.strike[calls] - day.expiries.future.to_numpy(float)[of])
    able = np.flatnonzero(held_out[calls] & day.traded[calls] & day.traded[puts] & np.isfinite(away))
    order = able[np.lexsort((away[able], of[able]))]
    place = np.arange(len(order)) - np.searchsorted(of[order], of[order])
    return order[place < NEAREST]
