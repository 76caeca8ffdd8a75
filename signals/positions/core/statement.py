"""What portfolios hold in total: nets by portfolio and by underlying, and what is left out of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from signals.positions.core.totals import Totals, by_underlying, totals
from signals.positions.core.values import TOTALS, LegValues

PRICED, VALUED, GREEK = TOTALS.index("market_value"), TOTALS.index("model_value"), TOTALS.index("delta")
SINCE_PAID = TOTALS.index("profit_and_loss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """`net` has one group for each of P portfolios, `each` one for each of `underlyings`: its portfolio and its key."""

    net: Totals
    each: Totals
    underlyings: list[tuple[int, str]]
    currencies: list[tuple[str, ...]]  # of each portfolio, in alphabetical order

    def mixed(self) -> np.ndarray:
        """Return which portfolios have legs in several currencies (bool): their nets are unknown."""
        return np.array([len(each) > 1 for each in self.currencies], bool)


def state(
    legs: LegValues, portfolio: np.ndarray, portfolios: int, currency_of: Callable[[str], str], *, partial: bool
) -> Statement:
    """Return the totals of P portfolios. Money of several currencies is not added."""
    contributions = legs.contributions()
    group, names = by_underlying(portfolio, legs.underlying)
    net = totals(contributions, portfolio, portfolios, partial=partial)
    currencies: list[set[str]] = [set() for _ in range(portfolios)]
    for place, underlying in names:
        currencies[place].add(currency_of(underlying))
    found = Statement(
        net=net,
        each=totals(contributions, group, len(names), partial=partial),
        underlyings=names,
        currencies=[tuple(sorted(each)) for each in currencies],
    )
    net.values[:, found.mixed()] = np.nan
    return found


def left_out(legs: LegValues, rows: np.ndarray, net: Totals, place: int) -> str | None:
    """Return which legs the totals of group `place` lack, None if they have all. `rows`: the legs of its portfolio."""
    missing = int(net.missing[[PRICED, VALUED, GREEK], place].max())
    if not missing:
        return None
    first = next(at for at, leg in enumerate(rows.tolist()) if legs.status[leg] != "ok" and legs.units[leg] != 0.0)
    leg = rows[first]
    return f"{_count(missing, len(rows))} no value: legs[{first}] is {legs.status[leg]}: {legs.reason[leg]}"


def left_out_of_cell(missing: int, legs: int) -> str | None:
    """Return why a cell's totals lack legs that have a value without shocks, None if they have all."""
    return f"{_count(missing, legs)} no value under these shocks" if missing else None


def several_currencies(currencies: Sequence[str]) -> str:
    return f"the legs are in {' and '.join(each or 'an unknown currency' for each in currencies)}, which do not add up"


def _count(missing: int, legs: int) -> str:
    return f"{missing} of {legs} {'leg' if legs == 1 else 'legs'} {'has' if missing == 1 else 'have'}"
