"""American prices that owe nothing to the engine: QuantLib's, and a binomial tree of our own."""

import math
from collections.abc import Sequence

import numpy as np
import QuantLib as ql

TODAY = ql.Date(1, 1, 2024)
DAYS = ql.Actual365Fixed()


def _option(strike: float, days: int, sign: float) -> ql.VanillaOption:
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if sign > 0 else ql.Option.Put, strike)
    return ql.VanillaOption(payoff, ql.AmericanExercise(TODAY, TODAY + days))


def _process(spot: float, rate: float, dividend_yield: float, volatility: float) -> ql.BlackScholesMertonProcess:
    ql.Settings.instance().evaluationDate = TODAY

    def flat(value: float) -> ql.YieldTermStructureHandle:
        return ql.YieldTermStructureHandle(ql.FlatForward(TODAY, value, DAYS))

    return ql.BlackScholesMertonProcess(
        ql.QuoteHandle(ql.SimpleQuote(spot)),
        flat(dividend_yield),
        flat(rate),
        ql.BlackVolTermStructureHandle(ql.BlackConstantVol(TODAY, ql.NullCalendar(), volatility, DAYS)),
    )


def quantlib_price(
    spot: float, strike: float, days: int, rate: float, dividend_yield: float, volatility: float, sign: float
) -> float:
    """Return the price by QdFpAmericanEngine with its high-precision scheme."""
    option = _option(strike, int(days), sign)
    process = _process(spot, rate, dividend_yield, volatility)
    option.setPricingEngine(ql.QdFpAmericanEngine(process, ql.QdFpAmericanEngine.highPrecisionScheme()))
    return option.NPV()


def quantlib_escrowed(
    spot: float,
    strike: float,
    days: int,
    rate: float,
    volatility: float,
    sign: float,
    dividends: Sequence[tuple[int, float]],
    *,
    steps: int,
    nodes: int,
) -> float:
    """Return the price by finite differences with escrowed dividends: (days, amount) each."""
    option = _option(strike, int(days), sign)
    dates, amounts = [TODAY + int(day) for day, _ in dividends], [amount for _, amount in dividends]
    option.setPricingEngine(
        ql.FdBlackScholesVanillaEngine(
            _process(spot, rate, 0.0, volatility),
            ql.DividendVector(dates, amounts),
            steps,
            nodes,
            20,
            ql.FdmSchemeDesc.CrankNicolson(),
            False,
            -1.0,
            ql.FdBlackScholesVanillaEngine.Escrowed,
        )
    )
    return option.NPV()


def tree_price(
    spot: float, strike: float, years: float, rate: float, carry: float, volatility: float, sign: float, steps: int
) -> float:
    """Return the price by a binomial tree whose last step is the European formula (Broadie and Detemple 1996), at
    `steps` and twice as many, extrapolated to infinitely many."""
    coarse, fine = (_tree(spot, strike, years, rate, carry, volatility, sign, each) for each in (steps, 2 * steps))
    return 2.0 * fine - coarse


def _tree(
    spot: float, strike: float, years: float, rate: float, carry: float, volatility: float, sign: float, steps: int
) -> float:
    dt = years / steps
    up = math.exp(volatility * math.sqrt(dt))
    share = (math.exp((rate - carry) * dt) - 1.0 / up) / (up - 1.0 / up)
    discount = math.exp(-rate * dt)
    at = spot * up ** (steps - 1.0 - 2.0 * np.arange(steps))
    value = np.maximum(_european(at, strike, dt, rate, carry, volatility, sign), sign * (at - strike))
    for left in range(steps - 1, 0, -1):
        at = at[:left] / up
        value = discount * (share * value[:-1] + (1.0 - share) * value[1:])
        value = np.maximum(value, sign * (at - strike))
    return float(value[0])


def _european(
    spot: np.ndarray, strike: float, years: float, rate: float, carry: float, volatility: float, sign: float
) -> np.ndarray:
    from scipy.special import ndtr

    s = volatility * math.sqrt(years)
    d1 = (np.log(spot / strike) + (rate - carry) * years) / s + s / 2
    a, b = spot * math.exp(-carry * years), strike * math.exp(-rate * years)
    return np.asarray(sign * (a * ndtr(sign * d1) - b * ndtr(sign * (d1 - s))))
