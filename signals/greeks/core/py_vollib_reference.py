"""py_vollib's results for one option: the reference for the engine."""

import math


def py_vollib_greeks(
    *,
    price: float,
    underlying: float,
    strike: float,
    expiry_years: float,
    rate: float,
    dividend_yield: float,
    sign: float,
    black76: bool,
) -> dict[str, float] | str:
    """Return implied volatility and the five Greeks in py_vollib's units, or its complaint in words.

    The imports stand inside because they take half a second and 150 MB. `vollib` is py_vollib's present name.
    """
    from lets_be_rational.exceptions import AboveMaximumException, BelowIntrinsicException

    values = (price, underlying, strike, expiry_years, rate, dividend_yield)
    if not all(math.isfinite(value) for value in values) or min(price, underlying, strike, expiry_years) <= 0:
        return "has nothing to compute from"
    flag = "c" if sign > 0 else "p"
    try:
        if black76:
            from vollib.black.greeks import analytical
            from vollib.black.implied_volatility import implied_volatility

            volatility = implied_volatility(price, underlying, strike, rate, expiry_years, flag)
            arguments: tuple[str | float, ...] = (flag, underlying, strike, expiry_years, rate, volatility)
        else:
            from vollib.black_scholes_merton.greeks import analytical
            from vollib.black_scholes_merton.implied_volatility import implied_volatility

            volatility = implied_volatility(price, underlying, strike, expiry_years, rate, dividend_yield, flag)
            arguments = (flag, underlying, strike, expiry_years, rate, volatility, dividend_yield)
    except BelowIntrinsicException:
        return "finds the price below intrinsic value"
    except AboveMaximumException:
        return "finds the price above the maximum"
    if not volatility > 0:
        return f"finds no volatility (answers {volatility})"
    names = ("delta", "gamma", "theta", "vega", "rho")
    return {"implied_volatility": volatility, **{name: getattr(analytical, name)(*arguments) for name in names}}
