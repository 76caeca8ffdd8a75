"""The shapes of what chains say: states of topics and bodies of answers. msgspec writes NaN as null."""

import msgspec

from moneyness.core.chain_slice import LevelOption, Number


class ChainReceipt(msgspec.Struct, gc=False):
    """What an evaluation is based on."""

    forward: Number
    forward_source: str | None
    forward_price_source: str | None
    forward_price_age_seconds: Number
    forward_strikes: int | None
    rate: Number
    expiry_years: Number
    quotes_used: int
    quotes_refused: int


class AtmVolatilityState(msgspec.Struct, gc=False):
    """Volatility at the money of one expiry. `method` says which of the three `atm_implied_volatility` is."""

    underlying: str
    expiry: str
    as_of: str
    spot: Number
    atm_strike: Number
    atm_switched_from: Number  # the ATM strike before, where this evaluation changed it
    atm_implied_volatility: Number
    method: str
    interpolated: Number
    nearest: Number
    straddle_implied: Number
    straddle: Number
    expected_move: Number
    receipt: ChainReceipt


class Wall(msgspec.Struct, gc=False):
    strike: float
    open_interest: Number


class AnalyticsState(msgspec.Struct, gc=False):
    """The state of topic analytics:EXCHANGE@SYMBOL:EXPIRY."""

    underlying: str
    expiry: str
    as_of: str
    spot: Number
    atm_strike: Number
    atm_implied_volatility: Number
    straddle: Number
    expected_move: Number
    max_pain: Number
    put_call_ratio_open_interest: Number
    put_call_ratio_volume: Number
    call_open_interest: Number
    put_open_interest: Number
    call_open_interest_change: Number
    put_open_interest_change: Number
    call_volume: Number
    put_volume: Number
    gamma_exposure: Number
    call_gamma_exposure: Number
    put_gamma_exposure: Number
    gamma_flip: Number
    gamma_formula: str
    dealer_sign: str
    call_walls: list[Wall]
    put_walls: list[Wall]
    risk_reversal_25: Number
    butterfly_25: Number
    slope: Number
    skew_from: str | None  # fit or chain
    implied_mean: Number
    implied_deviation: Number
    implied_skewness: Number
    implied_kurtosis: Number
    strikes: "StrikeLists"
    receipt: ChainReceipt


class StrikeLists(msgspec.Struct, gc=False):
    """One element a strike."""

    strike: list[float]
    call_open_interest: list[Number]
    put_open_interest: list[Number]
    call_open_interest_change: list[Number]
    put_open_interest_change: list[Number]
    gamma_exposure: list[Number]
    pain: list[Number]
    probability_above: list[Number]


class SmilePoints(msgspec.Struct, gc=False):
    """One element a strike. `refused` names the gates that refused the point, or is null."""

    strike: list[float]
    right: list[str | None]  # of the option that stands for the strike
    log_moneyness: list[Number]
    bid_volatility: list[Number]
    volatility: list[Number]
    ask_volatility: list[Number]
    delta: list[Number]
    call_volatility: list[Number]
    put_volatility: list[Number]
    call_delta: list[Number]
    put_delta: list[Number]
    call_price: list[Number]
    put_price: list[Number]
    refused: list[list[str] | None]


class SmileFit(msgspec.Struct, gc=False):
    """SVI, or why there is none."""

    status: str
    reason: str | None
    a: Number
    b: Number
    rho: Number
    m: Number
    sigma: Number
    points: int
    lowest: Number  # log-moneyness of the outermost points: beyond them the fit extrapolates
    highest: Number
    residual: Number
    worst: Number
    butterfly_free: bool | None
    calendar_free: bool | None


class SmileState(msgspec.Struct, gc=False):
    """The state of topic smile:EXCHANGE@SYMBOL:EXPIRY."""

    underlying: str
    expiry: str
    as_of: str
    spot: Number
    atm_strike: Number
    atm_implied_volatility: Number
    risk_reversal_25: Number
    butterfly_25: Number
    slope: Number
    points: SmilePoints
    fit: SmileFit
    receipt: ChainReceipt


class TermPoint(msgspec.Struct, gc=False):
    expiry: str
    days: Number
    atm_implied_volatility: Number
    forward: Number
    risk_reversal_25: Number
    butterfly_25: Number


class ConstantMaturity(msgspec.Struct, gc=False):
    days: float
    implied_volatility: Number
    between: list[str] | None  # the two expiries that it was read between


class TermStructureState(msgspec.Struct, gc=False):
    """The state of topic term:EXCHANGE@SYMBOL."""

    underlying: str
    as_of: str
    spot: Number
    expiries: list[TermPoint]
    constant_maturities: list[ConstantMaturity]


class Years(msgspec.Struct, gc=False):
    expiry_years: Number


class FittedSmile(msgspec.Struct, gc=False):
    """What a surface needs of a SmileState: a decoder skips the rest."""

    expiry: str
    receipt: Years
    fit: SmileFit


class SurfaceRow(msgspec.Struct, gc=False):
    """The smile of one time to expiry, an element a log-moneyness: of an expiry, or between two (`expiry` is null).

    Cells are null where no fit says anything. `beyond`: the fit extrapolates there, outside of its points.
    """

    expiry: str | None
    days: Number
    total_variance: list[Number]
    volatility: list[Number]
    beyond: list[bool]


class SurfaceState(msgspec.Struct, gc=False):
    """Volatility by log-moneyness and time, from the fitted smiles of an underlying."""

    log_moneyness: list[float]
    expiries: list[SurfaceRow]
    constant_maturities: list[SurfaceRow]  # linear in total variance between two fitted expiries


class GreekSums(msgspec.Struct, gc=False):
    mean: Number
    by_open_interest: Number
    by_volume: Number


class Aggregate(msgspec.Struct, gc=False):
    """The options of a level, or of one side of it."""

    options: int
    priced: int
    strike_low: Number
    strike_high: Number
    open_interest: Number
    volume: Number
    premium: Number
    implied_volatility: Number
    implied_volatility_by_open_interest: Number
    quality: Number
    delta: GreekSums
    gamma: GreekSums
    theta: GreekSums
    vega: GreekSums
    rho: GreekSums


class LevelGreeks(msgspec.Struct, gc=False):
    """Greeks of a moneyness level: the answer of .../moneyness/{underlying}/greeks/{level}."""

    underlying: str
    expiry: str
    as_of: str
    level: str
    rule: str  # strikes, percent, log or delta
    spot: Number
    atm_strike: Number
    both: Aggregate
    calls: Aggregate
    puts: Aggregate
    receipt: ChainReceipt


class MoneynessLevel(LevelGreeks, gc=False):
    """The state of topic moneyness:EXCHANGE@SYMBOL:EXPIRY:LEVEL.

    `call` and `put` are the level's own options where it has one a side at most; null if it is not live, and for levels
    of several strikes.
    """

    forward: Number
    call: LevelOption | None
    put: LevelOption | None


class DeltaStrike(msgspec.Struct, gc=False):
    """The option at a delta: by interpolation in delta, and the nearest strike that is quoted."""

    underlying: str
    expiry: str
    as_of: str
    option_type: str
    delta: float  # absolute, as asked
    strike: Number  # interpolated: no contract has it
    implied_volatility: Number
    nearest_strike: Number
    nearest_instrument_key: str | None
    nearest_delta: Number
    nearest_implied_volatility: Number
    nearest_price: Number
    reason: str | None  # why a value is null
    receipt: ChainReceipt
