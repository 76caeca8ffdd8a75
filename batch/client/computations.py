"""Types of what can be computed. This file is generated: `manage.py computations` writes it."""

from typing import Literal, TypedDict

Kind = Literal[
    "bars",
    "functions",
    "greeks",
    "greeks_grid",
    "historical_greeks",
    "indicators",
    "portfolios",
    "quotes",
    "moneyness",
]


class InstrumentItem(TypedDict):
    """An item that names its instrument."""

    instrument_key: str


class UnderlyingItem(TypedDict):
    """An item that names its underlying."""

    underlying: str


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


class FunctionsParams(TypedDict, total=False):
    """Functions of the bars of instruments: parameters."""

    function: str
    arguments: str
    timeframe: str
    days: float
    anchor: str
    benchmark: str
    join: str
    last: int


class FunctionsItem(InstrumentItem, total=False):
    """Functions of the bars of instruments: an item."""

    custom_id: str


class FunctionsOptionItem(OptionItem, total=False):
    """Functions of the bars of instruments: an option by its terms."""

    exchange: str
    custom_id: str


class FunctionsRow(TypedDict):
    """Functions of the bars of instruments: an answer."""

    position: int
    custom_id: str | None
    instrument_key: str | None
    status: str
    reason: str | None
    retryable: bool
    output: str | None
    place: int | None
    bar_time: str | None
    value: float | None


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


class IndicatorsParams(TypedDict, total=False):
    """Indicators on the bars of instruments: parameters."""

    indicators: list[str]
    timeframe: str
    days: float
    anchor: str


class IndicatorsItem(InstrumentItem, total=False):
    """Indicators on the bars of instruments: an item."""

    custom_id: str


class IndicatorsOptionItem(OptionItem, total=False):
    """Indicators on the bars of instruments: an option by its terms."""

    exchange: str
    custom_id: str


class IndicatorsRow(TypedDict):
    """Indicators on the bars of instruments: an answer."""

    position: int
    custom_id: str | None
    instrument_key: str | None
    status: str
    reason: str | None
    retryable: bool
    bar_time: str | None
    indicator: str | None
    output: str | None
    value: float | None
    complete: bool | None


class PortfoliosLeg(TypedDict, total=False):
    """A leg of a portfolio: a contract by its key or terms, and its quantity."""

    instrument_key: str
    underlying: str
    expiry: str
    strike: float
    option_type: Literal["call", "put"]
    exchange: str
    quantity: float
    lot_size: float
    price_paid: float
    price: float
    underlying_price: float
    volatility: float
    rate: float
    dividend_yield: float
    expiry_years: float


class PortfoliosParams(TypedDict, total=False):
    """Net Greeks and value of portfolios, with shocks of spot, volatility and time: parameters."""

    spot_shocks: list[float]
    volatility_shocks: list[float]
    days_forward: list[float]
    quantity_in: str
    partial: bool
    model: str
    exercise: str
    forward: str
    rate: float | None
    dividend_yield: float | None
    day_count: str
    price: str
    fallback_volatility: str
    iv_from: str
    theta: str
    max_quote_age_seconds: float


class PortfoliosItem(TypedDict, total=False):
    """Net Greeks and value of portfolios, with shocks of spot, volatility and time: an item."""

    custom_id: str
    legs: list[PortfoliosLeg]


class PortfoliosRow(TypedDict):
    """Net Greeks and value of portfolios, with shocks of spot, volatility and time: an answer."""

    position: int
    custom_id: str | None
    portfolio: str | None
    status: str
    reason: str | None
    retryable: bool
    spot_shock: float | None
    volatility_shock: float | None
    days_forward: float | None
    value: float | None
    profit_and_loss: float | None
    delta: float | None
    gamma: float | None
    theta: float | None
    vega: float | None
    rho: float | None
    delta_value: float | None
    gamma_value: float | None
    legs: int | None
    legs_left_out: int | None
    legs_expired: int | None
    currency: str | None
    market_value: float | None
    model_value: float | None
    profit_and_loss_since_paid: float | None
    legs_without_price_paid: int | None


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


class MoneynessParams(TypedDict, total=False):
    """Chains of underlyings: levels, deltas, smiles, open interest and constant maturities: parameters."""

    what: str
    start_date: str | None
    end_date: str | None
    at_time: str
    expiries: int
    strikes: int
    deltas: list[float]
    around: int
    tenors: list[float]
    atm_volatility: str | None
    gamma_formula: str | None
    dealer_sign: str | None
    fit: bool
    model: str
    exercise: str
    forward: str
    rate: float | None
    dividend_yield: float | None
    day_count: str
    price: str
    iv_from: str
    max_quote_age_seconds: float


class MoneynessItem(UnderlyingItem, total=False):
    """Chains of underlyings: levels, deltas, smiles, open interest and constant maturities: an item."""

    custom_id: str


class MoneynessPicked(TypedDict, total=False):
    """The columns of moneyness that exist if a parameter names them."""

    expiry_years: float | None
    forward: float | None
    forward_source: str | None
    forward_price_source: str | None
    rate: float | None
    atm_strike: float | None
    atm_implied_volatility: float | None
    atm_interpolated: float | None
    atm_nearest: float | None
    atm_straddle_implied: float | None
    straddle: float | None
    expected_move: float | None
    risk_reversal_25: float | None
    butterfly_25: float | None
    slope: float | None
    skew_from: str | None
    implied_mean: float | None
    implied_deviation: float | None
    implied_skewness: float | None
    implied_kurtosis: float | None
    max_pain: float | None
    put_call_ratio_open_interest: float | None
    put_call_ratio_volume: float | None
    call_open_interest: float | None
    put_open_interest: float | None
    call_open_interest_change: float | None
    put_open_interest_change: float | None
    call_volume: float | None
    put_volume: float | None
    gamma_exposure: float | None
    call_gamma_exposure: float | None
    put_gamma_exposure: float | None
    gamma_flip: float | None
    fit_status: str | None
    fit_a: float | None
    fit_b: float | None
    fit_rho: float | None
    fit_m: float | None
    fit_sigma: float | None
    fit_residual: float | None
    quotes_used: int | None
    quotes_refused: int | None
    level: str | None
    side: str | None
    options: int | None
    priced: int | None
    strike_low: float | None
    strike_high: float | None
    open_interest: float | None
    volume: float | None
    premium: float | None
    implied_volatility: float | None
    implied_volatility_by_open_interest: float | None
    quality: float | None
    delta_mean: float | None
    gamma_mean: float | None
    theta_mean: float | None
    vega_mean: float | None
    rho_mean: float | None
    delta_by_open_interest: float | None
    gamma_by_open_interest: float | None
    theta_by_open_interest: float | None
    vega_by_open_interest: float | None
    rho_by_open_interest: float | None
    delta_by_volume: float | None
    gamma_by_volume: float | None
    theta_by_volume: float | None
    vega_by_volume: float | None
    rho_by_volume: float | None
    option_type: str | None
    delta: float | None
    strike: float | None
    nearest_instrument_key: str | None
    nearest_strike: float | None
    nearest_delta: float | None
    nearest_implied_volatility: float | None
    nearest_price: float | None
    log_moneyness: float | None
    bid_volatility: float | None
    ask_volatility: float | None
    call_volatility: float | None
    put_volatility: float | None
    refused: str | None
    pain: float | None
    probability_above: float | None
    days: float | None
    from_expiry: str | None
    to_expiry: str | None


class MoneynessRow(MoneynessPicked):
    """Chains of underlyings: levels, deltas, smiles, open interest and constant maturities: an answer."""

    position: int
    custom_id: str | None
    underlying: str | None
    status: str
    reason: str | None
    retryable: bool
    chain_as_of: str | None
    expiry: str | None
    spot: float | None
