"""The forward of one underlying, expiry and instant."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from signals.greeks.core.conventions import FORWARD_SOURCES, ForwardSource
from signals.greeks.core.dividends import CashDividend
from signals.greeks.core.parity import ParityForward


@dataclass(frozen=True, slots=True)
class CarriedFrom:
    """The future that is carried to another expiry. `dividends` go ex between the two expiries."""

    price: float
    years: float
    dividends: tuple[CashDividend, ...] = ()


@dataclass(frozen=True, slots=True)
class Forward:
    """`value` is NaN if the source has none. `parity` is what the strikes say, if they are the source.

    `price_source` is the place in FORWARD_PRICE_WORDS of the price that the forward came from, -1 for none, and
    `price_age` that price's age in seconds. For parity it is the median age of the strikes that took part.
    """

    value: float
    source: ForwardSource
    parity: ParityForward | None = None
    price_source: int = -1
    price_age: float = math.nan
    carried_from: CarriedFrom | None = None

    @property
    def found(self) -> bool:
        return math.isfinite(self.value) and self.value > 0


def money(forward: float | None, spot: float | None) -> float | None:
    """Return the price at which options are at the money: the forward if there is one, else the spot, else None."""
    for price in (forward, spot):
        if price is not None and math.isfinite(price) and price > 0:
            return price
    return None


_SOURCE = {source: place for place, source in enumerate(FORWARD_SOURCES)}
_NOTHING = (*(math.nan,) * 5, 0.0)
NO_FORWARD = Forward(math.nan, ForwardSource.AUTO)


def find_forward(
    wanted: ForwardSource,
    *,
    parity: ParityForward | None,
    future: float,
    spot: float,
    nearest_future: CarriedFrom,
    future_rate: float | None = None,
    expiry_years: float,
    rate: float,
    dividend_yield: float,
    future_traded: bool = True,
) -> Forward:
    """Return the forward from the source that is wanted.

    `auto` takes parity, else the future of this expiry, else spot with carry, else the nearest future carried from its
    own expiry. A future that traded comes before parity of options that did not. If the strikes disagree, `auto` takes
    the future of this expiry, which prices the same forward, or nothing: carry is an assumption and cannot decide
    between prices. A named source is strict. Prices are NaN where there are none. `spot` is net of the dividends'
    present value. `future_rate` is the rate at the nearest future's expiry, where it is another. `parity` is None if
    the strikes were not asked.
    """
    carry = rate - dividend_yield
    auto = wanted is ForwardSource.AUTO
    by_parity = Forward(math.nan if parity is None else parity.value, ForwardSource.PARITY, parity)
    by_future = Forward(future, ForwardSource.FUTURE)
    if auto and parity is not None and not parity.from_market and future_traded and by_future.found:
        return by_future
    if wanted is ForwardSource.PARITY or (auto and by_parity.found):
        return by_parity
    if wanted is ForwardSource.FUTURE or (auto and by_future.found):
        return by_future
    if auto and parity is not None and parity.disagree:
        return by_parity
    found = Forward(spot * math.exp(carry * expiry_years), ForwardSource.SPOT)
    if found.found or not auto:
        return found
    to_future = ((rate if future_rate is None else future_rate) - dividend_yield) * nearest_future.years
    value = carried(nearest_future, carry * expiry_years - to_future, rate, expiry_years)
    carried_from = nearest_future if math.isfinite(nearest_future.price) else None
    return Forward(value, ForwardSource.CARRIED_FUTURE, carried_from=carried_from)


def carried(future: CarriedFrom, growth: float, rate: float, expiry_years: float) -> float:
    """Return what the future says of another expiry: F' = F exp(growth) - sum D exp(r (T - t)).

    `growth` is the logarithm of what carry makes of a price from one expiry to the other. Dividends are subtracted if
    the future expires first, and added back if it expires last.
    """
    value = future.price * math.exp(growth)
    sign = -1.0 if expiry_years > future.years else 1.0
    return value + sign * sum(each.amount * math.exp(rate * (expiry_years - each.years)) for each in future.dividends)


def forward_columns(forwards: Sequence[Forward], place: np.ndarray) -> dict[str, np.ndarray]:
    """Return the forward columns of `OptionColumns`. `place` is the index of each option's forward in `forwards`."""
    rows = []
    for each in forwards:
        by = each.parity
        value, source = (each.value, _SOURCE[each.source]) if each.found else (math.nan, -1)
        receipt = _NOTHING if by is None else (by.bid, by.ask, by.residual, by.strikes, len(by.excluded), by.disagree)
        rows.append((value, source, each.price_source, each.price_age, *receipt))
    columns = np.array(rows, np.float64).reshape(-1, 10).T[:, place]
    forward, source_code, price_source, price_age, bid, ask, residual, strikes, excluded, disagree = columns
    return {
        "forward": forward,
        "forward_source": source_code.astype(np.int8),
        "forward_price_source": price_source.astype(np.int8),
        "forward_price_age": price_age,
        "forward_bid": bid,
        "forward_ask": ask,
        "forward_residual": residual,
        "forward_strikes": strikes,
        "forward_excluded": excluded,
        "strikes_disagree": disagree > 0,
    }
