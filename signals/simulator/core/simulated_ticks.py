"""Ticks of a simulated market: its spots walk, its options follow, and some ticks are as bad as real ones.

Seeded: the same market, seed and times give the same ticks. Options are priced by py_vollib at the volatility that
their first quotes imply, never by our own kernel.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signals.simulator.core.simulated_listing import EXCHANGE
from signals.simulator.core.simulated_market import RATE, TICK, VOLATILITY_INDEX, YEAR_SECONDS, SimulatedMarket
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import Right, parse_key
from timeframes.core.sessions import expiry_moment, local_date

Fields = dict[str, Any]
SPOT_SHARE = 0.15  # of the ticks
# Share of the ticks with each flaw.
LATE, SWAPPED, DUPLICATE, MALFORMED = 0.01, 0.01, 0.005, 0.002
LATE_SECONDS = 5.0
HALF_SPREAD_OF_FUTURES = 2e-5  # as in the market's quotes
ANNUAL_VOLATILITY = 0.15
VOLATILITY_OF_THE_INDEX = 6 * ANNUAL_VOLATILITY  # that of the volatility index


@dataclass(slots=True)
class _Option:
    strike: float
    flag: str
    expiry: Any
    expires_at: datetime
    volatility: float
    half_spread: float


@dataclass(slots=True)
class _Walk:
    """The random walk of one underlying: its spot, and the ratio of each forward to the spot at the start."""

    price: float
    options: list[int] = field(default_factory=list)
    forwards: dict[Any, float] = field(default_factory=dict)  # expiry -> forward / spot at the start


class TickSource:
    """Makes the ticks of a market. `flawed`: some are late, swapped, repeated or malformed."""

    def __init__(self, market: SimulatedMarket, *, seed: int, at: datetime, flawed: bool = True) -> None:
        self.market = market
        self.rng = np.random.default_rng(seed)
        self.interest_rng = np.random.default_rng((seed, 1))  # its own, so that prices are the same without it
        self.flawed = flawed
        self.keys = market.quotes.instrument_key
        self.zone = exchange_named(EXCHANGE).zone
        self.walks: dict[str, _Walk] = {}
        self.volume = np.nan_to_num(_column(market, "volume"))
        self.oi = np.nan_to_num(_column(market, "open_interest"))
        self.last_at = at
        self._price: Callable[..., float] = _black()
        self._options: dict[int, _Option] = {}
        self._futures: list[int] = []
        self._read(market, at)
        # An underlying ticks in proportion to its options; one without options, once for fifty ticks of the others.
        most = max(len(self._options) // 50, 1)
        self._draws = [name for name, walk in self.walks.items() for _ in range(max(len(walk.options), most))]

    @property
    def size(self) -> int:
        """The number of ticks that `chain` yields."""
        return len(self.walks) + len(self._futures) + len(self._options)

    @property
    def spots(self) -> dict[str, float]:
        """The prices of now, by symbol."""
        return {parse_key(name).symbol: round(walk.price, 2) for name, walk in self.walks.items()}

    def continue_in(self, market: SimulatedMarket, at: datetime) -> None:
        """Give the contracts of a later market the open interest that they have here, and their volume of this session.

        Volume of another session stays as the market has it.
        """
        rows = {key: row for row, key in enumerate(self.keys) if self.market.instruments[row].expiry}
        there = [row for row, key in enumerate(market.quotes.instrument_key) if key in rows]
        here = [rows[market.quotes.instrument_key[row]] for row in there]
        _column(market, "open_interest")[there] = self.oi[here]
        if local_date(EXCHANGE, at) == local_date(EXCHANGE, self.last_at):
            _column(market, "volume")[there] = self.volume[here]

    def chain(self, at: datetime) -> list[tuple[str, Fields]]:
        """Move the market, then return a tick of every spot, future and option at its new price.

        Each contract has a good one: where another is nonsense, it comes besides.
        """
        self._walk(at)
        made = [
            (name, self._fields(f"{name}@equity_spot", at, ltp=round(walk.price, 2)))
            for name, walk in self.walks.items()
        ]
        made += [self._future_tick(row, at) for row in self._futures]
        made += [self._option_tick(row, at, at) for row in self._options]
        return made + self._spoilt(made, at)[0] if self.flawed else made

    def ticks(self, count: int, at: datetime) -> list[tuple[str, Fields]]:
        """Move the market, then return some ticks as `trades` does."""
        self._walk(at)
        return self.trades(count, at)

    def trades(self, count: int, at: datetime) -> list[tuple[str, Fields]]:
        """Return (underlying, fields) of the next ticks, all at about `at`. Some are late, repeated or nonsense."""
        made = [self._tick(at) for _ in range(count)]
        return self._spoilt(made, at)[1] if self.flawed else made

    def _spoilt(
        self, made: Sequence[tuple[str, Fields]], at: datetime
    ) -> tuple[list[tuple[str, Fields]], list[tuple[str, Fields]]]:
        """Return (the ticks that are nonsense or repeated, all ticks with these and some swapped)."""
        whole, bad = list(made), []
        draws = self.rng.random((len(made), 3))
        for place, (swap, repeat, spoil) in enumerate(draws.tolist()):
            if swap < SWAPPED and place:
                whole[place - 1], whole[place] = whole[place], whole[place - 1]
            if repeat < DUPLICATE:
                whole.append(whole[place])
                bad.append(whole[place])
            if spoil < MALFORMED:
                underlying, fields = whole[place]
                whole[place] = underlying, self._spoil(fields, at)
                bad.append(whole[place])
        return bad, whole

    def _read(self, market: SimulatedMarket, at: datetime) -> None:
        last, mid = _column(market, "last"), 0.5 * (_column(market, "bid") + _column(market, "ask"))
        for row, key in enumerate(market.instruments):
            if key.product.is_option or key.product.is_future:
                continue
            self.walks[key.underlying] = _Walk(float(last[row]))
        pairs: dict[tuple[str, Any], dict[float, list[float]]] = {}
        for row, key in enumerate(market.instruments):
            if key.product.is_option and key.strike is not None:
                legs = pairs.setdefault((key.underlying, key.expiry), {}).setdefault(float(key.strike), [math.nan] * 2)
                legs[key.right is Right.PUT] = float(mid[row])
            elif key.product.is_future:
                self._futures.append(row)
                self.walks[key.underlying].forwards[key.expiry] = float(mid[row]) / self.walks[key.underlying].price
        for (underlying, expiry), strikes in pairs.items():
            walk = self.walks[underlying]
            whole = {strike: legs for strike, legs in strikes.items() if math.isfinite(sum(legs))}
            if whole:
                strike = min(whole, key=lambda strike: abs(strike - walk.price))
                years = _years(market, underlying, expiry, at)
                forward = strike + (whole[strike][0] - whole[strike][1]) * math.exp(RATE * years)
                walk.forwards.setdefault(expiry, forward / walk.price)
        for row, key in enumerate(market.instruments):
            walk = self.walks[key.underlying]
            if key.product.is_option and key.strike is not None and key.expiry in walk.forwards:
                option = self._option(row, float(mid[row]), walk, at)
                if option is not None:
                    self._options[row] = option
        self._quote_flawed()
        for row in self._options:
            self.walks[market.instruments[row].underlying].options.append(row)

    def _quote_flawed(self) -> None:
        """Give each option whose quote no volatility explains that of the nearest strike, so that it ticks too."""
        smiles: dict[tuple[str, Any], list[_Option]] = {}
        for row, option in self._options.items():
            smiles.setdefault((self.market.instruments[row].underlying, option.expiry), []).append(option)
        for row, key in enumerate(self.market.instruments):
            near = smiles.get((key.underlying, key.expiry), [])
            if key.product.is_option and row not in self._options and near:
                strike = float(key.strike or 0)
                like = min(near, key=lambda option: abs(option.strike - strike))
                self._options[row] = replace(like, strike=strike, flag="c" if key.right is Right.CALL else "p")

    def _option(self, row: int, mid: float, walk: _Walk, at: datetime) -> _Option | None:
        """Return None for a quote that no volatility explains."""
        from lets_be_rational.exceptions import AboveMaximumException, BelowIntrinsicException
        from py_vollib.black.implied_volatility import implied_volatility

        key = self.market.instruments[row]
        expires_at = expiry_moment(key)
        years = (expires_at - at).total_seconds() / YEAR_SECONDS
        if not math.isfinite(mid) or years <= 0:
            return None
        strike, flag = float(key.strike or 0), "c" if key.right is Right.CALL else "p"
        try:
            volatility = implied_volatility(mid, walk.forwards[key.expiry] * walk.price, strike, RATE, years, flag)
        except (AboveMaximumException, BelowIntrinsicException):
            return None
        if not 0.01 < volatility < 5:
            return None
        bid, ask = (float(_column(self.market, name)[row]) for name in ("bid", "ask"))
        return _Option(strike, flag, key.expiry, expires_at, volatility, max(0.5 * (ask - bid), TICK / 2))

    def _walk(self, at: datetime) -> None:
        seconds = max((at - self.last_at).total_seconds(), 0.0)
        self.last_at = max(at, self.last_at)
        # The market never closes, so a year's moves spread over all its hours, as options' time to expiry does.
        step = math.sqrt(seconds / YEAR_SECONDS)
        for name, walk in self.walks.items():
            volatility = VOLATILITY_OF_THE_INDEX if name.endswith(VOLATILITY_INDEX) else ANNUAL_VOLATILITY
            walk.price *= math.exp(volatility * step * float(self.rng.standard_normal()))

    def _tick(self, at: datetime) -> tuple[str, Fields]:
        name = self._draws[int(self.rng.integers(len(self._draws)))]
        walk = self.walks[name]
        late = self.flawed and self.rng.random() < LATE
        moment = at - timedelta(seconds=LATE_SECONDS * float(self.rng.random())) if late else at
        if not walk.options or self.rng.random() < SPOT_SHARE:
            return name, self._fields(f"{name}@equity_spot", moment, ltp=round(walk.price, 2))
        return self._option_tick(walk.options[int(self.rng.integers(len(walk.options)))], at, moment)

    def _future_tick(self, row: int, at: datetime) -> tuple[str, Fields]:
        key = self.market.instruments[row]
        walk = self.walks[key.underlying]
        fair = walk.forwards[key.expiry] * walk.price
        half = max(fair * HALF_SPREAD_OF_FUTURES, TICK / 2)
        self.volume[row] += (self.market.lot_sizes[row] or 1) * int(self.interest_rng.integers(1, 10))
        bid, ask = _to_tick(fair - half, math.floor), _to_tick(fair + half, math.ceil)
        numbers = {"volume": float(self.volume[row]), "oi": float(self.oi[row])}
        return key.underlying, self._fields(self.keys[row], at, ltp=_to_tick(fair, round), bid=bid, ask=ask, **numbers)

    def _option_tick(self, row: int, at: datetime, moment: datetime) -> tuple[str, Fields]:
        """Return a tick of the option at its price as of `at`, with the time `moment`."""
        name, option = self.market.instruments[row].underlying, self._options[row]
        walk = self.walks[name]
        years = max((option.expires_at - at).total_seconds(), 1.0) / YEAR_SECONDS
        forward = walk.forwards[option.expiry] * walk.price
        fair = self._price(option.flag, forward, option.strike, years, RATE, option.volatility)
        bid = max(_to_tick(fair - option.half_spread, math.floor), 0.0)
        ask = max(_to_tick(fair + option.half_spread, math.ceil), TICK)
        lot = self.market.lot_sizes[row] or 1
        traded = lot * int(self.rng.integers(1, 10))
        self.volume[row] += traded
        # A trade opens positions, closes them, or hands them on: more are opened than closed.
        opened = lot * int(self.interest_rng.integers(-(traded // lot) // 2, traded // lot + 1))
        self.oi[row] = max(self.oi[row] + opened, 0.0)
        sizes = self.rng.integers(1, 40, 2) * lot
        more: Fields = {"bid": bid, "bid_size": int(sizes[0])} if bid > 0 else {}
        return name, self._fields(
            self.keys[row],
            moment,
            ltp=max(_to_tick(fair, round), TICK),
            **more,
            ask=ask,
            ask_size=int(sizes[1]),
            last_quantity=traded,
            volume=float(self.volume[row]),
            oi=float(self.oi[row]),
        )

    def _fields(self, key: str, moment: datetime, **numbers: float) -> Fields:
        return {"instrument_key": key, "ltt": moment.astimezone(self.zone).isoformat(), **numbers, "state": "U"}

    def _spoil(self, fields: Fields, at: datetime) -> Fields:
        kind = int(self.rng.integers(6))
        tomorrow = (at + timedelta(days=1)).isoformat()
        changes: list[Fields] = [
            {"ltt": ""},
            {"ltt": tomorrow},
            {"ltp": "NaN"},
            {"ltp": -1.0},
            {"bid": "many"},
            {"instrument_key": f"{EXCHANGE}@NOBODY@equity_spot"},
        ]
        return {**fields, **changes[kind]}


def _column(market: SimulatedMarket, name: str) -> NDArray[np.float64]:
    column = getattr(market.quotes, name)
    return np.full(len(market.quotes), np.nan) if column is None else column


def _years(market: SimulatedMarket, underlying: str, expiry: Any, at: datetime) -> float:
    key = next(key for key in market.instruments if key.underlying == underlying and key.expiry == expiry)
    return (expiry_moment(key) - at).total_seconds() / YEAR_SECONDS


def _to_tick(price: float, rounding: Callable[[float], float]) -> float:
    return round(rounding(round(price / TICK, 6)) * TICK, 2)


def _black() -> Callable[..., float]:
    from py_vollib.black import black  # seconds to import

    priced: Callable[..., float] = black
    return priced
