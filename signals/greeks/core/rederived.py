"""Forwards at the rates and yields of single items.

A forward by parity, and a future that is carried to another expiry, depend on the rate (the latter on dividends too).
They are found once for all options of an expiry. An item with a rate or yield of its own gets its own forward here,
without the chain.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from signals.greeks.core.conventions import FORWARD_SOURCES, ForwardSource, GreeksParams, expiry_years
from signals.greeks.core.dividends import DividendColumns, dividend_columns
from signals.greeks.core.evaluate import OptionColumns
from signals.greeks.core.forward import Forward

_PARITY = FORWARD_SOURCES.index(ForwardSource.PARITY)
_CARRIED = FORWARD_SOURCES.index(ForwardSource.CARRIED_FUTURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivationColumns:
    """What the forwards of n options came from. NaN where that does not depend on the rate, or is not known."""

    anchor: np.ndarray  # of parity
    future_price: np.ndarray  # of the future that is carried
    future_years: np.ndarray
    between: DividendColumns  # the dividends between its expiry and the option's


def derivation_columns(forwards: Sequence[Forward], place: np.ndarray) -> DerivationColumns:
    """Return the columns of options. `place` is the index of each one's forward in `forwards`."""
    rows = [
        (by.anchor if by else np.nan, *((of.price, of.years) if of else (np.nan, np.nan)))
        for by, of in ((each.parity, each.carried_from) for each in forwards)
    ]
    anchor, price, years = np.array(rows, np.float64).reshape(-1, 3).T[:, place]
    between = [each.carried_from.dividends if each.carried_from else () for each in forwards]
    return DerivationColumns(
        anchor=anchor,
        future_price=price,
        future_years=years,
        between=dividend_columns(between, place),
    )


def rederived(options: OptionColumns, basis: DerivationColumns, params: GreeksParams) -> OptionColumns:
    """Return the options with the forward, its bid and its ask at each item's own rate and yield."""
    carry = options.carry
    own_rate, own_yield = ~np.isnan(options.override_rate), ~np.isnan(options.override_dividend_yield)
    if carry is None or not (own_rate | own_yield).any():
        return options
    rate = np.where(own_rate, options.override_rate, carry.rate)
    dividend_yield = np.where(own_yield, options.override_dividend_yield, carry.dividend_yield)
    years = expiry_years(params.day_count, options.seconds_to_expiry, options.days_to_expiry)
    change = rate - carry.rate
    turned = (options.forward_source == _PARITY) & (change != 0.0) & np.isfinite(change)

    def at_its_rate(values: np.ndarray) -> np.ndarray:
        return np.where(turned, at_another_rate(values, basis.anchor, change, years), values)

    forward = at_its_rate(options.forward)
    differs = (change != 0.0) | (dividend_yield != carry.dividend_yield) | (own_yield & basis.between.any_of())
    moved = (options.forward_source == _CARRIED) & differs & np.isfinite(basis.future_price)
    if moved.any():
        sign = np.where(years > basis.future_years, -1.0, 1.0)
        with np.errstate(over="ignore", invalid="ignore"):
            growth = np.exp((rate - dividend_yield) * (years - basis.future_years))
            paid = sign * np.exp(rate * years) * basis.between.where(~own_yield).present_values(rate)
            forward = np.where(moved, basis.future_price * growth + paid, forward)
    return replace(
        options,
        forward=forward,
        forward_bid=at_its_rate(options.forward_bid),
        forward_ask=at_its_rate(options.forward_ask),
    )


def at_another_rate(
    value: np.ndarray, anchor: np.ndarray, rate_change: np.ndarray, expiry_years: np.ndarray
) -> np.ndarray:
    """Return forwards by parity (or their bids, asks) at a rate that differs by `rate_change` from the one they have.

    F = K + (C - P) exp(rT), so F' = K + (F - K) exp((r' - r) T), with the anchor for K: exact where the forward is
    the mean of the strikes' own, and close to a new search otherwise (docs/engine.md has the figures). Without an
    anchor (NaN) the value stays.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        moved = value + (value - anchor) * np.expm1(rate_change * np.maximum(expiry_years, 0.0))
    found: np.ndarray = np.where(np.isnan(anchor), value, moved)
    return found
