"""Reads a vendor's file as columns."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from signals.comparison.core.vendor import VendorColumns
from signals.importers.core.mapping import Mapping
from signals.importers.core.quote_table import QuoteTable
from signals.importers.core.raw_table import NotATable
from signals.importers.quote_files import read_quote_file
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import InstrumentKey
from timeframes.core.sessions import expiry_moment

MAX_LEGS = 500_000
"""Legs compared at most: about 250 MB of columns."""
_NAMES = {"mark": "mark_price", "future": "forward_price", "spot": "spot_price"}
_NUMBERS = (
    *("bid", "ask", "last", "settle", "close", "mark", "volume", "spot", "future"),
    *("implied_volatility", "delta", "gamma", "theta", "vega", "rho"),
)


@dataclass
class VendorFile:
    """A file's options. `row` and `keys` are of each leg; `left` counts those beyond the limit."""

    columns: VendorColumns
    keys: list[str]
    contracts: list[InstrumentKey]
    row: np.ndarray
    legs_read: int
    rejected: Counter[str]
    notes: list[str] = field(default_factory=list)


def read_vendor_file(path: Path, mapping: Mapping, limit: int = MAX_LEGS) -> VendorFile:
    """Read up to `limit` legs. Raises UnreadableFile or NotATable, also for a file without an option."""
    parts: list[dict[str, np.ndarray]] = []
    contracts: dict[str, int] = {}
    known: list[InstrumentKey] = []
    expiries: dict[tuple[str, object], int] = {}
    rejected: Counter[str] = Counter()
    facts: Counter[str] = Counter()
    notes: list[str] = []
    read = kept = 0
    for table in read_quote_file(path, mapping):
        read += table.read
        rejected.update(table.rejects.counts)
        facts.update(table.facts)
        notes = notes or list(table.notes)
        part = _part(table, contracts, known, expiries)
        part = {name: column[: limit - kept] for name, column in part.items()}
        parts.append(part)
        kept += len(part["row"])
        if kept >= limit:
            notes.append(f"the first {limit:,} options of the file are compared (--limit)")
            break
    if not kept:
        why = "; ".join(f"{count:,} rows: {reason}" for reason, count in rejected.most_common(3))
        raise NotATable(f"the file has no option that can be read{': ' + why if why else ''}")
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    row = joined.pop("row")
    return VendorFile(
        columns=VendorColumns(**joined),
        keys=list(contracts),
        contracts=known,
        row=row,
        legs_read=read,
        rejected=rejected,
        notes=[*notes, *(f"{count:,} {what}" for what, count in facts.items())],
    )


def _part(
    table: QuoteTable,
    contracts: dict[str, int],
    known: list[InstrumentKey],
    expiries: dict[tuple[str, object], int],
) -> dict[str, np.ndarray]:
    """Return the columns of the options in a piece of a file, with contracts and expiries numbered over all pieces."""
    for key, contract in zip(table.keys, table.contracts, strict=True):
        if contracts.setdefault(key, len(contracts)) == len(known):
            known.append(contract)
    numbers = np.array([contracts[key] for key in table.keys], np.int64)
    is_option = np.array([each.strike is not None and each.expiry is not None for each in table.contracts])
    legs = is_option[table.place] if len(table.keys) else np.zeros(0, bool)
    place = table.place[legs]
    terms = np.array(list(_terms(table.contracts, expiries)), np.float64).reshape(-1, 5)
    sign, strike, ends, ordinal, expiry = terms.T
    time = table.time[legs] / 1e6
    found = {name: table.numbers[_NAMES.get(name, name)][legs] for name in _NUMBERS}
    return {
        "row": table.row[legs],
        "sign": sign[place],
        "strike": strike[place],
        "contract": numbers[place],
        "expiry": expiry[place].astype(np.int64),
        "time": time,
        "seconds_to_expiry": ends[place] - time,
        "days_to_expiry": ordinal[place] - _local_days(table, legs),
        **found,
    }


def _terms(
    contracts: list[InstrumentKey], expiries: dict[tuple[str, object], int]
) -> Iterator[tuple[float, float, float, float, int]]:
    for each in contracts:
        if each.strike is None or each.expiry is None:
            yield np.nan, np.nan, np.nan, np.nan, -1
            continue
        number = expiries.setdefault((each.underlying, each.expiry), len(expiries))
        sign = 1.0 if each.right.value == "call" else -1.0
        yield sign, float(each.strike), expiry_moment(each).timestamp(), float(each.expiry.toordinal()), number


def _local_days(table: QuoteTable, legs: np.ndarray) -> np.ndarray:
    """Return the date of each quote at its exchange, as date.toordinal."""
    exchanges = np.array([each.exchange for each in table.contracts], dtype=object)[table.place[legs]]
    moments = pd.Series(pd.to_datetime(table.time[legs], unit="us", utc=True))
    days = np.zeros(len(moments))
    for exchange in set(exchanges.tolist()):
        chosen = exchanges == exchange
        local = moments[chosen].dt.tz_convert(exchange_named(exchange).zone).dt.tz_localize(None)
        days[chosen] = local.to_numpy().astype("datetime64[D]").astype(np.int64) + 719_163  # of 1970-01-01
    return days
