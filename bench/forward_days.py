"""Days of NSE's derivatives as the snapshots that pricing reads, beside the closes of the futures."""

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import ChainColumns, ChainSnapshot, ExpiryColumns, UnderlyingColumns
from signalsite.embedded.state import CHECKOUT
from timeframes.core.keys import InstrumentKey, Product
from timeframes.core.sessions import expiry_moment, session_close

FOLDER = CHECKOUT.parent / "shared" / "data" / "1_bhavcopy"
INDICES = frozenset({"NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50"})
TICK = 2e-4  # the greatest tick of these futures, as a share of their price
MONTHS = ("near", "next", "later")


@dataclass(frozen=True, eq=False)
class Day:
    """One file. `expiries` has a row for each group of the snapshot, in its order.

    Its columns: symbol, expiry, index (bool), month ("near", "next" or "later" among the futures of its symbol, "" for
    an expiry without one), future (the close of that future if it traded to the end, else NaN), early (bool: it traded,
    but not to the end) and both_legs (at how many strikes both legs traded). `traded` and `open_interest` have an
    element for each option.

    The exchange closes and settles a future that traded in the last half hour at the mean of that half hour, else it
    settles it at a model's price. So a settlement that is not the close (to a tick) shows that the close is older.
    """

    title: str
    expiries: pd.DataFrame
    snapshot: ChainSnapshot
    traded: np.ndarray
    open_interest: np.ndarray

    def only(self, kept: np.ndarray) -> ChainSnapshot:
        """Return the snapshot with these options alone."""
        options = self.snapshot.options
        quotes = QuoteColumns(**{name: getattr(options.quotes, name)[kept] for name in QuoteColumns.__slots__})
        chain = ChainColumns(
            group=options.group[kept], sign=options.sign[kept], strike=options.strike[kept], quotes=quotes
        )
        return replace(self.snapshot, options=chain)


def files() -> list[Path]:
    return sorted(each for each in FOLDER.glob("*") if each.suffix in (".gz", ".zip"))


def read_day(path: Path) -> Day:
    import django

    django.setup()  # the importer's module knows the tables too
    from signals.importers.bhavcopy import read_contracts

    parts = read_contracts(path)
    table = pd.concat([part.table for part in parts.values()], ignore_index=True)
    layout = next(iter(parts.values())).layout.name
    (day,) = table.trade_date.unique()
    at = session_close("NSE", day).timestamp()
    symbols = sorted(table.symbol.unique())
    is_option = table.right != ""
    futures = table[~is_option]
    options = table[is_option].assign(put=lambda rows: rows.right == "put")
    options = options.sort_values(["symbol", "expiry", "strike", "put"])
    keys = options[["symbol", "expiry"]].drop_duplicates().reset_index(drop=True)
    group = options.groupby(["symbol", "expiry"], sort=True).ngroup().to_numpy(np.intp)
    chain = ChainColumns(
        group=group,
        sign=np.where(options.put, -1.0, 1.0),
        strike=options.strike.to_numpy(float),
        quotes=_quotes(options, at),
    )
    traded = (options.close > 0).to_numpy()  # the reader drops the close of an option that did not trade
    return Day(
        title=f"{day.day} {day:%B %Y} ({layout})",
        expiries=_beside(keys, futures, chain, traded),
        snapshot=ChainSnapshot(
            at=at,
            underlyings=_underlyings(table, symbols, at, day),
            groups=_columns(keys, symbols),
            options=chain,
            futures=_columns(futures, symbols),
            future_quotes=_quotes(futures, at),
        ),
        traded=traded,
        open_interest=options.open_interest.to_numpy(float),
    )


def _beside(keys: pd.DataFrame, futures: pd.DataFrame, chain: ChainColumns, traded: np.ndarray) -> pd.DataFrame:
    early = (futures.settle - futures.close).abs() > TICK * futures.close
    ranked = futures.assign(rank=futures.groupby("symbol").expiry.rank().astype(int) - 1, early=early)
    ranked["close"] = ranked.close.mask(early)
    found = keys.merge(ranked[["symbol", "expiry", "rank", "close", "early"]], on=["symbol", "expiry"], how="left")
    calls, puts = chain.pairs()
    both = np.bincount(chain.group[calls][traded[calls] & traded[puts]], minlength=len(keys))
    return keys.assign(
        index=found.symbol.isin(INDICES),
        month=["" if np.isnan(rank) else MONTHS[min(int(rank), 2)] for rank in found["rank"]],
        future=found.close.to_numpy(float),
        early=found.early.eq(True),  # an expiry without a future has NaN
        both_legs=both,
    )


def _underlyings(table: pd.DataFrame, symbols: list[str], at: float, day: date) -> UnderlyingColumns:
    spot = table.groupby("symbol").underlying_price.first().reindex(symbols).to_numpy(float)
    unknown = np.full(len(symbols), np.nan)
    return UnderlyingColumns(
        spot=spot,
        spot_source=np.where(spot > 0, 3, -1).astype(np.int8),
        spot_time=np.full(len(symbols), at),
        volatility_index=unknown,
        volatility_index_time=unknown,
        dividend_yield=np.zeros(len(symbols)),
        today=np.full(len(symbols), day.toordinal(), np.int64),
    )


def _columns(rows: pd.DataFrame, symbols: list[str]) -> ExpiryColumns:
    # Options and futures of NSE expire at the same moment.
    keys = [
        InstrumentKey("NSE", symbol, Product.EQUITY_FUTURES, day) for symbol, day in rows[["symbol", "expiry"]].values
    ]
    return ExpiryColumns(
        underlying=np.searchsorted(symbols, rows.symbol.to_numpy(str)).astype(np.intp),
        expiry=np.array([expiry.toordinal() for expiry in rows.expiry], np.int64),
        expires_at=np.array([expiry_moment(key).timestamp() for key in keys]),
    )


def _quotes(rows: pd.DataFrame, at: float) -> QuoteColumns:
    unknown = np.full(len(rows), np.nan)
    prices = {name: rows[name].to_numpy(float) for name in ("last", "settle", "close", "volume")}
    return QuoteColumns(bid=unknown, ask=unknown, time=np.full(len(rows), at), **prices)
