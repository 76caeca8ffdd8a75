"""Greeks of higher order of American options: differences of the first order's, which are derivatives themselves."""

import numpy as np

from signals.greeks.core import american
from signals.greeks.core.columns import GreekColumns, HigherOrderColumns
from signals.greeks.core.dividends import DividendColumns
from signals.greeks.core.status import Status

VOLATILITY_STEP = 0.01  # of the volatility
SPOT_STEP = 0.02  # of the spot times the total volatility
TIME_STEP = 0.01  # of T
YIELD_STEP = 5e-4
PER_POINT, PER_DAY = 0.01, 1 / 365


def higher_order_greeks(
    *, volatility: np.ndarray, dividends: DividendColumns, **contract: np.ndarray
) -> HigherOrderColumns:
    """Return the Greeks of HigherOrderColumns of American options; arguments and status: american.model_greeks.

    Central differences, so about 1e-3 of each Greek's largest value; near the exercise boundary, where gamma and vega
    have a kink, they are those of a blur as wide as the step. NaN for options that finite differences price (cash
    dividends before expiry): their first order is not smooth enough.
    """
    by_grid = american.priced_by_grid(dividends=dividends, **contract)

    def at(**moved: np.ndarray) -> GreekColumns:
        given = {"volatility": volatility, **contract, **moved}
        return american.model_greeks(**given, dividends=None, most_work=True)

    with np.errstate(all="ignore"):
        now = at()
        s, years, carry = contract["underlying"], contract["expiry_years"], contract["dividend_yield"]
        step = VOLATILITY_STEP * volatility
        up, down = at(volatility=volatility + step), at(volatility=volatility - step)
        per_volatility = {name: _slope(up, down, name, 2 * step) * PER_POINT for name in ("delta", "vega", "gamma")}
        ultima = (up.vega - 2 * now.vega + down.vega) / step**2 * PER_POINT**2
        step = SPOT_STEP * s * volatility * np.sqrt(years)
        speed = _slope(at(underlying=s + step), at(underlying=s - step), "gamma", 2 * step)
        step = TIME_STEP * years
        up, down = at(expiry_years=years - step), at(expiry_years=years + step)  # time that passes
        per_day = {name: _slope(up, down, name, 2 * step) * PER_DAY for name in ("delta", "gamma", "vega")}
        low = np.where(carry >= 0.0, np.maximum(carry - YIELD_STEP, 0.0), carry - YIELD_STEP)  # 0 is a kink of calls
        high = carry + YIELD_STEP
        by_yield = _slope(at(dividend_yield=high), at(dividend_yield=low), "price", high - low) * PER_POINT
        found = HigherOrderColumns(
            vanna=per_volatility["delta"],
            volga=per_volatility["vega"],
            charm=per_day["delta"],
            speed=speed,
            zomma=per_volatility["gamma"],
            color=per_day["gamma"],
            veta=per_day["vega"],
            ultima=ultima,
            dividend_rho=np.where(contract["black76"], 0.0, by_yield),
            elasticity=now.delta * s / now.price,
            status=now.status,
        )
    for values in found[:-1]:
        values[by_grid | (now.status != Status.OK)] = np.nan
    return found


def _slope(up: GreekColumns, down: GreekColumns, name: str, step: np.ndarray) -> np.ndarray:
    slope: np.ndarray = (getattr(up, name) - getattr(down, name)) / step
    return slope
