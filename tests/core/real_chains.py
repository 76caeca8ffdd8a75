"""Real chains as snapshots: the exchange's pages of 2_nse_chain, and the minutes of 3_intraday_india."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moneyness.core.priced import InterestColumns
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import ChainColumns, ChainSnapshot, ExpiryColumns, UnderlyingColumns

DATA = Path(__file__).parents[2] / "../shared/data"
ZONE = "Asia/Kolkata"
CLOSE = pd.Timedelta(hours=15.5)
NSE_FILES = ("banknifty_2021-05-17_1530", "nifty_2022-03-15_1301", "nifty_2025-08-05_1359")
Made = tuple[ChainSnapshot, InterestColumns]


def read_page(name: str) -> dict[str, Any]:
    """Return the exchange's answer as it came."""
    found: dict[str, Any] = json.loads(gzip.decompress((DATA / "2_nse_chain" / f"{name}.json.gz").read_bytes()))
    return found


def page(name: str) -> Made:
    records = read_page(name)["records"]
    legs = [
        {"expiry": row["expiryDate"], "strike": row["strikePrice"], "sign": 1.0 if side == "CE" else -1.0, **row[side]}
        for row in records["data"] for side in ("CE", "PE") if side in row
    ]  # fmt: skip
    frame = pd.DataFrame(legs)
    made = pd.DataFrame(
        {
            "moment": pd.to_datetime(records["timestamp"], format="%d-%b-%Y %H:%M:%S"),
            "spot": records["underlyingValue"],
            "expiry": pd.to_datetime(frame.expiry, format="%d-%b-%Y"),
            "strike": frame.strike,
            "sign": frame.sign,
            "bid": frame.bidprice,
            "ask": frame.askPrice,
            "last": frame.lastPrice,
            "volume": frame.totalTradedVolume,
            "open_interest": frame.openInterest,
            "open_interest_before": frame.openInterest - frame.changeinOpenInterest,
        }
    )
    return chains(made)


def minutes(day: str) -> Made:
    """Last trades of a chain by the minute: each minute is an underlying of its own."""
    frame = pd.read_parquet(DATA / "3_intraday_india" / f"NIFTY_chain_1min_snapshots_{day}.parquet")
    made = pd.DataFrame(
        {
            "moment": pd.to_datetime(frame.timestamp, format="%Y%m%d%H%M"),
            "spot": frame.spot,
            "expiry": pd.to_datetime(frame.expiry, format="%d-%b-%Y"),
            "strike": frame.strike,
            "sign": np.where(frame.option_type == "CE", 1.0, -1.0),
            "last": frame.ltp,
            "volume": frame.volume,
            "open_interest": frame.oi,
            "open_interest_before": frame.oi - frame.oi_chg,
        }
    )
    return chains(made)


def five_minutes() -> Made:
    name = "NIFTY_chain_5min_snapshots_20260511_exp19MAY2026.csv.gz"
    frame = pd.read_csv(DATA / "3_intraday_india" / name)
    made = pd.DataFrame(
        {
            "moment": pd.to_datetime(frame.datetime).dt.tz_localize(None).dt.floor("min"),
            "spot": frame.underlyingValue,
            "expiry": pd.to_datetime(frame.expiryDate, format="%d-%b-%Y"),
            "strike": frame.strikePrice.astype(float),
            "sign": np.where(frame.optionType == "Call", 1.0, -1.0),
            "last": frame.lastPrice,
            "volume": frame.volume.astype(float),
            "open_interest": frame.openInterest,
        }
    )
    return chains(made)


def chains(frame: pd.DataFrame) -> Made:
    """Return the chains of a table with the times of India. A price of 0 is none."""
    frame = frame.assign(put=frame.sign < 0).sort_values(["moment", "expiry", "strike", "put"]).reset_index(drop=True)
    moments = frame.drop_duplicates("moment")
    groups = frame.drop_duplicates(["moment", "expiry"])
    of = np.searchsorted(moments.moment, groups.moment)
    at = _seconds(moments.moment)
    count = len(moments)
    group = frame.groupby(["moment", "expiry"], sort=True).ngroup().to_numpy(np.intp)
    unknown = np.full(count, np.nan)

    def column(name: str) -> np.ndarray:
        if name not in frame:
            return np.full(len(frame), np.nan)
        return frame[name].to_numpy(float, copy=True)

    none = np.empty(0)
    snapshot = ChainSnapshot(
        at=at,
        underlyings=UnderlyingColumns(
            spot=moments.spot.to_numpy(float),
            spot_source=np.ones(count, np.int8),
            spot_time=at,
            volatility_index=unknown,
            volatility_index_time=unknown,
            dividend_yield=np.zeros(count),
            today=np.array([each.toordinal() for each in moments.moment], np.int64),
        ),
        groups=ExpiryColumns(
            underlying=of.astype(np.intp),
            expiry=np.array([each.toordinal() for each in groups.expiry], np.int64),
            expires_at=_seconds(groups.expiry + CLOSE),
        ),
        options=ChainColumns(
            group=group,
            sign=column("sign"),
            strike=column("strike"),
            quotes=QuoteColumns(
                **{name: column(name) for name in ("bid", "ask", "last", "settle", "close", "volume")},
                time=at[of][group],
            ),
        ),
        futures=ExpiryColumns(underlying=none.astype(np.intp), expiry=none.astype(np.int64), expires_at=none),
        future_quotes=QuoteColumns(**dict.fromkeys(QuoteColumns.__slots__, none)),
    )
    interest = {name: column(name) for name in ("open_interest", "open_interest_before")}
    return snapshot, InterestColumns(**interest)


def _seconds(times: "pd.Series[Any]") -> np.ndarray:
    return np.array([each.timestamp() for each in times.dt.tz_localize(ZONE)], np.float64)
