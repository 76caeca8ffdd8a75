"""Types of what can be computed. This file is generated: `manage.py computations` writes it."""

from typing import Literal, TypedDict

Kind = Literal["bars", "greeks", "greeks_grid", "historical_greeks", "quotes"]


class InstrumentItem(TypedDict):
    """An item that names its instrument."""

    instrument_key: str


class OptionItem(TypedDict):
    """An item that names an option by its terms."""

    underlying: str
    expiry: str
    strike: float
    option_type: Literal["call", "put"]


class BarsParams(TypedDict, total=False):
    """Bars of instruments, of any timeframe: parameters."""

    timeframe: str
    days: float
    anchor: str


class BarsItem(InstrumentItem, total=False):
    """Bars of instruments, of any timeframe: an item."""

    custom_id: str


class BarsOptionItem(OptionItem, total=False):
    """Bars of instruments, of any timeframe: an option by its terms."""

    exchange: str
    custom_id: str


class BarsRow(TypedDict):
    """Bars of instruments, of any timeframe: an answer."""

    position: int
    custom_id: str | None
    instrument_key: str | None
    status: str
    reason: str | None
    retryable: bool
    bar_time: str | None
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None
    vwap: float | None
    vwap_source: str | None
    open_interest: float | None
    trades: int | None
    complete: bool | None


class GreeksParams(TypedDict, total=False):
    """Implied volatility and Greeks of options: parameters."""

    model: str
    exercise: str
    forward: str
    rate: float | None
    dividend_yield: float | None
    day_count: str
    price: str
    fallback_volatility: str
    iv_from: str
    quote_iv: str
    greeks: list[str]
    theta: str
    max_quote_age_seconds: float


class GreeksItem(InstrumentItem, total=False):
    """Implied volatility and Greeks of options: an item."""

    custom_id: str
    price: float
    underlying_price: float
    volatility: float
    rate: float
    dividend_yield: float
    expiry_years: float


class GreeksOptionItem(OptionItem, total=False):
    """Implied volatility and Greeks of options: an option by its terms."""

    exchange: str
    custom_id: str
    price: float
    underlying_price: float
    volatility: float
    rate: float
    dividend_yield: float
    expiry_years: float


class GreeksPicked(TypedDict, total=False):
    """The columns of greeks that exist if a parameter names them."""

    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    rho: float | None
    vanna: float | None
    volga: float | None
    charm: float | None
    speed: float | None
    zomma: float | None
    color: float | None
    veta: float | None
    ultima: float | None
    dividend_rho: float | None
    elasticity: float | None
    exercise: str | None
    early_exercise_premium: float | None


class GreeksRow(GreeksPicked):
    """Implied volatility and Greeks of options: an answer."""

    position: int
    custom_id: str | None
    instrument_key: str | None
    status: str
    reason: str | None
    retryable: bool
    implied_volatility: float | None
    theoretical_price: float | None
    price_used: float | None
    price_source: str | None
    price_age_seconds: float | None
    underlying_used: float | None
    forward: float | None
    forward_source: str | None
    forward_price_source: str | None
    forward_price_age_seconds: float | None
    forward_bid: float | None
    forward_ask: float | None
    forward_residual: float | None
    forward_strikes: int | None
    forward_excluded: int | None
    expiry_years: float | None
    rate: float | None
    rate_source: str | None
    dividend_yield: float | None
    dividend_source: str | None
    dividend_value: float | None
    model: str | None
    iv_source: str | None
    bid_iv: float | None
    mid_iv: float | None
    ask_iv: float | None


class GreeksGridParams(TypedDict, total=False):
    """Prices and Greeks of options under shocks of spot, volatility and time: parameters."""

    spot_shocks: list[float]
    volatility_shocks: list[float]
    days_forward: list[float]
    model: str
    exercise: str
    forward: str
    rate: float | None
    dividend_yield: float | None
    day_count: str
    price: str
    fallback_volatility: str
    iv_from: str
    greeks: list[str]
    theta: str
    max_quote_age_seconds: float


class GreeksGridItem(InstrumentItem, total=False):
    """Prices and Greeks of options under shocks of spot, volatility and time: an item."""

    custom_id: str
    price: float
    underlying_price: float
    volatility: float
    rate: float
    dividend_yield: float
    expiry_years: float


class GreeksGridOptionItem(OptionItem, total=False):
    """Prices and Greeks of options under shocks of spot, volatility and time: an option by its terms."""

    exchange: str
    custom_id: str
    price: float
    underlying_price: float
    volatility: float
    rate: float
    dividend_yield: float
    expiry_years: float


class GreeksGridPicked(TypedDict, total=False):
    """The columns of greeks_grid that exist if a parameter names them."""

    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    rho: float | None
    vanna: float | None
    volga: float | None
    charm: float | None
    speed: float | None
    zomma: float | None
    color: float | None
    veta: float | None
    ultima: float | None
    dividend_rho: float | None
    elasticity: float | None
    exercise: str | None
    early_exercise_premium: float | None


class GreeksGridRow(GreeksGridPicked):
    """Prices and Greeks of options under shocks of spot, volatility and time: an answer."""

    position: int
    custom_id: str | None
    instrument_key: str | None
    status: str
    reason: str | None
    retryable: bool
    spot_shock: float | None
    volatility_shock: float | None
    days_forward: float | None
    underlying: float | None
    volatility: float | None
    expiry_years: float | None
    price: float | None
    profit_and_loss: float | None
    base_price: float | None
    base_volatility: float | None
    base_underlying: float | None
    rate: float | None
    rate_source: str | None
    dividend_yield: float | None
    dividend_source: str | None
    dividend_value: float | None
    model: str | None
    iv_source: str | None


class HistoricalGreeksParams(TypedDict, total=False):
    """Greeks of options at the open, high, low and close of their bars: parameters."""

    timeframe: str
    days: float
    anchor: str
    points: list[str]
    extremes: str
    model: str
    exercise: str
    forward: str
    rate: float | None
    dividend_yield: float | None
    day_count: str
    fallback_volatility: str
    greeks: list[str]
    theta: str


class HistoricalGreeksItem(InstrumentItem, total=False):
    """Greeks of options at the open, high, low and close of their bars: an item."""

    custom_id: str


class HistoricalGreeksOptionItem(OptionItem, total=False):
    """Greeks of options at the open, high, low and close of their bars: an option by its terms."""

    exchange: str
    custom_id: str


class HistoricalGreeksPicked(TypedDict, total=False):
    """The columns of historical_greeks that exist if a parameter names them."""

    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    rho: float | None
    vanna: float | None
    volga: float | None
    charm: float | None
    speed: float | None
    zomma: float | None
    color: float | None
    veta: float | None
    ultima: float | None
    dividend_rho: float | None
    elasticity: float | None
    exercise: str | None
    early_exercise_premium: float | None


class HistoricalGreeksRow(HistoricalGreeksPicked):
    """Greeks of options at the open, high, low and close of their bars: an answer."""

    position: int
    custom_id: str | None
    instrument_key: str | None
    status: str
    reason: str | None
    retryable: bool
    bar_time: str | None
    point: str | None
    instant: str | None
    implied_volatility: float | None
    theoretical_price: float | None
    price_used: float | None
    volume: float | None
    underlying_price: float | None
    underlying_used: float | None
    volatility_index: float | None
    forward: float | None
    forward_source: str | None
    forward_residual: float | None
    forward_strikes: int | None
    expiry_years: float | None
    rate: float | None
    rate_source: str | None
    dividend_yield: float | None
    dividend_source: str | None
    dividend_value: float | None
    model: str | None
    iv_source: str | None


class QuotesParams(TypedDict, total=False):
    """Quotes of instruments, and their ages: parameters."""

    max_quote_age_seconds: float


class QuotesItem(InstrumentItem, total=False):
    """Quotes of instruments, and their ages: an item."""

    custom_id: str


class QuotesOptionItem(OptionItem, total=False):
    """Quotes of instruments, and their ages: an option by its terms."""

    exchange: str
    custom_id: str


class QuotesRow(TypedDict):
    """Quotes of instruments, and their ages: an answer."""

    position: int
    custom_id: str | None
    instrument_key: str | None
    status: str
    reason: str | None
    retryable: bool
    bid: float | None
    ask: float | None
    last: float | None
    settle: float | None
    close: float | None
    volume: float | None
    open_interest: float | None
    quote_time: str | None
    age_seconds: float | None
    market: str | None
    price: float | None
    price_source: str | None
    source: str | None
