"""Which values of levels and of expiries have a history: their columns in the tables and in an evaluation's rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from moneyness.core.chain_rows import GREEKS
from timeframes.core.grid import Anchor
from timeframes.core.timeframe import Timeframe

LEVEL_VALUES: Mapping[str, str] = {
    name: name
    for name in (
        *("implied_volatility", "implied_volatility_by_open_interest", "open_interest", "volume", "premium", "quality"),
        *(f"{greek}_{kind}" for kind in ("mean", "by_open_interest", "by_volume") for greek in GREEKS),
    )
}
"""Value of a level -> column of its rows. The table's columns have the names of the values."""
EXPIRY_VALUES: Mapping[str, str] = {
    "implied_volatility": "atm_implied_volatility",
    "interpolated": "atm_interpolated",
    "nearest": "atm_nearest",
    "straddle_implied": "atm_straddle_implied",
    **{
        name: name
        for name in (
            *("spot", "forward", "atm_strike", "straddle", "expected_move"),
            *("risk_reversal_25", "butterfly_25", "slope", "max_pain", "gamma_exposure", "gamma_flip"),
            *("put_call_ratio_open_interest", "put_call_ratio_volume", "call_open_interest", "put_open_interest"),
            *("call_volume", "put_volume"),
        )
    },
}
FITTED = {"risk_reversal_25", "butterfly_25", "slope"}
"""Values that come from the fitted smile where there is one."""
SIDES = ("both", "calls", "puts")


class Source(StrEnum):
    AUTO = "auto"  # recorded, and computed where nothing is recorded
    RECORDED = "recorded"
    COMPUTED = "computed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A checked request: the bars of one value that begin in [begin, end).

    `level` is empty for a value of an expiry. Without `expiry` and `tenor`, the nearest expiry of each instant counts.
    """

    underlying: str
    exchange: str
    timeframe: Timeframe
    anchor: Anchor
    begin: datetime
    end: datetime
    value: str
    source: Source
    level: str = ""
    side: str = "both"
    expiry: date | None = None
    tenor: float | None = None
