"""Options under shocks of spot, volatility and time: of one option in `greeks_grid`, of many in a portfolio."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from signals.greeks.core.conventions import EARLY_EXERCISE, FIRST_ORDER, HIGHER_ORDER, DayCount, Theta
from signals.greeks.core.dividends import DividendColumns
from signals.greeks.core.status import Status
from signals.greeks.core.years_after import years_after


@dataclass(frozen=True, slots=True, kw_only=True)
class ShockBase:
    """N options without shocks, as `greeks` found them. Float64 unless noted otherwise, NaN for unknown."""

    as_of: datetime
    day_count: DayCount
    underlying: np.ndarray  # what the model had: the forward for black76, else the spot less `dividends`
    volatility: np.ndarray
    expiry_years: np.ndarray
    given: np.ndarray  # bool: T is a caller's own
    rate: np.ndarray
    dividend_yield: np.ndarray
    price: np.ndarray  # the model's
    strike: np.ndarray
    sign: np.ndarray
    black76: np.ndarray  # bool
    american: np.ndarray  # bool
    dividends: DividendColumns
    expires_at: np.ndarray  # seconds since 1970
    expiry: Sequence[date | None]
    exchange: Sequence[str]

    def years_left(self, of: np.ndarray, days_forward: np.ndarray) -> np.ndarray:
        """Return T of the options `of` (places) when so many days have passed, 0 at or past expiry."""
        exact = self.day_count is DayCount.EXACT  # needs no dates
        places = [] if exact else of.tolist()
        return years_after(
            self.day_count,
            as_of=self.as_of,
            days_forward=days_forward,
            expires_at=self.expires_at[of],
            expiry=[self.expiry[place] for place in places],
            exchange=[self.exchange[place] for place in places],
            base_years=self.expiry_years[of],
            given=self.given[of],
        )

    def shocked(
        self,
        of: np.ndarray,
        *,
        spot_shock: np.ndarray,
        volatility_shock: np.ndarray,
        days_forward: np.ndarray,
        theta: str,
        greeks: Sequence[str] = FIRST_ORDER,
        years: np.ndarray | None = None,
        years_next_day: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """Return what `shocked` does of the options `of` (places), each under the shocks beside it.

        `years` and `years_next_day`: their T then and a day later, where the caller knows them.
        """
        if years is None:
            years = self.years_left(of, days_forward)
        if theta != Theta.NEXT_DAY:
            years_next_day = None
        elif years_next_day is None:
            years_next_day = self.years_left(of, days_forward + 1.0)
        return shocked(
            underlying=self.underlying[of],
            volatility=self.volatility[of],
            expiry_years=years,
            years_next_day=years_next_day,
            greeks=greeks,
            rate=self.rate[of],
            dividend_yield=self.dividend_yield[of],
            base_price=self.price[of],
            strike=self.strike[of],
            sign=self.sign[of],
            black76=self.black76[of],
            american=self.american[of],
            dividends=self.dividends.take(of),
            base_years=self.expiry_years[of],
            spot_shock=spot_shock,
            volatility_shock=volatility_shock,
            days_forward=days_forward,
        )


def shocked(
    *,
    underlying: np.ndarray,
    volatility: np.ndarray,
    expiry_years: np.ndarray,
    rate: np.ndarray,
    dividend_yield: np.ndarray,
    base_price: np.ndarray,
    strike: np.ndarray,
    sign: np.ndarray,
    black76: np.ndarray,
    american: np.ndarray,
    dividends: DividendColumns,
    base_years: np.ndarray,
    spot_shock: np.ndarray,
    volatility_shock: np.ndarray,
    days_forward: np.ndarray,
    years_next_day: np.ndarray | None = None,
    greeks: Sequence[str] = FIRST_ORDER,
) -> dict[str, np.ndarray]:
    """Return columns of equal length, and `answered`, the engine's Status of each.

    `underlying` is what the model had in the base: the forward for black76, else the spot less the present value of
    `dividends`, which are those of now, at T = `base_years`. `expiry_years` is the time left, `years_next_day` that of
    a day later if theta is to be a revaluation.
    """
    from signals.greeks.core.exercise import (  # loads the kernels
        early_exercise_premium,
        higher_order_greeks,
        model_greeks,
    )
    from signals.greeks.core.higher import EXERCISES
    from signals.greeks.core.next_day import next_day_theta

    owed = dividends.after(base_years - expiry_years)
    base_underlying = underlying + np.where(black76, 0.0, dividends.present_values(rate))
    then = base_underlying * (1.0 + spot_shock)
    net = then - np.where(black76, 0.0, owed.present_values(rate))
    shocked = volatility + volatility_shock
    contract = {
        "underlying": net,
        "strike": strike,
        "expiry_years": expiry_years,
        "rate": rate,
        "dividend_yield": dividend_yield,
        "sign": sign,
        "black76": black76,
    }
    found = model_greeks(shocked, contract, american, owed)
    values: Mapping[str, np.ndarray] = found._asdict()
    named = [name for name in (*FIRST_ORDER, *HIGHER_ORDER, *EARLY_EXERCISE) if name in greeks]
    if years_next_day is not None:
        values = {**values, "theta": next_day_theta(contract, shocked, found.price, years_next_day, american, owed)}
    if set(greeks) & set(HIGHER_ORDER):
        values = {**values, **higher_order_greeks(shocked, contract, american, owed)._asdict()}
    if set(greeks) & set(EARLY_EXERCISE):
        premium = early_exercise_premium(shocked, found.price, contract, american)
        values = {**values, "early_exercise_premium": premium, "exercise": EXERCISES[american.astype(np.intp)]}
    over = expiry_years <= 0
    price = np.where(over, np.maximum(sign * (then - strike), 0.0), found.price)
    return {
        "answered": np.select([over, net <= 0], [Status.EXPIRED, Status.NO_UNDERLYING], found.status).astype(np.uint8),
        "spot_shock": spot_shock,
        "volatility_shock": volatility_shock,
        "days_forward": days_forward,
        "underlying": then,
        "volatility": shocked,
        "expiry_years": expiry_years,
        "price": price,
        "profit_and_loss": price - base_price,
        **{name: np.where(over & (name != "exercise"), np.nan, values[name]) for name in named},
        "base_price": base_price,
        "base_volatility": volatility,
        "base_underlying": base_underlying,
        "rate": rate,
        "dividend_yield": dividend_yield,
    }
