"""Our numbers for a vendor's legs, under given settings and in the vendor's units."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from signals.comparison.core.settings import AMERICAN, MARK, VENDOR, Settings
from signals.comparison.core.vendor import Floats, Pairs, VendorColumns, find_pairs
from signals.greeks.core import american, engine
from signals.greeks.core.columns import GreekColumns
from signals.greeks.core.conventions import DayCount, ForwardSource, Model, PriceSource, expiry_years
from signals.greeks.core.parity import ParityColumns, ParityForward, parity_forwards
from signals.greeks.core.prices import QuoteColumns, choose_price
from signals.greeks.core.status import Status

THETA_FACTORS = {"per_day_365": 1.0, "per_day_252": 365.0 / 252.0, "per_year": 365.0}
FACTORS = {"per_0.01": 1.0, "per_1": 100.0}
VOLATILITY_FACTORS = {"decimal": 1.0, "percent": 100.0}
_DAY = 1.0 / 365.0


@dataclass(frozen=True, eq=False)
class OurColumns:
    """One element per leg, in the service's units: float64, NaN for none; status uint8 (Status) of the volatility."""

    status: np.ndarray
    price_used: Floats
    forward: Floats
    expiry_years: Floats
    implied_volatility: Floats
    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats
    price: Floats  # the model's, at the volatility of the Greeks
    next_day: Callable[[], Floats]  # the model's price a day later, less the price
    rho_held: Mapping[str, Callable[[], Floats]]  # by what it holds: spot or forward

    def in_units(self, name: str, settings: Settings) -> Floats:
        """Return a column in the units, and of the kind, that the settings name for the vendor."""
        if name == "implied_volatility":
            return self.implied_volatility * VOLATILITY_FACTORS[settings.volatility_unit]
        if name == "theta":
            next_day = settings.theta_unit == "next_day"
            return self.next_day() if next_day else self.theta * THETA_FACTORS[settings.theta_unit]
        if name == "vega":
            return self.vega * FACTORS[settings.vega_unit]
        if name == "rho":
            rho = self.rho if settings.rho_holds == "model" else self.rho_held[settings.rho_holds]()
            return rho * FACTORS[settings.rho_unit]
        found: Floats = getattr(self, name)
        return found


@dataclass(frozen=True, eq=False)
class Computer:
    """Computes our numbers for legs (`vendor`, the places `rows`) of a file (`whole`)."""

    whole: VendorColumns
    pairs: Pairs
    vendor: VendorColumns
    rows: np.ndarray
    _parities: dict[tuple[str, str, float], list[ParityForward]] = field(default_factory=dict)

    @classmethod
    def of(cls, vendor: VendorColumns) -> "Computer":
        return cls(vendor, find_pairs(vendor), vendor, np.arange(len(vendor)))

    def only(self, rows: np.ndarray) -> "Computer":
        """Return one that computes these legs (places). Forwards by parity still come from all legs."""
        return replace(self, rows=rows, vendor=self.vendor.only(rows))

    def compute(self, settings: Settings) -> OurColumns:
        vendor = self.vendor
        years = expiry_years(DayCount(settings.day_count), vendor.seconds_to_expiry, vendor.days_to_expiry)
        rate, dividend_yield = settings.rate, settings.dividend_yield
        black76 = settings.model == Model.BLACK76
        with np.errstate(over="ignore", invalid="ignore"):
            growth = np.exp((rate - dividend_yield) * np.maximum(years, 0.0))
            forward, disagree = self._forward(settings, growth)
            underlying = forward if black76 else forward / growth
        price = choose(vendor, settings.price)[0]
        terms = {
            "underlying": underlying,
            "strike": vendor.strike,
            "expiry_years": years,
            "rate": rate,
            "dividend_yield": dividend_yield,
            "sign": vendor.sign,
            "black76": black76,
        }
        pricing: Any = american if settings.exercise == AMERICAN else engine  # with the same two functions
        found = pricing.implied_greeks(price=price, **terms)
        status = found.status.copy()
        no_forward = ~(np.isfinite(forward) & (forward > 0))
        status[no_forward] = np.where(disagree[no_forward], Status.STRIKES_DISAGREE, Status.NO_UNDERLYING)
        status[np.isnan(price)] = Status.NO_PRICE
        status[years <= 0] = Status.EXPIRED
        known = status == Status.OK
        volatility = np.where(known, found.implied_volatility, np.nan)
        at = vendor_volatility(vendor, settings) if settings.greeks_at == VENDOR else volatility
        greeks = pricing.model_greeks(volatility=at, **terms)

        bad = greeks.status != Status.OK

        def of(columns: GreekColumns, column: Floats) -> Floats:
            return np.where(bad | (columns.status != Status.OK), np.nan, column)

        def next_day() -> Floats:
            later = pricing.model_greeks(volatility=at, **{**terms, "expiry_years": years - _DAY})
            return of(later, later.price - greeks.price)

        def own_rho() -> Floats:
            return of(greeks, greeks.rho)

        def other_rho() -> Floats:
            other = {"underlying": forward / growth if black76 else forward, "black76": not black76}
            held = pricing.model_greeks(volatility=at, **{**terms, **other})
            return of(held, held.rho)

        return OurColumns(
            status=status,
            price_used=price,
            forward=forward,
            expiry_years=years,
            implied_volatility=volatility,
            delta=greeks.delta,
            gamma=greeks.gamma,
            theta=greeks.theta,
            vega=greeks.vega,
            rho=greeks.rho,
            price=greeks.price,
            next_day=next_day,
            rho_held={"forward" if black76 else "spot": own_rho, "spot" if black76 else "forward": other_rho},
        )

    def _forward(self, settings: Settings, growth: Floats) -> tuple[Floats, np.ndarray]:
        """Return the forward of each leg, and where there is none since strikes disagree."""
        vendor = self.vendor
        source, spot = settings.forward, vendor.spot * growth
        nothing = np.zeros(len(vendor), bool)
        if source == ForwardSource.SPOT:
            return spot, nothing
        if source == ForwardSource.FUTURE:
            return vendor.future, nothing
        future = np.where(np.isfinite(vendor.future), vendor.future, np.nan)
        if source == ForwardSource.AUTO and settings.exercise == AMERICAN:  # the service takes no parity of these
            return np.where(np.isnan(future), spot, future), nothing
        by_group = self._parity(settings)
        group = self.pairs.group[self.rows]
        value = np.array([each.value for each in by_group])[group]
        disagree = np.array([each.disagree for each in by_group])[group] & np.isnan(value)
        if source == ForwardSource.PARITY:
            return value, disagree
        from_market = np.array([each.from_market for each in by_group])[group]
        first = np.where(from_market | np.isnan(future), value, future)
        second = np.where(np.isnan(first), future, first)
        return np.where(np.isnan(second) & ~disagree, spot, second), disagree

    def _parity(self, settings: Settings) -> list[ParityForward]:
        key = (settings.price, settings.day_count, settings.rate)
        if key not in self._parities:
            if len(self._parities) > 500:
                self._parities.clear()
            self._parities[key] = self._find_parity(settings)
        return self._parities[key]

    def _find_parity(self, settings: Settings) -> list[ParityForward]:
        vendor, pairs = self.whole, self.pairs
        price, spread = choose(vendor, settings.price)
        years = expiry_years(DayCount(settings.day_count), vendor.seconds_to_expiry, vendor.days_to_expiry)
        of_group = np.full(len(pairs.sizes), np.nan)
        of_group[pairs.group] = years
        columns = ParityColumns(
            strike=vendor.strike[pairs.calls],
            call=price[pairs.calls],
            put=price[pairs.puts],
            call_spread=spread[pairs.calls],
            put_spread=spread[pairs.puts],
            call_volume=vendor.volume[pairs.calls],
            put_volume=vendor.volume[pairs.puts],
            call_time=vendor.time[pairs.calls],
            put_time=vendor.time[pairs.puts],
        )
        return parity_forwards(columns, pairs.sizes, rate=settings.rate, expiry_years=of_group)


def choose(vendor: VendorColumns, wanted: str) -> tuple[Floats, Floats]:
    """Return the price that a setting names, and its spread: NaN where it is not the middle of a quote."""
    if wanted == MARK:
        return np.where(vendor.mark > 0, vendor.mark, np.nan), np.full(len(vendor), np.nan)
    quotes = QuoteColumns(
        **{name: getattr(vendor, name) for name in ("bid", "ask", "last", "settle", "close", "volume", "time")}
    )
    price, source = choose_price(quotes, PriceSource(wanted))
    return price, np.where(source == 0, vendor.ask - vendor.bid, np.nan)


def vendor_volatility(vendor: VendorColumns, settings: Settings) -> Floats:
    """Return the vendor's volatility as a decimal, NaN where it is none."""
    found = vendor.implied_volatility / VOLATILITY_FACTORS[settings.volatility_unit]
    return np.where(found > 0, found, np.nan)
