"""European and American options in one call: each row goes to its own engine."""

from collections.abc import Callable, Mapping

import numpy as np

from signals.greeks.core import engine
from signals.greeks.core.american_contracts import Contracts, bounds
from signals.greeks.core.columns import GreekColumns, HigherOrderColumns
from signals.greeks.core.dividends import DividendColumns

Contract = Mapping[str, np.ndarray]
"""The arguments that all functions of the engines share, as columns of one length."""


def implied_greeks(
    price: np.ndarray, contract: Contract, american: np.ndarray, dividends: DividendColumns
) -> GreekColumns:
    """Return engine.implied_greeks of the European options and american.implied_greeks of the others.

    `american` is bool; `dividends` are all options' cash dividends, whose present value the underlying does not hold.
    """
    return _each("price", price, contract, american, dividends)


def model_greeks(
    volatility: np.ndarray, contract: Contract, american: np.ndarray, dividends: DividendColumns
) -> GreekColumns:
    """Return price and Greeks at a given volatility. Other arguments: implied_greeks."""
    return _each("volatility", volatility, contract, american, dividends)


def early_exercise_premium(
    volatility: np.ndarray, price: np.ndarray, contract: Contract, american: np.ndarray
) -> np.ndarray:
    """Return the price less that of the European option at the same volatility; NaN for European options."""
    premium = np.full(len(volatility), np.nan)
    rows = np.flatnonzero(american)
    if len(rows):
        chosen = {name: values[rows] for name, values in contract.items()}
        premium[rows] = np.maximum(price[rows] - engine.model_greeks(volatility=volatility[rows], **chosen).price, 0.0)
    return premium


def higher_order_greeks(
    volatility: np.ndarray, contract: Contract, american: np.ndarray, dividends: DividendColumns
) -> HigherOrderColumns:
    """Return the Greeks of higher order. Arguments: model_greeks. NaN for American options with cash dividends."""
    found = engine.higher_order_greeks(volatility=volatility, **contract)
    rows = np.flatnonzero(american)
    if len(rows):
        from signals.greeks.core import american_higher

        chosen = {name: values[rows] for name, values in contract.items()}
        part = american_higher.higher_order_greeks(
            volatility=volatility[rows], dividends=_owed(dividends, contract, rows), **chosen
        )
        for column, values in zip(found, part, strict=True):
            column[rows] = values
    return found


def value_bounds(contract: Contract, american: np.ndarray, dividends: DividendColumns) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the most that each option can be worth."""
    s, k, w, years = (contract[name] for name in ("underlying", "strike", "sign", "expiry_years"))
    carry = np.where(contract["black76"], contract["rate"], contract["dividend_yield"])
    with np.errstate(over="ignore", invalid="ignore"):
        left = np.maximum(years, 0.0)
        a, b = s * np.exp(-carry * left), k * np.exp(-contract["rate"] * left)
    least, most = np.maximum(w * (a - b), 0.0), np.where(w > 0, a, b)
    rows = np.flatnonzero(american)
    if len(rows):
        columns = (s, k, left, contract["rate"], carry, w, contract["black76"])
        chosen = Contracts(*(column[rows] for column in columns))
        least[rows], most[rows] = bounds(chosen, _owed(dividends, contract, rows))
    return least, most


def _each(
    name: str, given: np.ndarray, contract: Contract, american: np.ndarray, dividends: DividendColumns
) -> GreekColumns:
    """`name` is that of the argument `given`: price or volatility."""
    european = engine.implied_greeks if name == "price" else engine.model_greeks
    if not american.any():
        return european(**{name: given}, **contract)
    from signals.greeks.core import american as early  # loads kernels that most processes never need

    function: Callable[..., GreekColumns] = early.implied_greeks if name == "price" else early.model_greeks
    found = GreekColumns(*(*np.empty((7, len(given))), np.empty(len(given), np.uint8)))
    for rows in (np.flatnonzero(~american), np.flatnonzero(american)):
        if not len(rows):
            continue
        chosen = {name: given[rows], **{key: values[rows] for key, values in contract.items()}}
        if american[rows[0]]:
            part = function(**chosen, dividends=_owed(dividends, contract, rows))
        else:
            part = european(**chosen)
        for column, values in zip(found, part, strict=True):
            column[rows] = values
    return found


def _owed(dividends: DividendColumns, contract: Contract, rows: np.ndarray) -> DividendColumns:
    """Return the dividends that matter to exercise: none to an option on the future, and none after T."""
    return dividends.where(~contract["black76"]).until(contract["expiry_years"]).take(rows)
