"""A slow reference of `evaluate_chain`: an option after the other, written from docs/chain.md and not from the code."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from moneyness.core.priced import PricedChains

GREEKS = ("delta", "gamma", "theta", "vega", "rho")
NAN = math.nan


@dataclass(frozen=True)
class Option:
    place: int
    strike: float
    sign: float
    values: dict[str, float]

    def __getattr__(self, name: str) -> float:
        return self.values[name]

    @property
    def priced(self) -> bool:
        return self.status == 0 and math.isfinite(self.implied_volatility)


NAMES = (
    "bid", "ask", "volume", "open_interest", "open_interest_before", "price", "price_source", "status",
    "implied_volatility", "underlying_used", *GREEKS,
)  # fmt: skip


def options_of(chains: PricedChains, group: int) -> list[Option]:
    options = chains.options
    return [
        Option(
            place=place,
            strike=float(options.strike[place]),
            sign=float(options.sign[place]),
            values={name: float(getattr(options, name)[place]) for name in NAMES},
        )
        for place in np.flatnonzero(options.group == group).tolist()
    ]


def strikes_of(options: Iterable[Option]) -> list[float]:
    return sorted({each.strike for each in options})


def money_of(chains: PricedChains, group: int) -> float:
    forward = float(chains.expiries.forward[group])
    return forward if math.isfinite(forward) else float(chains.underlyings.spot[chains.expiries.underlying[group]])


def atm_of(strikes: list[float], price: float, before: float = NAN, hysteresis: float = 0.5) -> float:
    if not strikes or math.isnan(price):
        return NAN
    nearest = min(strikes, key=lambda strike: (abs(strike - price), strike))
    if before not in strikes:
        return nearest
    on_that_side = [strike for strike in strikes if (strike > before) == (price > before) and strike != before]
    if not on_that_side or price == before:
        return before
    next_one = min(on_that_side, key=lambda strike: abs(strike - before))
    return before if abs(price - before) <= hysteresis * abs(next_one - before) else nearest


def leg(options: list[Option], strike: float, sign: float) -> Option | None:
    return next((each for each in options if each.strike == strike and each.sign == sign), None)


def mean_volatility(options: list[Option], strike: float) -> float:
    legs = [each for sign in (1, -1) if (each := leg(options, strike, sign)) is not None and each.priced]
    return sum(each.implied_volatility for each in legs) / len(legs) if legs else NAN


def interpolated(options: list[Option], forward: float, years: float) -> float:
    """Linear in total variance over ln(K/F), between the strikes next to the forward or within one deviation."""
    found = []
    for side in ("below", "above"):
        listed = [k for k in strikes_of(options) if (k <= forward if side == "below" else k >= forward)]
        known = [k for k in listed if mean_volatility(options, k) > 0]
        if not known:
            return NAN
        pick = max if side == "below" else min
        chosen = pick(known)
        near = abs(math.log(chosen / forward)) <= mean_volatility(options, chosen) * math.sqrt(years)
        if chosen != pick(listed) and not near:
            return NAN
        found.append(chosen)
    low, high = found
    w = [mean_volatility(options, k) ** 2 * years for k in found]
    if low == high:
        return math.sqrt(w[0] / years)
    x = [math.log(k / forward) for k in found]
    return math.sqrt((w[0] + (w[1] - w[0]) * (0 - x[0]) / (x[1] - x[0])) / years)


def members(options: list[Option], level: str, atm: float, price: float) -> list[Option]:
    """The options of ATM, ITM, OTM, ITMn, OTMn, and of a band."""
    strikes = strikes_of(options)
    if "_" in level:
        side, kind, low, high = level.split("_")

        def distance(strike: float) -> float:
            return abs(math.log(strike / price)) if kind == "LOG" else 100 * abs(strike / price - 1)

        def out(option: Option) -> bool:
            return option.sign * (option.strike - price) >= 0

        return [o for o in options if float(low) <= distance(o.strike) < float(high) and out(o) == (side == "OTM")]
    if math.isnan(atm):
        return []
    money = strikes.index(atm)
    chosen = []
    for option in options:
        depth = (money - strikes.index(option.strike)) * (1 if option.sign > 0 else -1)
        name = "ATM" if depth == 0 else f"{'ITM' if depth > 0 else 'OTM'}{abs(depth)}"
        if level == name or (level in ("ITM", "OTM") and name.startswith(level) and depth):
            chosen.append(option)
    return chosen


def side_of(options: list[Option], strikes: list[float], atm: float, sign: float) -> list[Option]:
    """The options at and out of the money that have a delta, from the money outwards."""
    own = [o for o in options if o.sign == sign and math.isfinite(o.delta)]
    out = [o for o in own if (o.strike >= atm if sign > 0 else o.strike <= atm)]
    first = {o.strike: o for o in reversed(out)}  # of a contract that is there twice, the first
    return [first[k] for k in sorted(first, reverse=sign < 0)]


def at_delta(side: list[Option], target: float) -> tuple[float, float, int]:
    """Return the interpolated strike and volatility, and the place of the nearest option."""
    nearest = min(side, key=lambda o: abs(abs(o.delta) - target)).place if side else -1
    for place, option in enumerate(side):
        own = abs(option.delta)
        if own == target:
            return option.strike, option.implied_volatility, nearest
        if place and abs(side[place - 1].delta) > target > own:
            inner = side[place - 1]
            share = (abs(inner.delta) - target) / (abs(inner.delta) - own)
            return (
                inner.strike + share * (option.strike - inner.strike),
                inner.implied_volatility + share * (option.implied_volatility - inner.implied_volatility),
                nearest,
            )
    return NAN, NAN, nearest


def total(values: Iterable[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return math.fsum(known) if known else NAN


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else NAN


def firm(option: Option) -> bool:
    middle = (option.bid + option.ask) / 2
    narrow = option.bid > 0 and option.ask >= option.bid and option.ask - option.bid <= 0.1 * middle
    return option.priced and option.price_source == 0 and narrow


def aggregate(options: list[Option]) -> dict[str, object]:
    priced = [o for o in options if o.priced]
    weighted = [o for o in priced if o.open_interest > 0]
    weight = math.fsum(o.open_interest for o in weighted)
    return {
        "options": len(options),
        "priced": len(priced),
        "strike_low": min((o.strike for o in options), default=NAN),
        "strike_high": max((o.strike for o in options), default=NAN),
        "open_interest": total(o.open_interest for o in options),
        "volume": total(o.volume for o in options),
        "premium": total(o.price * o.open_interest for o in options),
        "implied_volatility": mean([o.implied_volatility for o in priced]),
        "implied_volatility_oi": math.fsum(o.implied_volatility * o.open_interest for o in weighted) / weight
        if weight
        else NAN,
        "quality": sum(map(firm, options)) / len(options) if options else NAN,
        "greeks_mean": [mean([getattr(o, name) for o in priced]) for name in GREEKS],
        "greeks_oi": [total(getattr(o, name) * o.open_interest for o in priced) for name in GREEKS],
        "greeks_volume": [total(getattr(o, name) * o.volume for o in priced) for name in GREEKS],
    }


def worth(options: list[Option], settlement: float) -> float:
    """What all options are worth if the underlying settles there."""
    return math.fsum(
        o.open_interest * max(o.sign * (settlement - o.strike), 0.0) for o in options if o.open_interest > 0
    )


def of_both(calls: float, puts: float) -> float:
    """The sum, unknown if either is."""
    return NAN if math.isnan(calls) or math.isnan(puts) else calls + puts


def has_pain(options: list[Option]) -> bool:
    """Whether the open interest of both sides is known, and there is any."""
    calls, puts = (total(o.open_interest for o in options if o.sign == sign) for sign in (1, -1))
    return of_both(calls, puts) > 0


def max_pain(options: list[Option]) -> float:
    """The strike at which all are worth least, the lowest of several (but for rounding)."""
    if not has_pain(options):
        return NAN
    worths = {strike: worth(options, strike) for strike in strikes_of(options)}
    least = min(worths.values())
    return min(strike for strike, value in worths.items() if value <= least * (1 + 1e-11))


def net_gamma(options: list[Option], forward: float, years: float, signs: dict[float, float], shock: float) -> float:
    """The net gamma exposure but for a positive factor, with the spot and the forward at exp(shock) of themselves."""
    found = []
    for o in options:
        if o.priced and math.isfinite(o.open_interest):
            s = o.implied_volatility * math.sqrt(years)
            d1 = math.log(forward * math.exp(shock) / o.strike) / s + s / 2
            found.append(signs[o.sign] * o.open_interest * math.exp(-d1 * d1 / 2) / s)
    return math.fsum(found)


def at_tenor(points: list[tuple[float, float]], days: float) -> float:
    """`points`: years and volatility of each expiry."""
    years = days / 365
    known = sorted((t, v) for t, v in points if v > 0 and t > 0)
    for t, v in known:
        if t == years:
            return v
    below, above = [p for p in known if p[0] < years], [p for p in known if p[0] > years]
    if not below or not above:
        return NAN
    (t1, v1), (t2, v2) = below[-1], above[0]
    w1, w2 = v1 * v1 * t1, v2 * v2 * t2
    return math.sqrt((w1 + (w2 - w1) * (years - t1) / (t2 - t1)) / years)
