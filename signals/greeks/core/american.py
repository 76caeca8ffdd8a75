"""Implied volatility and Greeks of whole columns of American options: engine.py's functions, with early exercise.

Three methods, each where it is right; docs/engine.md has the accuracy of each:

- Exercise before expiry is never worth more: the European formulas (calls on what yields nothing, at rates >= 0).
- One exercise boundary, and a continuous yield: a spectral method after Andersen, Lake and Offengenden
  (kernel_american.py).
- Cash dividends, or two boundaries (a put with q < r < 0, a call with r < q < 0): finite differences
  (american_grid.py).
"""

from typing import NamedTuple

import numpy as np
from numba import config
from numpy.typing import ArrayLike

from signals.greeks.core import american_grid as grid
from signals.greeks.core import engine
from signals.greeks.core.columns import GreekColumns, equal_columns
from signals.greeks.core.dividends import DividendColumns
from signals.greeks.core.kernel_american_tables import EASY, HARD, Scheme
from signals.greeks.core.status import Status

if not config.DISABLE_JIT:  # type: ignore[attr-defined]
    from signals.greeks.core import kernel_american_iv as kernel
else:  # pragma: no cover - a test runs it in its own process
    from signals.greeks.core import american_reference as kernel  # type: ignore[no-redef]

HARDNESS = 0.3
"""max(|r|, |q|) sqrt(T) / sigma from which on an option gets more work: its boundary turns sharply near expiry."""
ALIKE = 0.25
"""Share by which r and q differ under which an option gets more work too: the boundary then has a kink at expiry."""
SMALLEST_RATE = 1e-10  # of rT where a rate of 0 is a limit
TIME_VALUE = 1e-6
"""In units of the strike: a price closer than this to what exercise at a known time is worth implies no volatility. The
volatility falls off like the square root there, so the price's own error would decide it."""
RETURNED = 1e-6  # of the strike, and of the price: how near the solution comes to the price


class Contracts(NamedTuple):
    """Float64 of equal length. `carry` is r for an option on a future, else q."""

    underlying: np.ndarray
    strike: np.ndarray
    years: np.ndarray
    rate: np.ndarray
    carry: np.ndarray
    sign: np.ndarray
    on_future: np.ndarray  # bool

    def take(self, rows: np.ndarray) -> "Contracts":
        return Contracts(*(column[rows] for column in self))


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
    contracts, kinds = _sorted_out(terms, models, dividends)
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
        for kind in (_BOUNDARY, _GRID):
            some = np.flatnonzero((kinds[rows] == kind) & (status == Status.OK))
            if not len(some):
                continue
            where, target = chosen.take(some), wanted[some]
            if kind == _BOUNDARY:
                found = _implied_by_boundary(target, european[some], where)
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
    contracts, kinds = _sorted_out(terms, models, dividends)
    answer = _europeans(volatilities, contracts, models, engine.model_greeks, "volatility")
    with np.errstate(all="ignore"):
        for kind in (_BOUNDARY, _GRID):
            rows = np.flatnonzero((kinds == kind) & (answer.status == Status.OK))
            if not len(rows):
                continue
            chosen, given = contracts.take(rows), volatilities[rows]
            if kind == _BOUNDARY:
                found = _by_boundary(given, chosen, most_work)
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
    found: np.ndarray = _sorted_out(list(terms), models, dividends)[1] == _GRID
    return found


def bounds(contracts: Contracts, dividends: DividendColumns | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the most that each option can be worth: exercise at the best time that is known beforehand,
    which is now, at expiry or where S exp(-qt) and K exp(-rt) part most; and the dearer of what the holder can get."""
    s, k, years, r, q, w, _ = contracts
    spot = s if dividends is None else s + dividends.present_values(r)
    with np.errstate(all="ignore"):
        turn = np.nan_to_num(np.clip(np.log((r * k) / (q * s)) / (r - q), 0.0, years), nan=0.0)
        at_expiry, between = (w * (s * np.exp(-q * t) - k * np.exp(-r * t)) for t in (years, turn))
        least = np.maximum(np.maximum(w * (spot - k), at_expiry), np.maximum(between, 0.0))
        most = np.where(w > 0, np.maximum(spot, s * np.exp(-q * years)), np.maximum(k, k * np.exp(-r * years)))
    return least, most


_EUROPEAN, _BOUNDARY, _GRID = range(3)
_PRICED = (Status.OK, Status.BELOW_INTRINSIC, Status.ABOVE_MAXIMUM, Status.NO_TIME_VALUE, Status.NOT_CONVERGED)


def _sorted_out(
    terms: list[np.ndarray], models: np.ndarray, dividends: DividendColumns | None
) -> tuple[Contracts, np.ndarray]:
    """Return the contracts, and the method for each."""
    underlying, strike, years, rate, yields, sign = terms
    on_future = models != 0
    contracts = Contracts(underlying, strike, years, rate, np.where(on_future, rate, yields), sign, on_future)
    call = sign > 0
    a, b = np.where(call, contracts.carry, rate), np.where(call, rate, contracts.carry)
    kinds = np.where((a > 0) | ((a == 0) & (b < 0)), _BOUNDARY, np.where((a < 0) & (b < a), _GRID, _EUROPEAN))
    if dividends is not None and len(dividends.years):
        kinds[(np.diff(dividends.offsets) > 0) & ~on_future] = _GRID
    return contracts, kinds


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


class _Puts(NamedTuple):
    """The kernel's inputs: each option as a put with K = 1 (kernel_american.py)."""

    lm: np.ndarray
    a: np.ndarray
    b: np.ndarray
    da: np.ndarray  # where rT moves
    db: np.ndarray


def _puts(contracts: Contracts) -> tuple[_Puts, np.ndarray, np.ndarray]:
    """Return them with the unit of value of each, and sqrt(T)."""
    s, k, years, r, q, w, on_future = contracts
    call = w > 0
    a, b = np.where(call, q, r) * years, np.where(call, r, q) * years
    da, db = np.where(call & ~on_future, 0.0, 1.0), np.where(call | on_future, 1.0, 0.0)
    lm = np.log(np.where(call, k, s)) - np.log(np.where(call, s, k))
    return _Puts(lm, np.maximum(a, SMALLEST_RATE), b, da, db), np.where(call, s, k), np.sqrt(years)


def _tables(scheme: Scheme) -> tuple[int | np.ndarray, ...]:
    return (
        scheme.cold,
        scheme.warm,
        scheme.node_root,
        scheme.share,
        scheme.weight,
        scheme.boundary,
        scheme.price_share,
        scheme.price_weight,
        scheme.price,
    )


def _hard(puts: _Puts, s: np.ndarray) -> np.ndarray:
    largest = np.maximum(np.abs(puts.a), np.abs(puts.b))
    alike = (np.abs(puts.a - puts.b) < ALIKE * largest) & (largest > 0.1 * HARDNESS * s)
    return np.asarray((largest > HARDNESS * s) | alike)


def _by_boundary(volatility: np.ndarray, contracts: Contracts, most_work: bool) -> np.ndarray:
    puts, unit, root = _puts(contracts)
    s = volatility * root
    rows = np.empty((6, len(s)))
    hard = _hard(puts, s) | most_work
    for scheme, some in ((EASY, np.flatnonzero(~hard)), (HARD, np.flatnonzero(hard))):
        if len(some):
            part = np.empty((6, len(some)))
            kernel.american_model(s[some], *(column[some] for column in puts), *_tables(scheme), part)
            rows[:, some] = part
    return _greeks(volatility, rows, s, puts, contracts, unit, root)


def _implied_by_boundary(price: np.ndarray, european: np.ndarray, contracts: Contracts) -> np.ndarray:
    """`european`: the volatility at which a European option would be worth the price, an upper bound; NaN for none."""
    puts, unit, root = _puts(contracts)
    highest = np.where(np.isfinite(european), european * root, np.inf)
    start = np.where(np.isfinite(european), highest, np.maximum(np.abs(puts.lm), 0.3 * root))
    highest *= 1.0 + 1e-9
    rows, good = np.full((7, len(price)), np.nan), np.zeros(len(price), np.bool_)
    hard = _hard(puts, start)
    for scheme in (EASY, HARD):
        some = np.flatnonzero(hard) if scheme is HARD else np.flatnonzero(~hard)
        if not len(some):
            continue
        part, converged = np.empty((7, len(some))), np.empty(len(some), np.uint8)
        target, lowest = price[some] / unit[some], np.zeros(len(some))
        inputs = (column[some] for column in puts)
        kernel.american_implied(target, start[some], lowest, highest[some], *inputs, *_tables(scheme), part, converged)
        rows[:, some], good[some] = part, converged > 0
        if scheme is EASY:  # what has turned out hard, or has not converged, is done again
            again = some[_hard(puts, rows[0])[some] | ~good[some]]
            hard[again] = True
            start[again] = np.where(good[again], np.minimum(rows[0][again] * 1.01, start[again]), start[again])
    found = _greeks(rows[0] / root, rows[1:], rows[0], puts, contracts, unit, root)
    found[:, ~good] = np.nan
    # Greeks are of a boundary that starts anew: a volatility has the same ones, whether it was implied or given. The
    # price stays that of the search, which tells whether it has arrived.
    found[2:, good] = _by_boundary(rows[0][good] / root[good], contracts.take(np.flatnonzero(good)), False)[2:]
    return found


def _greeks(
    volatility: np.ndarray,
    rows: np.ndarray,
    s: np.ndarray,
    puts: _Puts,
    contracts: Contracts,
    unit: np.ndarray,
    root: np.ndarray,
) -> np.ndarray:
    """Return the rows of GreekColumns. Theta follows from the equation that the price satisfies until exercise."""
    f, fl, fll, fs, fr, due = rows
    spot, strike, years, *_, w, _ = contracts
    pays = w * (spot - strike)
    decay = 0.5 * s * s * (fll - fl) + (puts.a - puts.b) * fl - puts.a * f
    return np.stack(
        [
            volatility,
            np.where(due > 0, pays, np.maximum(f * unit, pays)),
            np.where(w > 0, f - fl, fl * strike / spot),
            (fll - fl) * unit / (spot * spot),
            np.where(due > 0, 0.0, -decay * unit / years / 365.0),
            fs * root * unit * 0.01,
            fr * years * unit * 0.01,
        ]
    )


def warm() -> None:
    """Call every entry point once, as engine.warm does."""
    rows, one = np.zeros(2), np.ones(2)
    for rate, carry in ((0.05, 0.0), (-0.01, -0.05)):
        terms = (95.0 * one, 100.0 * one, 0.5 * one, rate + rows, carry + rows, -one)
        contracts = Contracts(*terms, np.zeros(2, np.bool_))
        volatility = 0.2 * one
        if rate > 0:
            _implied_by_boundary(_by_boundary(volatility, contracts, False)[1], 0.21 * one, contracts)
        else:
            grid.model(volatility, *terms, None)
