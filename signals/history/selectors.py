"""Reads the bars that historical Greeks are made of: the options', their chains', futures', spots' and indices'."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
from django.db.models import Exists, OuterRef, QuerySet

from signals.greeks.core.conventions import Exercise, ForwardSource, GreeksParams
from signals.greeks.selectors import ExpiryGroup, OptionRows, load_options
from signals.history.core.block import Block, ExpiryMarkets
from signals.history.core.markets import BarMoments, ChainBars, ExpiryTerms, markets_of
from signals.history.core.points import instants, prices
from signals.history.kept_markets import Around, KeptMarkets
from signals.instruments.core.underlyings import volatility_index_key
from signals.instruments.models import Instrument
from signals.rates.core.carry import CarryHistory
from signals.rates.selectors import load_carry
from signalsite.foundation.rows import binary_rows
from timeframes.bars.many import load_prices
from timeframes.core.bars import FoldedBars, join_folded
from timeframes.core.grid import SECOND, Anchor, Grid, dates_of, instant, make_grid, microseconds
from timeframes.core.keys import parse_key
from timeframes.core.sessions import local_date
from timeframes.core.timeframe import DAY, Timeframe
from timeframes.models import Bar, Tick

_AROUND = """
SELECT i.underlying_id, i.expiry, i.key, i.right, i.strike::float8, extract(epoch FROM i.expires_at)::float8
FROM unnest(%(underlyings)s::text[], %(expiries)s::date[]) AS wanted(underlying, expiry)
JOIN signals_instrument i ON i.underlying_id = wanted.underlying AND i.expiry = wanted.expiry AND i.right <> ''
UNION ALL
SELECT i.underlying_id, i.expiry, i.key, '', NULL, extract(epoch FROM i.expires_at)::float8
FROM unnest(%(all)s::text[]) AS wanted(underlying)
JOIN signals_instrument i ON i.underlying_id = wanted.underlying AND i.product LIKE '%%_futures'
     AND i.expiry >= %(first)s
"""
_EMPTY = join_folded([])
_EARLIER = DAY * SECOND  # an epoch's bar begins before its stretch
_NAMES = "SELECT key, spot_key, volatility_index_key FROM signals_underlying WHERE key = ANY(%(keys)s::text[])"


@dataclass(frozen=True, slots=True)
class _Listed:
    key: str
    sign: float  # 0 for a future
    strike: float
    expiry: date
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Bars of one exchange, as they were known at `until`."""

    exchange: str
    timeframe: Timeframe
    anchor: Anchor
    until: datetime


class History:
    """The contracts of some options of one exchange and what stands around them, read once; `block` reads bars.

    `digest` is of everything read so far, but for markets that were `kept`.
    """

    def __init__(
        self,
        keys: Sequence[str],
        wanted: Wanted,
        begin: datetime,
        params: GreeksParams,
        kept: KeptMarkets | None = None,
    ) -> None:
        self.keys, self.wanted, self._params, self._kept = list(keys), wanted, params, kept
        self.rows: OptionRows = load_options(keys, wanted.until, 0.0)
        self._pairs = [
            (name, day) if name and day else None
            for name, day in zip(self.rows.underlying, self.rows.expiry, strict=True)
        ]
        self._groups: list[ExpiryGroup] = [pair for pair in dict.fromkeys(self._pairs) if pair]
        first, last = local_date(wanted.exchange, begin), local_date(wanted.exchange, wanted.until)
        underlyings = sorted({underlying for underlying, _ in self._groups})
        self._names = _names(underlyings)
        self._carry: Mapping[str, CarryHistory] = load_carry(underlyings, first=first, last=last) if underlyings else {}
        self._options, self._futures = self._around(first)
        self._digest = hashlib.blake2b(digest_size=16)
        self._digest.update(repr((self.rows.digest(), self._names, self._options, self._futures)).encode())

    def digest(self) -> str:
        return self._digest.hexdigest()

    def block(self, begin: datetime, end: datetime) -> Block:
        """Read the bars that begin in [begin, end)."""
        wanted = self.wanted
        grid = make_grid(
            wanted.exchange, wanted.timeframe, wanted.anchor, *dates_of(wanted.exchange, wanted.anchor, begin, end)
        )
        low, high = microseconds(begin), microseconds(end)
        number = {group: at for at, group in enumerate(self._groups)}
        of = [number[group] if group else 0 for group in self._pairs]
        bars = self._load([key for key, group in zip(self.keys, self._pairs, strict=True) if group], grid)
        found = [bars.get(key, _EMPTY) for key in self.keys]
        own = [each.take((each.time >= low) & (each.time < high)) for each in found]
        times = [
            np.unique(
                np.concatenate([_EMPTY.time, *(each.time for each, at in zip(own, of, strict=True) if at == here)])
            )
            for here in number.values()
        ]
        # One chain at a time: the bars of all chains of a chunk may be hundreds of MB.
        expiries = [self._markets(group, begins, grid, low, high) for group, begins in zip(number, times, strict=True)]
        rows = self.rows
        american = rows.american
        assert american is not None
        return Block(
            sign=rows.sign,
            strike=rows.strike,
            expires_at=rows.expires_at,
            black76=rows.black76,
            dividend_yield=rows.dividend_yield,
            american=american,
            bars=own,
            of=of,
            expiries=expiries,
        )

    def _around(self, first: date) -> tuple[dict[ExpiryGroup, list[_Listed]], dict[str, list[_Listed]]]:
        """Return the options of each expiry and the futures of each underlying, where the forward may need them."""
        source = self._params.forward
        options: dict[ExpiryGroup, list[_Listed]] = {group: [] for group in self._groups}
        futures: dict[str, list[_Listed]] = {underlying: [] for underlying, _ in self._groups}
        if source is ForwardSource.SPOT or not self._groups:
            return options, futures
        asked = [] if source is ForwardSource.FUTURE else [group for group in self._groups if self._may_agree(group)]
        found = binary_rows(
            _AROUND,
            {
                "underlyings": [group[0] for group in asked],
                "expiries": [group[1] for group in asked],
                "all": sorted(futures),
                "first": first,
            },
        )
        for underlying, expiry, key, right, strike, expires_at in sorted(found, key=lambda row: row[2]):
            if right:
                sign = 1.0 if right == "call" else -1.0
                options[underlying, expiry].append(_Listed(key, sign, strike, expiry, expires_at))
            else:
                futures[underlying].append(_Listed(key, 0.0, np.nan, expiry, expires_at))
        return options, futures

    def _may_agree(self, group: ExpiryGroup) -> bool:
        """Say whether put-call parity may give the group's forward: `auto` does not ask American options."""
        if self._params.forward is ForwardSource.PARITY or self._params.exercise is Exercise.EUROPEAN:
            return True
        return self._params.exercise is not Exercise.AMERICAN and not self._american(group)

    def _american(self, group: ExpiryGroup) -> bool:
        assert self.rows.american is not None
        return bool(self.rows.american[self._one_of(group)])

    def _one_of(self, group: ExpiryGroup) -> int:
        return self._pairs.index(group)

    def _keys_around(self, group: ExpiryGroup) -> Iterable[str]:
        yield from filter(None, self._names[group[0]])
        yield from (each.key for each in (*self._options[group], *self._futures[group[0]]))

    def _load(self, keys: Sequence[str], grid: Grid) -> dict[str, FoldedBars]:
        distinct = list(dict.fromkeys(keys))
        found = dict(zip(distinct, load_prices(distinct, grid, self.wanted.until), strict=True))
        for key, bars in found.items():
            self._digest.update(key.encode())
            for column in (bars.time, bars.open, bars.high, bars.low, bars.close, bars.volume):
                self._digest.update(column.tobytes())
        return found

    def _markets(self, group: ExpiryGroup, begins: np.ndarray, grid: Grid, low: int, high: int) -> ExpiryMarkets:
        """Return the markets at these bars. Kept ones are those of all bars of the chain in [low, high)."""
        if not len(begins):
            return ExpiryMarkets(begins=begins, ends=begins, markets=[], spot_key=self._names[group[0]][0])
        keys = tuple(self._keys_around(group))
        if self._kept is None or int(grid.ends[-1]) > microseconds(self.wanted.until):  # bars are still to come
            return self._expiry(group, begins, grid, self._load(keys, grid))

        def make() -> ExpiryMarkets:
            around = self._load(keys, grid)
            times = np.unique(np.concatenate([begins, *(bars.time for bars in around.values())]))
            return self._expiry(group, times[(times >= low) & (times < high)], grid, around)

        around = Around(self._terms(group, low, high), keys, int(grid.begins[0]) - _EARLIER, int(grid.ends[-1]))
        found = self._kept.find(around, make)
        if np.isin(begins, found.begins, assume_unique=True).all():
            return found
        return self._expiry(group, begins, grid, self._load(keys, grid))  # an option that no table lists

    def _terms(self, group: ExpiryGroup, low: int, high: int) -> str:
        """Return a digest of all that the markets of a group follow from, but for bars."""
        one, wanted = self._one_of(group), self.wanted
        underlying = group[0]
        own = (float(self.rows.expires_at[one]), float(self.rows.dividend_yield[one]), self._american(group))
        listed = (self._names[underlying], self._options[group], self._futures[underlying], self._carry[underlying])
        told = (group, wanted.exchange, wanted.timeframe, wanted.anchor, low, high, self._params, own, listed)
        return hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest()

    def _expiry(
        self, group: ExpiryGroup, begins: np.ndarray, grid: Grid, around: Mapping[str, FoldedBars]
    ) -> ExpiryMarkets:
        underlying, expiry = group
        one = self._one_of(group)
        spot_key, index_key = self._names[underlying]
        ends = np.minimum(grid.bar_ends(begins), microseconds(self.wanted.until))
        listed, futures = self._options[group], self._futures[underlying]
        today = self._dates(instants(begins, ends))
        carry = self._carry[underlying]
        markets = markets_of(
            BarMoments(
                begins=begins,
                ends=ends,
                spot=prices(around.get(spot_key, _EMPTY), begins),
                volatility_index=prices(around.get(index_key, _EMPTY), begins),
                today=today,
                known=[carry.on(day) for day in today.ravel().tolist()],
            ),
            ExpiryTerms(
                expiry=expiry.toordinal(),
                expires_at=float(self.rows.expires_at[one]),
                dividend_yield=float(self.rows.dividend_yield[one]),
                american=self._american(group),
            ),
            ChainBars(
                sign=np.array([each.sign for each in listed]),
                strike=np.array([each.strike for each in listed]),
                options=[around.get(each.key, _EMPTY) for each in listed],
                futures=[around.get(each.key, _EMPTY) for each in futures],
                future_expiry=np.array([each.expiry.toordinal() for each in futures], np.int64),
                future_expires_at=np.array([each.expires_at for each in futures]),
            ),
            self._params,
        )
        self._digest.update(repr(list(dict.fromkeys(each.carry for each in markets))).encode())
        return ExpiryMarkets(begins=begins, ends=ends, markets=markets, spot_key=spot_key)

    def _dates(self, times: np.ndarray) -> np.ndarray:
        distinct, place = np.unique(times, return_inverse=True)
        days = [local_date(self.wanted.exchange, instant(time)).toordinal() for time in distinct.tolist()]
        found: np.ndarray = np.array(days, np.int64)[place].reshape(times.shape)
        return found


def stored_between(options: QuerySet[Instrument], end: datetime, begin: datetime) -> QuerySet[Instrument]:
    """Select the options of which a bar or a tick of [begin, end) is stored."""
    own = {"instrument_key": OuterRef("key"), "time__gte": begin, "time__lt": end}
    return options.filter(Exists(Bar.objects.filter(**own)) | Exists(Tick.objects.filter(**own)))


def _names(underlyings: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the keys of each underlying's spot and volatility index; of one in no table, those of a new one."""
    known = {key: (spot, index) for key, spot, index in binary_rows(_NAMES, {"keys": list(underlyings)})}
    for name in underlyings:
        if name not in known:
            key = parse_key(name)
            known[name] = key.spot, volatility_index_key(key.exchange, key.symbol)
    return known
