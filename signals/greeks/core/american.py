"""Implied volatility and Greeks of whole columns of American options: engine.py's functions, with early exercise.

Three methods, each where it is right; docs/engine.md has the accuracy of each:

- Exercise before expiry is never worth more: the European formulas (calls on what yields nothing, at rates >= 0).
- One exercise boundary, and a continuous yield: a spectral method after Andersen, Lake and Offengenden
  (kernel_american.py).
- Cash dividends, or two boundaries (a put with q < r < 0, a call with r < q < 0): finite differences
  (american_grid.py).
"""

import numpy as np
from numpy.typing import ArrayLike

from signals.greeks.core import american_boundary as boundary
from signals.greeks.core import american_grid as grid
from signals.greeks.core import engine
from signals.greeks.core.american_contracts import BOUNDARY, GRID, Contracts, bounds, sort_out
from signals.greeks.core.columns import GreekColumns, equal_columns
from signals.greeks.core.dividends import DividendColumns
from signals.greeks.core.status import Status

TIME_VALUE = 1e-6
"""In units of the strike: a price closer than this to what exercise at a known time is worth implies no volatility. The
volatility falls off like the square root there, so the price's own error would decide it."""
RETURNED = 1e-6  # of the strike, and of the price: how near the solution comes to the price


def implied_greeks(
    *,
    price: ArrayLike,
    underlying: ArrayLike,
    strike: ArrayLike,
    expiry_years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    sign: ArrayLike,
    black76: ArrayLike,
    dividends: DividendColumns | None = None,
) -> GreekColumns:
    """Return the volatility at which each American option is worth its price, and the Greeks there.

    Arguments, units and errors are those of engine.implied_greeks. `black76` is an option on the future: exercise pays
    the future's price less the strike. With `dividends` the `underlying` is the spot less their present value, the part
    that diffuses (escrowed dividends), and exercise pays the full spot.

    BELOW_INTRINSIC and NO_TIME_VALUE measure against what exercise at the best known time is worth, now included: an
    option at its exercise value implies no volatility. ABOVE_MAXIMUM: max(S, S exp(-qT)) for a call, max(K, K exp(-rT))
    for a put.
    """
    values = (price, underlying, strike, expiry_years, rate, dividend_yield, sign)
    (prices, *terms), models = equal_columns(values, black76)
    contracts, kinds = sort_out(terms, models, dividends)
    answer = _europeans(prices, contracts, models, engine.implied_greeks, "price")
    rows = np.flatnonzero((kinds > 0) & np.isin(answer.status, _PRICED))
    if not len(rows):
        return answer
    chosen, wanted = contracts.take(rows), prices[rows]
    owed = None if dividends is None else dividends.take(rows)
    least, most = bounds(chosen, owed)
    status = np.where(np.isfinite(wanted), np.uint8(Status.OK), np.uint8(Status.BAD_INPUT))
    with np.errstate(invalid="ignore"):
        margin = np.where(least > 0.0, TIME_VALUE * chosen.strike, 0.0)
        status[wanted >= most * (1.0 - 1e-15)] = Status.ABOVE_MAXIMUM
        status[wanted <= least + margin] = Status.NO_TIME_VALUE
        status[wanted < least - 4e-16 * (chosen.underlying + chosen.strike)] = Status.BELOW_INTRINSIC
    european = np.where(answer.status[rows] == Status.OK, answer.implied_volatility[rows], np.nan)
    _write(answer, rows, np.full((7, len(rows)), np.nan), status)
    with np.errstate(all="ignore"):
        for kind in (BOUNDARY, GRID):
            some = np.flatnonzero((kinds[rows] == kind) & (status == Status.OK))
            if not len(some):
                continue
            where, target = chosen.take(some), wanted[some]
            if kind == BOUNDARY:
                found = boundary.implied(target, european[some], where)
            else:
                found = grid.implied(target, european[some], *where[:6], _none(owed, some))
            off = np.abs(found[1] - target) > RETURNED * (where.strike + target)
            failed = off | ~np.isfinite(found).all(axis=0)
            found[1] = target
            found[:, failed] = np.nan
            code = np.where(failed, np.uint8(Status.NOT_CONVERGED), np.uint8(Status.OK))
            _write(answer, rows[some], found, code)
    return answer


def model_greeks(
    *,
    volatility: ArrayLike,
    underlying: ArrayLike,
    strike: ArrayLike,
    expiry_years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    sign: ArrayLike,
    black76: ArrayLike,
    dividends: DividendColumns | None = None,
    most_work: bool = False,
) -> GreekColumns:
    """Return price and Greeks of each American option at a given volatility (decimal, positive).

    Where exercise is due now, the price is what it pays, delta is the sign and the other Greeks are 0. Other arguments
    and errors: implied_greeks. `most_work` gives every option what hard ones get, so that differences between calls are
    smooth. Status: BAD_INPUT, EXPIRED, NOT_CONVERGED or OK.
    """
    values = (volatility, underlying, strike, expiry_years, rate, dividend_yield, sign)
    (volatilities, *terms), models = equal_columns(values, black76)
    contracts, kinds = sort_out(terms, models, dividends)
    answer = _europeans(volatilities, contracts, models, engine.model_greeks, "volatility")
    with np.errstate(all="ignore"):
        for kind in (BOUNDARY, GRID):
            rows = np.flatnonzero((kinds == kind) & (answer.status == Status.OK))
            if not len(rows):
                continue
            chosen, given = contracts.take(rows), volatilities[rows]
            if kind == BOUNDARY:
                found = boundary.model(given, chosen, most_work)
            else:
                owed = None if dividends is None else dividends.take(rows)
                found = grid.model(given, *chosen[:6], owed)
            failed = ~np.isfinite(found).all(axis=0)
            found[:, failed] = np.nan
            _write(answer, rows, found, np.where(failed, np.uint8(Status.NOT_CONVERGED), np.uint8(Status.OK)))
    return answer


def priced_by_grid(
    *,
    underlying: ArrayLike,
    strike: ArrayLike,
    expiry_years: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike,
    sign: ArrayLike,
    black76: ArrayLike,
    dividends: DividendColumns | None = None,
) -> np.ndarray:
    """Return which options finite differences price (bool)."""
    terms, models = equal_columns((underlying, strike, expiry_years, rate, dividend_yield, sign), black76)
    found: np.ndarray = sort_out(list(terms), models, dividends)[1] == GRID
    return found


_PRICED = (Status.OK, Status.BELOW_INTRINSIC, Status.ABOVE_MAXIMUM, Status.NO_TIME_VALUE, Status.NOT_CONVERGED)


def _europeans(given, contracts: Contracts, models: np.ndarray, function, name: str) -> GreekColumns:  # type: ignore[no-untyped-def]
    s, k, years, r, q, w, _ = contracts
    found = function(
        **{name: given},
        underlying=s,
        strike=k,
        expiry_years=years,
        rate=r,
        dividend_yield=q,
        sign=w,
        black76=models.view(np.bool_),
    )
    return GreekColumns(*found)


def _write(answer: GreekColumns, rows: np.ndarray, found: np.ndarray, status: np.ndarray) -> None:
    for column, values in zip(answer[:7], found, strict=True):
        column[rows] = values
    answer.status[rows] = status


def _none(dividends: DividendColumns | None, rows: np.ndarray) -> DividendColumns | None:
    return None if dividends is None else dividends.take(rows)


def warm() -> None:
    """Call every entry point once, as engine.warm does."""
    rows, one = np.zeros(2), np.ones(2)
    for rate, carry in ((0.05, 0.0), (-0.01, -0.05)):
        terms = (95.0 * one, 100.0 * one, 0.5 * one, rate + rows, carry + rows, -one)
        contracts = Contracts(*terms, np.zeros(2, np.bool_))
        volatility = 0.2 * one
        if rate > 0:
            boundary.implied(boundary.model(volatility, contracts, False)[1], 0.21 * one, contracts)
        else:
            grid.model(volatility, *terms, None)
