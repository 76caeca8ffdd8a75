"""Implied volatility and Greeks of options."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from signals.greeks.core.conventions import (
    DEFAULT_RATE,
    FIRST_ORDER,
    QUOTE_IVS,
    DayCount,
    Exercise,
    FallbackVolatility,
    ForwardSource,
    GreeksParams,
    IvFrom,
    Model,
    PriceSource,
    QuoteIv,
    Theta,
)
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.reasons import STATUS_WORDS
from signals.greeks.greek_columns import EARLY_EXERCISE_COLUMNS, GREEKS, HIGHER_ORDER_COLUMNS, THETA
from signals.greeks.market import Market, load_unshared, market_of, market_to_json
from signals.greeks.selection import OptionComputation
from signals.greeks.selectors import OptionRows, load_options, load_twins
from signals.rates.core.bounds import HIGHEST_RATE, LOWEST_RATE
from signalsite.foundation.computations.columns import Column, StatusWord
from signalsite.foundation.computations.contract import Answers, Bounds, Context, Override, Overrides, Parameter, Params

_RATE = Bounds(LOWEST_RATE, HIGHEST_RATE)
_PRICE = Bounds(0.0, 1e12, above=0.0)
MODEL = Parameter(
    name="model",
    type=str,
    default=Model.UNDERLYING.value,
    choices=[Model.UNDERLYING.value, Model.BSM.value, Model.BLACK76.value],
    help="bsm: Black-Scholes-Merton on the spot; black76: on the forward; underlying: the underlying's own setting.",
)
EXERCISE = Parameter(
    name="exercise",
    type=str,
    default=Exercise.UNDERLYING.value,
    choices=[Exercise.UNDERLYING.value, Exercise.EUROPEAN.value, Exercise.AMERICAN.value],
    help="american: the holder may exercise at any time, for the full spot (bsm) or the future (black76); underlying: "
    "the underlying's own setting. Parity of American options is not among the forwards of auto.",
)
FORWARD = Parameter(
    name="forward",
    type=str,
    default=ForwardSource.AUTO.value,
    choices=[
        source.value for source in (ForwardSource.AUTO, ForwardSource.PARITY, ForwardSource.FUTURE, ForwardSource.SPOT)
    ],
    help="auto: put-call parity, else the future of the expiry, else spot with carry, else the nearest future "
    "carried; a future that traded comes before parity of options that did not, and if the strikes disagree, only the "
    "future of the expiry counts. A named source is strict.",
)
RATE = Parameter(
    name="rate",
    type=float,
    default=None,
    nullable=True,
    bounds=_RATE,
    help="Continuous, annual, as a decimal; null: the zero curve of the underlying's currency, as of that date, at the "
    f"calendar's T, else {DEFAULT_RATE}. rate_source says which.",
)
DIVIDEND_YIELD = Parameter(
    name="dividend_yield",
    type=float,
    default=None,
    nullable=True,
    bounds=_RATE,
    help="Continuous, annual, as a decimal; null: its cash dividends before expiry, else its yield of that date, else "
    "the underlying's own. dividend_source says which.",
)
DAY_COUNT = Parameter(
    name="day_count",
    type=str,
    default=DayCount.EXACT.value,
    choices=[each.value for each in DayCount],
    help="exact: seconds to the moment of expiry / (365 x 86400); calendar_days: whole days / 365, on the last day as "
    "exact.",
)
PRICE = Parameter(
    name="price",
    type=str,
    default=PriceSource.AUTO.value,
    choices=[each.value for each in PriceSource if each is not PriceSource.OVERRIDE],
    help="auto: mid of a two-sided, uncrossed market, else last, else settle, else close; others are strict.",
)
FALLBACK_VOLATILITY = Parameter(
    name="fallback_volatility",
    type=str,
    default=FallbackVolatility.NONE.value,
    choices=[each.value for each in FallbackVolatility],
    help="vix: if no volatility can be implied, use the underlying's volatility index; iv_source says so.",
)
IV_FROM = Parameter(
    name="iv_from",
    type=str,
    default=IvFrom.PRICE.value,
    choices=[each.value for each in IvFrom],
    help="price: each option's own price; otm_twin: in the money, the price of the out-of-the-money leg at the strike "
    "where that implies a volatility, else its own. iv_source says which.",
)
QUOTE_IV = Parameter(
    name="quote_iv",
    type=str,
    default=QuoteIv.NONE.value,
    choices=[each.value for each in QuoteIv],
    help="both_sides: also imply bid_iv, mid_iv and ask_iv, where the market is two-sided.",
)
MAX_QUOTE_AGE = Parameter(
    name="max_quote_age_seconds",
    type=float,
    default=86400.0,
    bounds=Bounds(1.0, 31_536_000.0),
    help="Older quotes do not count.",
)

RATE_SOURCE = Column("rate_source", str, "override, parameter, curve (at the calendar's T) or default.")
DIVIDEND_VALUE = Column(
    "dividend_value",
    float,
    "For discrete: present value of the cash dividends before expiry and within T, 0 if none is; else 0.",
)


@dataclass(frozen=True, slots=True)
class GreeksInputs:
    keys: Sequence[str]
    rows: OptionRows
    overrides: Overrides
    as_of: datetime
    asked: Params
    params: GreeksParams
    context: Context
    twins: QuoteColumns | None = None
    unshared: Market = field(default_factory=dict)  # of expiries that `context` lacks

    def digest(self) -> str:
        found = self.rows.digest(self.twins)
        if not self.unshared:
            return found
        both = repr((found, sorted(market_to_json(self.unshared).items())))
        return hashlib.blake2b(both.encode(), digest_size=16).hexdigest()


class Greeks(OptionComputation):
    name = "greeks"
    version = 7
    summary = "Implied volatility and Greeks of options"
    parameters: ClassVar[Sequence[Parameter]] = (
        MODEL,
        EXERCISE,
        FORWARD,
        RATE,
        DIVIDEND_YIELD,
        DAY_COUNT,
        PRICE,
        FALLBACK_VOLATILITY,
        IV_FROM,
        QUOTE_IV,
        GREEKS,
        THETA,
        MAX_QUOTE_AGE,
    )
    overrides = (
        Override("price", _PRICE, "Instead of the quoted price."),
        Override("underlying_price", _PRICE, "Spot, instead of the forward found."),
        Override(
            "volatility",
            Bounds(0.0, 20.0, above=0.0),
            "Annual, as a decimal; Greeks and price are at this volatility.",
        ),
        Override("rate", _RATE, "Continuous, annual, as a decimal."),
        Override("dividend_yield", _RATE, "Continuous, annual, as a decimal."),
        Override(
            "expiry_years",
            Bounds(0.0, 100.0, above=0.0),
            "T in years of 365 days, instead of the calendar's; the curve's rate stays that of the calendar's.",
        ),
    )
    columns: ClassVar[Sequence[Column]] = (
        Column("implied_volatility", float, "Annual, as a decimal."),
        Column("delta", float, "Per 1 of the underlying (of the forward for black76)."),
        Column("gamma", float, "Delta per 1 of the underlying."),
        Column("theta", float, "Per calendar day; `theta` says how."),
        Column("vega", float, "Per 0.01 of volatility."),
        Column("rho", float, "Per 0.01 of rate."),
        *HIGHER_ORDER_COLUMNS,
        *EARLY_EXERCISE_COLUMNS,
        Column("theoretical_price", float, "The model's price at that volatility."),
        Column("price_used", float, "The price that the volatility was implied from: the twin's for otm_twin."),
        Column("price_source", str, "mid, last, settle, close or override."),
        Column("price_age_seconds", float, "Age of the quote at as_of."),
        Column("underlying_used", float, "Input of the model: spot for bsm, forward for black76."),
        Column("forward", float, "The forward of the expiry."),
        Column("forward_source", str, "parity, future, spot, carried_future or override."),
        Column("forward_price_source", str, "The forward's price: mid, last, settle, close, mixed or override."),
        Column("forward_price_age_seconds", float, "Its age at as_of; for parity the median age of the strikes."),
        Column("forward_bid", float, "The forward's own bid, where quotes gave it."),
        Column("forward_ask", float, "The forward's own ask, where quotes gave it."),
        Column("forward_residual", float, "Mean distance of the strikes from the forward, where trades gave it."),
        Column("forward_strikes", int, "How many strikes took part in parity."),
        Column("forward_excluded", int, "How many strikes had prices and took no part."),
        Column("expiry_years", float, "T, in years of 365 days."),
        Column("rate", float, "Continuous, annual, as a decimal."),
        RATE_SOURCE,
        Column("dividend_yield", float, "Continuous, annual, as a decimal; 0 for discrete."),
        Column("dividend_source", str, "override, parameter, discrete, dated, underlying or none."),
        DIVIDEND_VALUE,
        Column("model", str, "bsm or black76."),
        Column("iv_source", str, "price, vix, override or otm_twin."),
        Column("bid_iv", float, "The bid's implied volatility, if quote_iv asks for it."),
        Column("mid_iv", float, "The mid's implied volatility, if quote_iv asks for it."),
        Column("ask_iv", float, "The ask's implied volatility, if quote_iv asks for it."),
    )
    statuses: ClassVar[Sequence[StatusWord]] = STATUS_WORDS

    def conventions(self, params: Params) -> GreeksParams:
        return GreeksParams(
            model=Model(params["model"]),
            exercise=Exercise(params.get("exercise", Exercise.UNDERLYING)),  # jobs of earlier versions have none
            forward=ForwardSource(params["forward"]),
            rate=params["rate"],
            dividend_yield=params["dividend_yield"],
            day_count=DayCount(params["day_count"]),
            price=PriceSource(params["price"]),
            fallback_volatility=FallbackVolatility(params["fallback_volatility"]),
            iv_from=IvFrom(params["iv_from"]),
            quote_iv=QuoteIv(params.get("quote_iv", QuoteIv.NONE)),
            greeks=tuple(params.get("greeks", FIRST_ORDER)),  # jobs of earlier versions have none of these
            theta=Theta(params.get("theta", Theta.INSTANTANEOUS)),
            max_quote_age_seconds=params["max_quote_age_seconds"],
        )

    def load(
        self, keys: Sequence[str], overrides: Overrides, as_of: datetime, params: Params, context: Context
    ) -> GreeksInputs:
        conventions = self.conventions(params)
        rows = load_options(keys, as_of, conventions.max_quote_age_seconds)
        twins = load_twins(keys, as_of, conventions)
        unshared = load_unshared(context, zip(rows.underlying, rows.expiry, strict=True), as_of, conventions)
        return GreeksInputs(keys, rows, overrides, as_of, params, conventions, context, twins, unshared)

    def evaluate(self, inputs: GreeksInputs) -> Answers:
        from signals.greeks.services import compute_greeks  # loads the kernels, which most processes never need

        rows = inputs.rows
        market = market_of(inputs.context, zip(rows.underlying, rows.expiry, strict=True)) | inputs.unshared
        found = compute_greeks(inputs.keys, rows, inputs.overrides, inputs.as_of, inputs.params, market, inputs.twins)
        return Answers({**{name: [math.nan] * len(inputs.keys) for name in QUOTE_IVS}, **found})
