"""Greeks of options at the four prices of their bars: one stretch of time, options of any number of expiries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from signals.greeks.core.contracts import ContractColumns
from signals.greeks.core.conventions import GreeksParams
from signals.greeks.core.snapshot import GroupMarket
from signals.history.core.markets import traded
from signals.history.core.points import POINTS, Extremes, instants, moment_of
from timeframes.core.bars import BarColumns
from timeframes.core.grid import SECOND, Instants, instant

_REASONS = {
    "expired": "the contract expired at or before this instant",
    "no_price": "the bar has no price over 0 here",
}
_NO_UNDERLYING = "{spot} has no price in a bar of this time, and no other source of the forward has either"
_NOT_NAMED = "the source of the forward that was named has no price in a bar of this time"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryMarkets:
    """The markets at each moment of each bar of one expiry, as `markets_of` returns them."""

    begins: Instants
    ends: Instants
    markets: Sequence[GroupMarket]
    spot_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Options with their bars, and the markets around them. `of` is each option's place among the expiries."""

    sign: np.ndarray
    strike: np.ndarray
    expires_at: np.ndarray
    black76: np.ndarray
    dividend_yield: np.ndarray
    american: np.ndarray
    bars: Sequence[BarColumns]
    of: Sequence[int]
    expiries: Sequence[ExpiryMarkets]


@dataclass(frozen=True, slots=True)
class BlockAnswers:
    """One row for each option, bar and point, in this order. `option` is the place of each row's option."""

    option: np.ndarray
    columns: dict[str, Any]


def answer_block(
    block: Block, params: GreeksParams, points: Sequence[str], extremes: Extremes = Extremes.BY_RIGHT
) -> BlockAnswers:
    """Return Greeks with their receipts at these points of every bar, NaN and None for null."""
    from signals.greeks.core.answers import answer_options  # loads the kernels, which most processes never need

    firsts = np.cumsum([0, *(len(each.markets) for each in block.expiries)])
    at = np.concatenate([np.empty(0), *(instants(each.begins, each.ends).ravel() for each in block.expiries)])
    chosen = [POINTS.index(point) for point in POINTS if point in points]
    option, market, price = list[np.ndarray](), list[np.ndarray](), list[np.ndarray]()
    for place, (bars, of) in enumerate(zip(block.bars, block.of, strict=True)):
        begins = block.expiries[of].begins
        moments = np.array([moment_of(point, float(block.sign[place]), extremes) for point in chosen], np.intp)
        where = firsts[of] + np.searchsorted(begins, bars.time)[:, None] + moments * len(begins)
        option.append(np.full(where.size, place, np.intp))
        market.append(where.ravel())
        price.append(np.stack([getattr(bars, POINTS[point]) for point in chosen], axis=1).ravel())
    which, group = _joined(option).astype(np.intp), _joined(market).astype(np.intp)
    markets = [each for expiry in block.expiries for each in expiry.markets]
    time = at[group] / SECOND
    columns = answer_options(
        ContractColumns(
            sign=block.sign[which],
            strike=block.strike[which],
            expires_at=block.expires_at[which],
            black76=block.black76[which],
            dividend_yield=block.dividend_yield[which],
            quotes=traded(_joined(price), _repeated(block.bars, "volume", len(chosen)), time),
            american=block.american[which],
        ),
        group,
        markets,
        {},
        {},
        time,
        params,
    )
    _explain(columns, [block.expiries[block.of[place]].spot_key for place in which.tolist()], params)
    seen = {
        name: np.array([getattr(each, name) for each in markets], np.float64)[group]
        for name in ("spot", "volatility_index")
    }
    return BlockAnswers(
        which,
        {
            "bar_time": _texts(_repeated(block.bars, "time", len(chosen)).astype(np.int64)),
            "point": [POINTS[point] for point in chosen] * (len(which) // max(len(chosen), 1)),
            "instant": _texts(at[group].astype(np.int64)),
            "volume": _repeated(block.bars, "volume", len(chosen)),
            "underlying_price": seen["spot"],
            "volatility_index": seen["volatility_index"],
            **columns,
        },
    )


def _explain(columns: dict[str, Any], spot_keys: Sequence[str], params: GreeksParams) -> None:
    """Say what a reason means for bars, in place."""
    for place, word in enumerate(columns["status"]):
        if word == "no_underlying":
            named = params.forward not in ("auto", "spot")
            columns["reason"][place] = _NOT_NAMED if named else _NO_UNDERLYING.format(spot=spot_keys[place])
        elif word in _REASONS:
            columns["reason"][place] = _REASONS[word]


def _repeated(bars: Sequence[BarColumns], name: str, times: int) -> np.ndarray:
    return np.repeat(_joined([getattr(each, name) for each in bars]), times)


def _texts(times: Instants) -> np.ndarray:
    """Return each time as ISO 8601 in UTC: many rows share one."""
    distinct, place = np.unique(times, return_inverse=True)
    found: np.ndarray = np.array([instant(time).isoformat() for time in distinct.tolist()], object)[place]
    return found


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0)
