"""Portfolios at one instant: the value of each leg, the totals, and their shocks."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np

from signals.greeks.core.conventions import PRICE_WORDS
from signals.greeks.core.prices import choose_price, fresh_quotes
from signals.greeks.core.status import Status
from signals.greeks.market import market_of
from signals.greeks.shock_base import shock_base
from signals.instruments.core.underlyings import currency_of
from signals.positions.core.grid import Cells, Shocks, shocked_totals
from signals.positions.core.statement import Statement, state
from signals.positions.core.values import GREEKS, LegValues
from signals.positions.selectors import PositionInputs
from timeframes.core.keys import parse_key

NO_LOT_SIZE = "no file or feed has given the lot size of {}: give lot_size, or quantities in units"
_OK = "ok"
Found = dict[str, list[Any]]


def evaluate_legs(inputs: PositionInputs) -> tuple[LegValues, Found]:
    """Return the legs' values, and the columns of `compute_greeks` of those that are options."""
    from signals.greeks.services import compute_greeks  # loads the kernels, which most processes never need

    legs, rows, options = inputs.legs, inputs.rows, inputs.options
    count, others = len(legs), [parse_key(legs.keys[place]) for place in inputs.others.tolist()]
    place_of = dict(zip(options.tolist(), range(len(options)), strict=True))
    overrides = {
        name: {place_of[place]: value for place, value in values.items() if place in place_of}
        for name, values in legs.overrides.items()
    }
    own = {name: values for name, values in overrides.items() if values}
    pairs = list(zip(rows.underlying, rows.expiry, strict=True))
    market = market_of(inputs.context, pairs) | inputs.unshared
    names = [legs.keys[place] for place in options.tolist()]
    found = compute_greeks(names, rows, own, inputs.as_of, inputs.params, market, inputs.twins)
    values = _Columns(count)
    _fill_options(values, inputs, found)
    _fill_others(values, inputs)
    units = legs.quantity
    if inputs.asked["quantity_in"] == "lots":
        units = legs.quantity * inputs.lot_size
        for place in np.flatnonzero(np.isnan(units)).tolist():
            values.refuse(place, "no_lot_size", NO_LOT_SIZE.format(legs.keys[place]))
        units = np.where(legs.quantity == 0.0, 0.0, units)
    underlyings, expiries, is_future = [""] * count, list[date | None]([None]) * count, np.zeros(count, bool)
    for place, (underlying, expiry) in zip(options.tolist(), pairs, strict=True):
        underlyings[place], expiries[place] = underlying or "", expiry
    for place, key in zip(inputs.others.tolist(), others, strict=True):
        underlyings[place], expiries[place], is_future[place] = key.underlying, key.expiry, key.product.is_future
    strikes, signs, ends = (np.full(count, np.nan) for _ in range(3))
    strikes[options], signs[options], ends[options] = rows.strike, rows.sign, rows.expires_at
    ends[inputs.others] = inputs.other_ends
    is_option = np.zeros(count, bool)
    is_option[options] = True
    return LegValues(
        underlying=underlyings,
        expiry=expiries,
        is_option=is_option,
        is_future=is_future,
        sign=signs,
        strike=strikes,
        expires_at=ends,
        units=units,
        lot_size=inputs.lot_size,
        price_paid=legs.price_paid,
        **values.columns,
    ), found


def evaluate_cells(inputs: PositionInputs, legs: LegValues, found: Found, shocks: Shocks) -> Iterator[Cells]:
    """Yield the totals of all portfolios under the shocks, a few cells at a time."""
    given = inputs.legs.overrides.get("expiry_years", {})
    own = np.flatnonzero(np.isin(inputs.options, list(given))).tolist()
    rows = inputs.rows
    pairs = list(zip(rows.underlying, rows.expiry, strict=True))
    market = market_of(inputs.context, pairs) | inputs.unshared
    return shocked_totals(
        legs,
        inputs.legs.portfolio,
        inputs.legs.portfolios,
        shock_base(found, rows, market, inputs.as_of, inputs.params, own),
        shocks,
        at=inputs.as_of.timestamp(),
        theta=inputs.asked["theta"],
        partial=inputs.asked["partial"],
    )


class _Columns:
    """The columns of LegValues that are computed, unknown at first."""

    def __init__(self, count: int):
        floats = ("price", "price_age", "model_price", "underlying_price", "implied_volatility", "expiry_years")
        self.columns: dict[str, Any] = {name: np.full(count, np.nan) for name in floats}
        self.columns |= {name: np.full(count, None, object) for name in ("status", "reason", "price_source")}
        self.columns["greeks"] = np.full((len(GREEKS), count), np.nan)

    def refuse(self, place: int, status: str, why: str) -> None:
        """Make everything unknown of a leg that had a value. One without keeps its own reason."""
        if self.columns["status"][place] != _OK:
            return
        self.columns["status"][place], self.columns["reason"][place] = status, why


def _fill_options(values: _Columns, inputs: PositionInputs, found: Found) -> None:
    columns, where, rows = values.columns, inputs.options, inputs.rows

    def known(name: str) -> np.ndarray:
        return np.array(found[name], np.float64)

    quotes = fresh_quotes(rows.quotes, inputs.as_of.timestamp(), inputs.params.max_quote_age_seconds)
    price, source = choose_price(quotes, inputs.params.price)
    words, ages = np.array(PRICE_WORDS, object)[source], inputs.as_of.timestamp() - quotes.time
    given = {**inputs.legs.overrides.get("price", {})}
    own = np.array([given.get(place, np.nan) for place in where.tolist()], np.float64)
    overridden = ~np.isnan(own)
    model = known("theoretical_price")
    by_model = ~overridden & np.isnan(price) & ~np.isnan(model)
    over = rows.expires_at <= inputs.as_of.timestamp()  # its last quote is no price of it any more
    columns["price"][where] = np.where(over, np.nan, np.select([overridden, by_model], [own, model], price))
    words[overridden], words[by_model] = "override", "model"
    words[over] = None
    columns["price_source"][where] = [word and str(word) for word in words]
    columns["price_age"][where] = np.where(overridden | by_model | over | np.isnan(price), np.nan, ages)
    columns["model_price"][where] = model
    spot = np.array(found["model"]) != "black76"
    columns["underlying_price"][where] = known("underlying_used") + np.where(spot, known("dividend_value"), 0.0)
    for name in ("implied_volatility", "expiry_years"):
        columns[name][where] = known(name)
    for row, name in enumerate(GREEKS):
        columns["greeks"][row, where] = known(name)
    columns["status"][where], columns["reason"][where] = found["status"], found["reason"]


def _fill_others(values: _Columns, inputs: PositionInputs) -> None:
    """A spot or a future moves as its own price does: its delta is 1, and it has no other Greeks."""
    columns, where, at = values.columns, inputs.others, inputs.as_of.timestamp()
    quotes = fresh_quotes(inputs.quotes, at, inputs.params.max_quote_age_seconds)
    price, source = choose_price(quotes, inputs.params.price)
    given = inputs.legs.overrides.get("price", {})
    for row, place in enumerate(where.tolist()):
        if place in given:
            price[row], source[row] = given[place], len(PRICE_WORDS) - 2
    over = inputs.other_ends <= at
    price = np.where(over, np.nan, price)
    good = ~np.isnan(price)
    columns["price"][where] = columns["model_price"][where] = columns["underlying_price"][where] = price
    columns["price_source"][where] = [
        str(word) if word and known else None
        for word, known in zip(np.array(PRICE_WORDS, object)[source], good.tolist(), strict=True)
    ]
    quoted = good & (source < len(PRICE_WORDS) - 2)
    columns["price_age"][where] = np.where(quoted, at - quotes.time, np.nan)
    columns["greeks"][:, where] = np.where(good, np.array([[1.0], [0.0], [0.0], [0.0], [0.0]]), np.nan)
    wanted = inputs.params.price
    for place, is_good, is_over in zip(where.tolist(), good.tolist(), over.tolist(), strict=True):
        status, reason = _OK, None
        if is_over:
            status, reason = Status.EXPIRED.word, "the contract expired at or before as_of"
        elif not is_good:
            status, reason = Status.NO_PRICE.word, f"no usable {wanted} price within the quote age allowed"
        columns["status"][place], columns["reason"][place] = status, reason


def statement(inputs: PositionInputs, legs: LegValues) -> Statement:
    """Return the totals of all portfolios without shocks."""
    held = inputs.legs
    return state(legs, held.portfolio, held.portfolios, currency_of, partial=inputs.asked["partial"])
