"""Quotes as columns."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

Prices = NDArray[np.float64] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class QuoteRows:
    """One quote per element, of the instrument `instrument_key` at `time` (aware; one moment may serve all).

    The other columns are float64 of the same length, NaN where a value is unknown. A column is None if the source never
    gives it: recording then keeps the stored values. Prices are as quoted. Volume and open interest are in units of the
    underlying.
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
        """The columns that the source gives, by name."""
        named = {name: getattr(self, name) for name in NUMBER_COLUMNS}
        return {name: column for name, column in named.items() if column is not None}


NUMBER_COLUMNS = tuple(f.name for f in fields(QuoteRows) if f.name not in ("instrument_key", "time", "source"))
