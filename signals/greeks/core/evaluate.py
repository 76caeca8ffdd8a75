"""Computes Greeks from what is known of options. Requests, jobs and live ticks all call `evaluate`."""

from dataclasses import dataclass

import numpy as np

from signals.greeks.core.conventions import (
    FORWARD_SOURCES,
    PRICE_SOURCES,
    VOLATILITY_SOURCES,
    FallbackVolatility,
    ForwardSource,
    GreeksParams,
    IvFrom,
    Model,
    VolatilitySource,
    expiry_years,
)
from signals.greeks.core.engine import implied_greeks, model_greeks
from signals.greeks.core.prices import QuoteColumns, choose_price
from signals.greeks.core.status import Status

_SPOT = FORWARD_SOURCES.index(ForwardSource.SPOT)
_CARRIED = FORWARD_SOURCES.index(ForwardSource.CARRIED_FUTURE)
_OVERRIDE = FORWARD_SOURCES.index(ForwardSource.OVERRIDE)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class GreeksResult:
    """Results and their receipts, in the order of the options. Values are NaN where status is not OK."""

    status: np.ndarray  # uint8, Status
    implied_volatility: np.ndarray
    delta: np.ndarray
    gamma: np.ndarray
    theta: np.ndarray  # a calendar day
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
    dividend_yield: np.ndarray
    black76: np.ndarray  # bool
    iv_source: np.ndarray  # int8 index into conventions.VOLATILITY_WORDS
    vix_instead_of: np.ndarray  # uint8: the Status that made the fallback necessary, 0 where it was not used


def evaluate(options: OptionColumns, params: GreeksParams, twins: QuoteColumns | None = None) -> GreeksResult:
    """Return implied volatility and Greeks of each option under the conventions of `params`. No element raises.

    Both models use the forward that was found: Black-Scholes-Merton gets the spot that carries to it,
    S = F e^(-(r-q)T), so the models agree on the option's value. A spot (or a caller's underlying price) is carried the
    other way, to a forward, with the element's own rate and yield.

    A caller's T replaces the calendar's in the model and in the carry of a spot or of another expiry's future. A
    forward by parity or of the expiry's own future is a price of that date and stays.

    `twins` has the fresh quotes of the other leg at each option's strike and expiry; `iv_from=otm_twin` needs them and
    raises ValueError without. An option in the money then has the volatility that its twin's price implies.
    """
    if params.iv_from is IvFrom.OTM_TWIN and twins is None:
        raise ValueError("iv_from=otm_twin needs the quotes of the other legs")
    rate = np.where(np.isnan(options.override_rate), params.rate, options.override_rate)
    yield_default = options.dividend_yield if params.dividend_yield is None else np.float64(params.dividend_yield)
    dividend_yield = np.where(np.isnan(options.override_dividend_yield), yield_default, options.override_dividend_yield)
    black76 = options.black76 if params.model is Model.UNDERLYING else np.full(len(rate), params.model is Model.BLACK76)
    by_calendar = expiry_years(params.day_count, options.seconds_to_expiry, options.days_to_expiry)
    years = np.where(np.isnan(options.override_expiry_years), by_calendar, options.override_expiry_years)

    forward_source = np.where(np.isnan(options.override_underlying), options.forward_source, _OVERRIDE).astype(np.int8)
    from_spot = (forward_source == _SPOT) | (forward_source == _OVERRIDE)
    spot = np.where(forward_source == _OVERRIDE, options.override_underlying, options.spot)
    with np.errstate(over="ignore", invalid="ignore"):
        growth = np.exp((rate - dividend_yield) * np.maximum(years, 0.0))
        forward = np.where(from_spot, spot * growth, options.forward)
        carried_on = (forward_source == _CARRIED) & ~np.isnan(options.override_expiry_years)
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
    greeks = implied_greeks(price=price, **contract)
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
        modelled = model_greeks(volatility=volatility[where], **chosen)
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
        twin = implied_greeks(price=of_twin[rows], **leg)
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
        dividend_yield=dividend_yield,
        black76=black76,
        iv_source=iv_source,
        vix_instead_of=instead_of,
    )
