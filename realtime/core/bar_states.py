"""The states of bars: their members, and how to write and recognize them."""

from collections.abc import Iterator
from functools import lru_cache

import msgspec
import numpy as np

from realtime.core.states import Instant
from realtime.core.topic_grammar import BARS
from timeframes.core.bars import NUMBERS, BarColumns, Floats, FoldedBars
from timeframes.core.grid import instant


class BarState(msgspec.Struct, gc=False):
    """A bar, as `GET historical/bars` has it. `complete`: false while its time is not over.

    A complete bar comes once more if a late tick changes it.
    """

    instrument_key: str
    timeframe: str
    time: Instant
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    vwap: float | None
    vwap_source: str | None
    open_interest: float | None
    trades: int | None
    complete: bool


_encode = msgspec.json.Encoder().encode
_CLOSED = b'"complete":true}'  # `complete` is the last member
_BEGINNING = f"{BARS}:".encode()


def closes_bar(topic: bytes, state: bytes) -> bool:
    """Return whether the state is a complete bar, which no newer state of the topic may replace unseen."""
    return topic.startswith(_BEGINNING) and state.endswith(_CLOSED)


def bar_states(keys: list[str], timeframe: str, bars: BarColumns, *, complete: bool) -> Iterator[bytes]:
    """Yield the state of each bar. NaN becomes null. Bars of live ticks have the average of trades."""
    sources = bars.vwap_sources() if isinstance(bars, FoldedBars) else _sources(bars.vwap)
    columns = [getattr(bars, name).tolist() for name in NUMBERS]
    for key, time, source, opening, high, low, close, volume, vwap, interest, trades in zip(
        keys, bars.time.tolist(), sources, *columns, strict=True
    ):
        yield _encode(
            BarState(
                instrument_key=key,
                timeframe=timeframe,
                time=_text(time),
                open=opening,
                high=high,
                low=low,
                close=close,
                volume=volume,
                vwap=vwap,
                vwap_source=source,
                open_interest=interest,
                trades=None if trades != trades else int(trades),
                complete=complete,
            )
        )


def _sources(vwap: Floats) -> list[str | None]:
    return [None if unknown else "trades" for unknown in np.isnan(vwap).tolist()]


@lru_cache(1024)
def _text(time: int) -> str:
    return instant(time).isoformat()
