"""Computes Greeks from what is known of options. Requests, jobs and live ticks all call `evaluate`."""

from dataclasses import dataclass

import numpy as np

from signals.greeks.core.carry import (
    DIVIDEND_SOURCES,
    RATE_SOURCES,
    UNKNOWN_CARRY,
    CarryColumns,
    DividendSource,
    RateSource,
    carry_columns,
)
from signals.greeks.core.conventions import (
    DEFAULT_RATE,
    FORWARD_SOURCES,
    PRICE_SOURCES,
    SECONDS_PER_YEAR,
    VOLATILITY_SOURCES,
    FallbackVolatility,
    ForwardSource,
    GreeksParams,
    IvFrom,
    Model,
    Theta,
    VolatilitySource,
    expiry_years,
)
from signals.greeks.core.dividends import DividendColumns
from signals.greeks.core.exercise import implied_greeks, model_greeks
from signals.greeks.core.exercise_rows import american_rows
from signals.greeks.core.next_day import next_day_theta
from signals.greeks.core.prices import QuoteColumns, choose_price
from signals.greeks.core.status import Status

_SPOT = FORWARD_SOURCES.index(ForwardSource.SPOT)
_CARRIED = FORWARD_SOURCES.index(ForwardSource.CARRIED_FUTURE)
_OVERRIDE = FORWARD_SOURCES.index(ForwardSource.OVERRIDE)
_DAY = 86_400.0
_RATE_OVERRIDE, _RATE_GIVEN, _BY_DEFAULT = (
    RATE_SOURCES.index(source) for source in (RateSource.OVERRIDE, RateSource.PARAMETER, RateSource.DEFAULT)
)
_YIELD_OVERRIDE, _YIELD_GIVEN, _DISCRETE, _YIELD_OWN, _NO_YIELD = (
    DIVIDEND_SOURCES.index(source)
    for source in (
        DividendSource.OVERRIDE,
        DividendSource.PARAMETER,
        DividendSource.DISCRETE,
        DividendSource.UNDERLYING,
        DividendSource.NONE,
    )
)
_VIX_CAN_HELP = (
    Status.BELOW_INTRINSIC,
    Status.ABOVE_MAXIMUM,
    Status.NO_TIME_VALUE,
    Status.NO_PRICE,
    Status.NOT_CONVERGED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionColumns:
    """What is known of n options at one instant. Float64 of length n, NaN for unknown, unless noted otherwise."""

    sign: np.ndarray  # +1 call, -1 put
    strike: np.ndarray
    seconds_to_expiry: np.ndarray  # to the exact moment
    days_to_expiry: np.ndarray  # whole days between the dates in the exchange's zone
    black76: np.ndarray  # bool: the underlying's own pricing model
    dividend_yield: np.ndarray  # the underlying's own
    quotes: QuoteColumns
    spot: np.ndarray
    forward: np.ndarray  # as find_forward gave it
    forward_source: np.ndarray  # int8 index into FORWARD_SOURCES, -1 for none
    forward_price_source: np.ndarray  # int8 index into FORWARD_PRICE_WORDS, -1 for none
    forward_price_age: np.ndarray  # in seconds
    forward_bid: np.ndarray  # of a forward by parity, from quotes
    forward_ask: np.ndarray
    forward_residual: np.ndarray  # of a forward by parity, from trades
    forward_strikes: np.ndarray  # how many strikes took part in parity
    forward_excluded: np.ndarray  # how many had prices and took no part
    strikes_disagree: np.ndarray  # bool: that is why there is no forward
    volatility_index: np.ndarray  # as a decimal
    override_price: np.ndarray
    override_underlying: np.ndarray
    override_volatility: np.ndarray
    override_rate: np.ndarray
    override_dividend_yield: np.ndarray
    override_expiry_years: np.ndarray
    american: np.ndarray | None = None  # bool: the underlying's own exercise; None: all are European
    carry: CarryColumns | None = None  # of the group; without, the parameters and the defaults count


@dataclass(frozen=True, slots=True, kw_only=True)
class GreeksResult:
    """Results and their receipts, in the order of the options. Values are NaN where status is not OK."""

    status: np.ndarray  # uint8, Status
    implied_volatility: np.ndarray
    delta: np.ndarray
    gamma: np.ndarray
    theta: np.ndarray  # a calendar day, instantaneous or by revaluation
    vega: np.ndarray  # per 0.01 of volatility
    rho: np.ndarray  # per 0.01 of rate
    theoretical_price: np.ndarray
    price_used: np.ndarray
    price_source: np.ndarray  # int8 index into conventions.PRICE_WORDS
    price_time: np.ndarray  # of the quote behind price_used: its own, or its twin's
    underlying_used: np.ndarray  # what the model was given: spot for bsm, forward for black76
    forward: np.ndarray
    forward_source: np.ndarray  # int8 index into conventions.FORWARD_WORDS
    expiry_years: np.ndarray
    rate: np.ndarray
    rate_source: np.ndarray  # int8 index into carry.RATE_SOURCES
    dividend_yield: np.ndarray
    dividend_source: np.ndarray  # int8 index into carry.DIVIDEND_SOURCES
    dividend_value: np.ndarray  # present value of the cash dividends before expiry, at the option's rate
    american: np.ndarray  # bool
    dividends: DividendColumns  # the cash dividends that count
    black76: np.ndarray  # bool
    iv_source: np.ndarray  # int8 index into conventions.VOLATILITY_WORDS
    vix_instead_of: np.ndarray  # uint8: the Status that made the fallback necessary, 0 where it was not used


def evaluate(options: OptionColumns, params: GreeksParams, twins: QuoteColumns | None = None) -> GreeksResult:
    """Return implied volatility and Greeks of each option under the conventions of `params`. No element raises.

    Both models use the forward that was found: Black-Scholes-Merton gets the spot that carries to it,
    S = F e^(-(r-q)T), so the models agree on the option's value. A spot (or a caller's underlying price) is carried the
    other way, to a forward, with the element's own rate and yield, or less its cash dividends:
    F = (S - PV) e^((r-q)T). Black-Scholes-Merton then gets S - PV, the part of the spot that is not paid out before
    expiry.

    A caller's T replaces the calendar's in the model and in the carry of a spot or of another expiry's future. A
    forward by parity or of the expiry's own future is a price of that date and stays.

    `twins` has the fresh quotes of the other leg at each option's strike and expiry; `iv_from=otm_twin` needs them and
    raises ValueError without. An option in the money then has the volatility that its twin's price implies.

    American options have the same columns, from their own engine: exercise pays the full spot, or the future for
    Black-76.
    """
    if params.iv_from is IvFrom.OTM_TWIN and twins is None:
        raise ValueError("iv_from=otm_twin needs the quotes of the other legs")
    carry = options.carry or carry_columns([UNKNOWN_CARRY], np.zeros(len(options.sign), np.intp))
    rate, rate_source = _rate(options, carry, params)
    dividend_yield, dividend_source = _dividend_yield(options, carry, params)
    black76 = options.black76 if params.model is Model.UNDERLYING else np.full(len(rate), params.model is Model.BLACK76)
    american = american_rows(options.american, params, len(rate))
    by_calendar = expiry_years(params.day_count, options.seconds_to_expiry, options.days_to_expiry)
    own_years = ~np.isnan(options.override_expiry_years)
    years = np.where(own_years, options.override_expiry_years, by_calendar)
    dividends = carry.dividends.where(dividend_source == _DISCRETE)
    if own_years.any():
        dividends = dividends.until(years)
    dividend_value = dividends.present_values(rate)

    forward_source = np.where(np.isnan(options.override_underlying), options.forward_source, _OVERRIDE).astype(np.int8)
    from_spot = (forward_source == _SPOT) | (forward_source == _OVERRIDE)
    spot = np.where(forward_source == _OVERRIDE, options.override_underlying, options.spot) - dividend_value
    with np.errstate(over="ignore", invalid="ignore"):
        growth = np.exp((rate - dividend_yield) * np.maximum(years, 0.0))
        forward = np.where(from_spot, spot * growth, options.forward)
        carried_on = (forward_source == _CARRIED) & own_years
        forward = np.where(carried_on, forward * np.exp((rate - dividend_yield) * (years - by_calendar)), forward)
        underlying = np.where(black76, forward, np.where(from_spot, spot, forward / growth))

    price, price_source = choose_price(options.quotes, params.price)
    overridden = ~np.isnan(options.override_price)
    price = np.where(overridden, options.override_price, price)
    price_source = np.where(overridden, np.int8(len(PRICE_SOURCES)), price_source).astype(np.int8)

    contract = {
        "underlying": underlying,
        "strike": options.strike,
        "expiry_years": years,
        "rate": rate,
        "dividend_yield": dividend_yield,
        "sign": options.sign,
        "black76": black76,
    }
    greeks = implied_greeks(price, contract, american, dividends)
    status = greeks.status.copy()
    status[np.isnan(price)] = Status.NO_PRICE
    iv_source = np.where(status == Status.OK, VOLATILITY_SOURCES.index(VolatilitySource.PRICE), -1).astype(np.int8)
    columns = {
        name: getattr(greeks, name)
        for name in ("implied_volatility", "delta", "gamma", "theta", "vega", "rho", "price")
    }
    given = options.override_volatility
    instead_of = np.zeros(len(status), np.uint8)

    def reprice(where: np.ndarray, volatility: np.ndarray, source: VolatilitySource) -> None:
        chosen = {name: values[where] for name, values in contract.items()}
        modelled = model_greeks(volatility[where], chosen, american[where], dividends.take(where))
        for name, values in columns.items():
            values[where] = getattr(modelled, name)
        status[where] = modelled.status
        iv_source[where] = np.where(modelled.status == Status.OK, VOLATILITY_SOURCES.index(source), -1)

    asked = ~np.isnan(given)
    if asked.any():
        reprice(asked, given, VolatilitySource.OVERRIDE)
    price_time = options.quotes.time
    if twins is not None and params.iv_from is IvFrom.OTM_TWIN:
        of_twin, source_of_twin = choose_price(twins, params.price)
        with np.errstate(invalid="ignore"):
            in_the_money = options.sign * (forward - options.strike) > 0
        rows = np.flatnonzero(in_the_money & ~overridden & ~asked & np.isfinite(of_twin))
        leg = {name: values[rows] for name, values in contract.items()} | {"sign": -options.sign[rows]}
        twin = implied_greeks(of_twin[rows], leg, american[rows], dividends.take(rows))
        volatility = np.full(len(status), np.nan)
        volatility[rows] = twin.implied_volatility
        rows = rows[twin.status == Status.OK]
        reprice(rows, volatility, VolatilitySource.OTM_TWIN)
        price[rows], price_source[rows] = of_twin[rows], source_of_twin[rows]
        price_time = price_time.copy()
        price_time[rows] = twins.time[rows]
    if params.fallback_volatility is FallbackVolatility.VIX:
        wanting = np.isin(status, _VIX_CAN_HELP) & ~asked & (options.volatility_index > 0)
        wanting &= (years > 0) & np.isfinite(underlying)
        if wanting.any():
            instead_of[wanting] = status[wanting]
            reprice(wanting, options.volatility_index, VolatilitySource.VIX)

    missing = ~(np.isfinite(forward) & (forward > 0)) & (status != Status.NO_PRICE)
    status[missing] = np.where(options.strikes_disagree[missing], Status.STRIKES_DISAGREE, Status.NO_UNDERLYING)
    status[years <= 0] = Status.EXPIRED
    failed = status != Status.OK
    iv_source[failed] = -1
    instead_of[failed] = 0
    for values in columns.values():
        values[failed] = np.nan
    if params.theta is Theta.NEXT_DAY:
        later = expiry_years(params.day_count, options.seconds_to_expiry - _DAY, options.days_to_expiry - 1)
        later = np.where(own_years, years - _DAY / SECONDS_PER_YEAR, later)
        volatility, now = columns["implied_volatility"], columns["price"]
        if american.any():  # the search for a volatility leaves a residue of the price, which is no part of theta
            now = np.where(american, model_greeks(volatility, contract, american, dividends).price, now)
        columns["theta"] = next_day_theta(contract, volatility, now, later, american, dividends)
    return GreeksResult(
        status=status,
        implied_volatility=columns["implied_volatility"],
        delta=columns["delta"],
        gamma=columns["gamma"],
        theta=columns["theta"],
        vega=columns["vega"],
        rho=columns["rho"],
        theoretical_price=columns["price"],
        price_used=price,
        price_source=price_source,
        price_time=price_time,
        underlying_used=underlying,
        forward=forward,
        forward_source=forward_source,
        expiry_years=years,
        rate=rate,
        rate_source=rate_source,
        dividend_yield=dividend_yield,
        dividend_source=dividend_source,
        dividend_value=dividend_value,
        american=american,
        dividends=dividends,
        black76=black76,
        iv_source=iv_source,
        vix_instead_of=instead_of,
    )


def _rate(options: OptionColumns, carry: CarryColumns, params: GreeksParams) -> tuple[np.ndarray, np.ndarray]:
    """Return the rate of each option and its source: the item's own, its market's, or what the parameters say."""
    unknown, overridden = np.isnan(carry.rate), ~np.isnan(options.override_rate)
    if not (unknown.any() or overridden.any()):
        return carry.rate, carry.rate_source
    value, source = (DEFAULT_RATE, _BY_DEFAULT) if params.rate is None else (params.rate, _RATE_GIVEN)
    rate = np.where(overridden, options.override_rate, np.where(unknown, value, carry.rate))
    sources = np.where(overridden, _RATE_OVERRIDE, np.where(unknown, source, carry.rate_source))
    return rate, sources.astype(np.int8)


def _dividend_yield(options: OptionColumns, carry: CarryColumns, params: GreeksParams) -> tuple[np.ndarray, np.ndarray]:
    """Return the yield of each option and its source."""
    unknown, overridden = np.isnan(carry.dividend_yield), ~np.isnan(options.override_dividend_yield)
    if not (unknown.any() or overridden.any()):
        return carry.dividend_yield, carry.dividend_source
    if params.dividend_yield is None:
        value: np.ndarray | float = options.dividend_yield
        source: np.ndarray | int = np.where(options.dividend_yield != 0.0, _YIELD_OWN, _NO_YIELD)
    else:
        value, source = params.dividend_yield, _YIELD_GIVEN
    found = np.where(overridden, options.override_dividend_yield, np.where(unknown, value, carry.dividend_yield))
    sources = np.where(overridden, _YIELD_OVERRIDE, np.where(unknown, source, carry.dividend_source))
    return found, sources.astype(np.int8)
