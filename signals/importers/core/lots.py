"""Lot sizes that a file does not print, but that its turnover proves."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def lots_from_turnover(
    symbol: "pd.Series[str]",
    expiry: "pd.Series[str]",
    *,
    turnover: NDArray[np.float64],
    turnover_step: float,
    contracts: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the lot size of each row, NaN where the file does not prove one.

    `turnover`: value traded, rounded to `turnover_step` (strike and premium for an option, price for a future), of
    `contracts` contracts between `low` and `high` (with the strike added, for an option). Then

        turnover / (contracts high) <= lot <= turnover / (contracts low)

    holds for every traded row of one symbol and expiry, all of which share their lot. It is proven if these intervals
    have one integer in common, or if they contain one lot that is proven for another expiry of the symbol.
    """
    traded = (contracts > 0) & (low > 0) & (turnover > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        least = np.where(traded, (turnover - turnover_step) / (contracts * high), -np.inf)
        most = np.where(traded, (turnover + turnover_step) / (contracts * low), np.inf)
    bounds = pd.DataFrame({"symbol": symbol.to_numpy(), "expiry": expiry.to_numpy(), "least": least, "most": most})
    lots = bounds.groupby(["symbol", "expiry"], sort=False).agg(least=("least", "max"), most=("most", "min"))
    first, last = np.ceil(lots["least"]), np.floor(lots["most"])
    lots["lot"] = np.where((first == last) & (first > 0), first, np.nan)
    proven = lots["lot"].dropna().groupby(level="symbol").unique()
    for row in lots[lots["lot"].isna() & np.isfinite(lots["least"])].itertuples():
        fitting = [lot for lot in proven.get(row.Index[0], ()) if row.least <= lot <= row.most]
        if len(fitting) == 1:
            lots.loc[row.Index, "lot"] = fitting[0]
    return np.asarray(bounds.join(lots["lot"], on=["symbol", "expiry"])["lot"], dtype=np.float64)
