"""Portfolios under shocks of spot, volatility and time: legs x cells, some at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from signals.greeks.core.shocks import ShockBase
from signals.greeks.core.status import Status
from signals.positions.core.totals import Totals, totals
from signals.positions.core.values import GREEKS, LegValues

LEG_CELLS_AT_ONCE = 50_000
"""Legs x cells of one step: about 30 MB."""
_SECONDS_PER_DAY = 86_400.0
_OVER = int(Status.EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shocks:
    """The shocks of C cells: every combination, in the order of `greeks_grid`: days change from cell to cell."""

    spot: np.ndarray
    volatility: np.ndarray
    days: np.ndarray

    def __len__(self) -> int:
        return len(self.spot)

    @classmethod
    def of(cls, spot: Sequence[float], volatility: Sequence[float], days: Sequence[float]) -> "Shocks":
        axes = [np.asarray(axis, np.float64) for axis in (spot, volatility, days)]
        spots, volatilities, passed = (axis.ravel() for axis in np.meshgrid(*axes, indexing="ij"))
        return cls(spot=spots, volatility=volatilities, days=passed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Totals of some cells: `cell` holds their places; `totals` has one group for each cell and portfolio."""

    cell: np.ndarray
    totals: Totals
    expired: np.ndarray  # int64: how many of the legs held have expired by then, for each group


def shocked_totals(
    legs: LegValues,
    portfolio: np.ndarray,
    portfolios: int,
    base: ShockBase,
    shocks: Shocks,
    *,
    at: float,
    theta: str,
    partial: bool,
) -> Iterator[Cells]:
    """Yield the totals of all cells, a few cells at a time. `base` has the options among the legs, in their order.

    `at`: the instant without shocks, in seconds since 1970. By the time of a cell, an option that has expired is worth
    its intrinsic value, a future its price, and neither has Greeks: nothing is left of them.
    """
    options, every = np.flatnonzero(legs.is_option), np.arange(len(base.sign))
    unknown = np.isnan(base.volatility)
    most = max(LEG_CELLS_AT_ONCE // max(len(legs.units), 1), 1)
    for days in np.unique(shocks.days).tolist():
        years = base.years_left(every, np.full(len(every), days))
        next_day = base.years_left(every, np.full(len(every), days + 1.0))
        same_day = np.flatnonzero(shocks.days == days)
        over = ~legs.is_option & (legs.expires_at <= at + days * _SECONDS_PER_DAY)
        for some in (same_day[begin : begin + most] for begin in range(0, len(same_day), most)):
            count = len(some)
            found = base.shocked(
                np.tile(every, count),
                spot_shock=np.repeat(shocks.spot[some], len(every)),
                volatility_shock=np.repeat(shocks.volatility[some], len(every)),
                days_forward=np.full(count * len(every), days),
                theta=theta,
                years=np.tile(years, count),
                years_next_day=np.tile(next_day, count),
            )
            found["answered"][np.tile(unknown, count)] = Status.BAD_INPUT
            yield _total(legs, portfolio, portfolios, options, over, some, shocks.spot[some], found, partial)


def _total(
    legs: LegValues,
    portfolio: np.ndarray,
    portfolios: int,
    options: np.ndarray,
    over: np.ndarray,
    cell: np.ndarray,
    spot_shock: np.ndarray,
    found: dict[str, np.ndarray],
    partial: bool,
) -> Cells:
    count, shape = len(legs.units), (len(cell), len(legs.units))

    def whole(of_options: np.ndarray, of_others: np.ndarray) -> np.ndarray:
        column = np.broadcast_to(of_others, shape).copy()
        column[:, options] = of_options.reshape(len(cell), len(options))
        return column.ravel()

    grown = 1.0 + spot_shock[:, None]
    answered = found["answered"]
    gone = answered == _OVER
    refused = (answered != Status.OK) & ~gone
    price = np.where(refused, np.nan, found["price"])
    greeks = []
    for place, name in enumerate(GREEKS):
        # An expired option adds nothing; one without a volatility stays unknown.
        of_options = np.where(gone, 0.0, np.where(refused, np.nan, found[name]))
        greeks.append(whole(of_options, np.where(over & (legs.status == "ok"), 0.0, legs.greeks[place])))
    prices = whole(price, legs.price * grown)
    expired = whole(gone.astype(np.float64), over.astype(np.float64)) * np.tile(legs.units != 0.0, len(cell))

    def repeated(values: np.ndarray) -> np.ndarray:
        return np.tile(values, len(cell))

    moved = replace(
        legs,
        is_future=repeated(legs.is_future),
        units=repeated(legs.units),
        price=prices,
        model_price=prices,
        price_paid=repeated(legs.model_price),  # the profit of a cell is that since now, by the model
        underlying_price=whole(found["underlying"], legs.underlying_price * grown),
        greeks=np.stack(greeks),
    )
    group = np.repeat(np.arange(len(cell)) * portfolios, count) + np.tile(portfolio, len(cell))
    groups = len(cell) * portfolios
    return Cells(
        cell=cell,
        totals=totals(moved.contributions(), group, groups, partial=partial),
        expired=np.bincount(group, expired, minlength=groups).astype(np.int64),
    )
