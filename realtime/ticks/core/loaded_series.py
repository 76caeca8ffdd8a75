"""What is asked of the tables for a live series, and what they gave."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from signals.indicators.core.spec import Spec
from timeframes.core.bars import FoldedBars
from timeframes.core.timeframe import Timeframe


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A series to load, of the minutes that begin before `upto` (microseconds since 1970).

    `opened`: that minute has ticks. `texts`: of its indicators. `latest`, `topic`: where the newest published state is.
    """

    row: int
    key: str
    exchange: str
    timeframe: Timeframe
    specs: tuple[Spec, ...]
    texts: tuple[str, ...]
    upto: int
    opened: bool
    latest: str
    topic: str


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """`bars`: closed ones, of the indicators' run. `time`, `prices`: of the bar that is forming, without minutes from
    `upto` on. `date_begin`: of the date that the run is for, None if nothing is stored.

    `published`: the beginning of the newest bar whose complete state was published, None if it is not known.
    """

    asked: Asked
    bars: FoldedBars
    time: int | None
    prices: NDArray[np.float64] | None
    date_begin: int | None
    published: int | None

    @property
    def kind(self) -> tuple[tuple[Spec, ...], int]:
        """Series of one kind may be computed together."""
        return self.asked.specs, len(self.bars)
