"""The choices that make one set of numbers differ from another, each with a name, and what they may be."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

from signals.greeks.core.conventions import DEFAULT_RATE, DayCount, ForwardSource, Model, PriceSource
from signals.rates.core.bounds import HIGHEST_RATE, LOWEST_RATE
from signalsite.foundation.errors import InvalidInput

MARK = "mark"
OWN, VENDOR = "own", "vendor"
EUROPEAN, AMERICAN = "european", "american"
CHOICES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "exercise": (EUROPEAN, AMERICAN),
        "model": (Model.BSM.value, Model.BLACK76.value),
        "forward": (ForwardSource.AUTO.value, *(each.value for each in (ForwardSource.SPOT, ForwardSource.FUTURE)),
                    ForwardSource.PARITY.value),
        "day_count": (DayCount.CALENDAR_DAYS.value, DayCount.EXACT.value),
        "price": (*(each.value for each in PriceSource if each is not PriceSource.OVERRIDE), MARK),
        "greeks_at": (OWN, VENDOR),
        "volatility_unit": ("decimal", "percent"),
        "theta_unit": ("per_day_365", "per_day_252", "per_year", "next_day"),
        "vega_unit": ("per_0.01", "per_1"),
        "rho_unit": ("per_0.01", "per_1"),
        "rho_holds": ("model", "spot", "forward"),
    }
)  # fmt: skip
BOUNDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    dict.fromkeys(("rate", "dividend_yield"), (LOWEST_RATE, HIGHEST_RATE))
)
MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "exercise": "at expiry, or at any time; American options without cash dividends",
        "model": "bsm holds the spot, black76 the forward: delta, gamma, theta and rho differ, volatility does not",
        "forward": "spot: the file's spot, carried; future: the file's forward or future; parity; auto: the service's",
        "rate": "continuous, annual, decimal",
        "dividend_yield": "continuous, annual, decimal; carries the spot, and is the yield of bsm",
        "day_count": "of T: exact seconds / 365 days, or whole days / 365",
        "price": "which price the volatility is implied from; mark: the vendor's own valuation; auto: the service's",
        "greeks_at": "the volatility of the Greeks and the price: our own, or the vendor's",
        "volatility_unit": "of the vendor's volatility",
        "theta_unit": "of the vendor's theta; next_day: the price a day later, less the price",
        "vega_unit": "of the vendor's vega: per 0.01 of volatility, or per 1",
        "rho_unit": "of the vendor's rho: per 0.01 of rate, or per 1",
        "rho_holds": "what the vendor's rho holds: what the model holds, or else the spot or the forward",
    }
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How our numbers are computed, and the units in which they stand beside the vendor's.

    The defaults are the service's own. `exercise` is that of most underlyings; a file's underlying says what it is.
    """

    exercise: str = EUROPEAN
    model: str = Model.BSM.value
    forward: str = ForwardSource.AUTO.value
    rate: float = DEFAULT_RATE
    dividend_yield: float = 0.0
    day_count: str = DayCount.EXACT.value
    price: str = PriceSource.AUTO.value
    greeks_at: str = OWN
    volatility_unit: str = "decimal"
    theta_unit: str = "per_day_365"
    vega_unit: str = "per_0.01"
    rho_unit: str = "per_0.01"
    rho_holds: str = "model"

    def changed(self, **values: str | float) -> "Settings":
        return replace(self, **values)  # type: ignore[arg-type]

    def words(self, names: tuple[str, ...]) -> str:
        return " ".join(f"{name}={_word(getattr(self, name))}" for name in names)


NAMES = tuple(each.name for each in fields(Settings))


def parse_setting(name: str, text: str) -> str | float:
    """Return the value of a setting. Raises InvalidInput, which names the setting."""
    if name in CHOICES:
        if text not in CHOICES[name]:
            raise InvalidInput(name, f"{text[:40]!r} is none of {', '.join(CHOICES[name])}")
        return text
    if name not in BOUNDS:
        raise InvalidInput("set", f"there is no setting {name[:40]!r}; settings are {', '.join(NAMES)}")
    low, high = BOUNDS[name]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise InvalidInput(name, f"{text[:40]!r} is not a number from {low:g} to {high:g}")
    return value


def _word(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
