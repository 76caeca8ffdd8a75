"""Quotes as columns."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

Prices = NDArray[np.float64] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class QuoteRows:
    """One quote per element: `instrument_key` and `time` (aware, or one moment for all) say which.

    The other columns are float64 of the same length; NaN is "not known". A column of None is one that the source does
    not speak of at all: recording leaves what is stored in it. Prices are as quoted, volume and open interest in units
    of the underlying.
    """

    instrument_key: Sequence[str]
    time: Sequence[datetime] | datetime
    source: str
    bid: Prices = None
    ask: Prices = None
    last: Prices = None
    settle: Prices = None
    close: Prices = None
    volume: Prices = None
    open_interest: Prices = None

    def __len__(self) -> int:
        return len(self.instrument_key)

    def __post_init__(self) -> None:
        for name in ("time", *NUMBER_COLUMNS):
            column = getattr(self, name)
            if column is not None and not isinstance(column, datetime) and len(column) != len(self):
                raise ValueError(f"{name} has {len(column)} elements, instrument_key {len(self)}")

    @property
    def numbers(self) -> dict[str, NDArray[np.float64]]:
        """The columns that the source speaks of, by name."""
        named = {name: getattr(self, name) for name in NUMBER_COLUMNS}
        return {name: column for name, column in named.items() if column is not None}


NUMBER_COLUMNS = tuple(f.name for f in fields(QuoteRows) if f.name not in ("instrument_key", "time", "source"))
