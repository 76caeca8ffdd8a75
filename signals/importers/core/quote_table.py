"""Turns rows of any file into contracts and quotes, as a mapping says: columns in, columns and rejected rows out."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signals.importers.core.columns import Columns, Words
from signals.importers.core.fields import NUMBER_FIELDS
from signals.importers.core.leg_contracts import read_contracts
from signals.importers.core.leg_numbers import Floats, read_numbers
from signals.importers.core.mapping import Mapping
from signals.importers.core.moments import micros, moment_of, outside_hours, read_times
from signals.importers.core.raw_table import RawTable, Rejects, Wanted
from timeframes.core.keys import InstrumentKey
from timeframes.core.sessions import expiry_moment

REPEATED = "repeated contract and time, a later row counts"
_NEVER = np.iinfo(np.int64).max
_ABSENT = "absent"


@dataclass(frozen=True, eq=False)
class QuoteTable:
    """The usable legs of some rows, in the order of the file.

    `place` is the place of each leg's contract in `contracts` and `keys`. `time` is in microseconds since 1970 UTC,
    `row` the number of the row in the file. `numbers` are float64 by field, NaN where not given (`read_numbers` says in
    which units). `given`: the fields that the file has. `facts` counts what was converted, left out or noticed.
    """

    keys: list[str]
    contracts: list[InstrumentKey]
    place: NDArray[np.int64]
    time: NDArray[np.int64]
    row: NDArray[np.int64]
    numbers: dict[str, Floats]
    given: frozenset[str]
    rejects: Rejects
    read: int
    notes: tuple[str, ...] = ()
    facts: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.row)

    @property
    def underlying_price(self) -> Floats:
        """The row's own: the forward of the expiry where the file gives it, else the spot."""
        forward = self.numbers["forward_price"]
        return np.where(np.isnan(forward), self.numbers["spot_price"], forward)

    def frame(self) -> pd.DataFrame:
        """Return the legs as a table with the parts of each key."""
        contracts = np.array([*self.contracts, None], dtype=object)[self.place]
        strikes = np.array(
            [np.nan if each.strike is None else float(each.strike) for each in self.contracts] + [np.nan]
        )
        return pd.DataFrame(
            {
                "row": self.row,
                "key": np.array([*self.keys, ""], dtype=object)[self.place],
                "exchange": [each.exchange for each in contracts],
                "symbol": [each.symbol for each in contracts],
                "underlying": [each.underlying for each in contracts],
                "expiry": [each.expiry for each in contracts],
                "strike": strikes[self.place],
                "right": [each.right.value for each in contracts],
                "time": pd.to_datetime(self.time, unit="us", utc=True).astype("datetime64[us, UTC]"),
                "underlying_price": self.underlying_price,
                **self.numbers,
            }
        )


def quote_table(raw: RawTable, mapping: Mapping) -> QuoteTable:
    """Read rows by a mapping. A bad row is in `rejects`."""
    legs = [_read_leg(raw, leg, raw.wanted, mapping) for leg in mapping.legs]
    found = _joined(legs) if len(legs) > 1 else legs[0]
    found = _without_repeats(found)
    found.rejects.extend(raw.rejects)
    found.rejects.rows.sort(key=lambda rejected: rejected.row)
    return found


def _read_leg(raw: RawTable, leg: str, wanted: Wanted, mapping: Mapping) -> QuoteTable:
    columns = Columns(raw, dict(wanted.by_leg[leg]), {**mapping.constants, **raw.shared})
    facts: Counter[str] = Counter()
    absent = ~raw.present[leg] if leg in raw.present else np.zeros(len(raw), bool)
    columns.reason[absent] = _ABSENT
    for column, text, reason in wanted.skip:
        columns.reject(columns.words_of(column).texts() == text, reason)
    for name, column in wanted.overruled.items():
        _compare(columns.words_of(column), mapping, name, column, facts)
    contracts, place = read_contracts(columns, mapping, leg)
    exchange = mapping.exchange or next((each.exchange for each in contracts), "")
    time = read_times(columns, mapping, exchange)
    numbers = read_numbers(columns, mapping, facts)
    time = _checked(columns, mapping, contracts, place, time, exchange)
    for name, count in columns.unread.items():
        facts[f"{name} of the vendor is no number"] += count
    usable = columns.reason == ""
    rejects = Rejects()
    columns.collect(rejects, ~usable & ~absent)
    return QuoteTable(
        keys=[str(contract) for contract in contracts],
        contracts=contracts,
        place=place[usable],
        time=time[usable],
        row=raw.row[usable],
        numbers={name: column[usable] for name, column in numbers.items()},
        given=frozenset(name for name in (*columns.names, *columns.constants) if name in NUMBER_FIELDS),
        rejects=rejects,
        read=int((~absent).sum()) + sum(raw.rejects.counts.values()) * (leg == mapping.legs[0]),
        notes=raw.notes,
        facts=facts,
    )


def _compare(words: Words, mapping: Mapping, name: str, column: str, facts: Counter[str]) -> None:
    """Count the rows in which the column says something else than the value that was set in its place."""
    given = mapping.constants[name]
    for place, text in enumerate(words.values[:20]):
        if text.lower() != given.lower():
            rows = int((words.codes == place).sum())
            facts[f"rows say {column}={text[:40]}, taken as {name}={given[:40]} as you set"] += rows


def _checked(
    columns: Columns,
    mapping: Mapping,
    contracts: list[InstrumentKey],
    place: NDArray[np.int64],
    time: NDArray[np.int64],
    exchange: str,
) -> NDArray[np.int64]:
    """Reject rows outside the session or after the expiry, and return the moment of each quote: of a bar its end."""
    ended = time + mapping.bar_seconds * 1_000_000
    if mapping.hours != "any":
        usable = columns.reason == ""
        early, late = outside_hours(exchange, np.where(usable, time, 0), np.where(usable, ended, 0))
        columns.reject(usable & early, "before the session's opening")
        if mapping.hours == "within":
            columns.reject(usable & late, "after the session's close")
    ends = [micros(expiry_moment(each)) if each.expiry else _NEVER for each in contracts]
    end = np.array([*ends, _NEVER], dtype=np.int64)[place]
    columns.reject((columns.reason == "") & (ended > end), "quoted after its expiry")
    return ended


def _joined(legs: list[QuoteTable]) -> QuoteTable:
    """Put the legs of each row beside each other."""
    keys = list(dict.fromkeys(key for leg in legs for key in leg.keys))
    number = {key: at for at, key in enumerate(keys)}
    contract = {key: each for leg in legs for key, each in zip(leg.keys, leg.contracts, strict=True)}
    places = [np.array([*(number[key] for key in leg.keys), -1], dtype=np.int64)[leg.place] for leg in legs]
    row = np.concatenate([leg.row for leg in legs])
    order = np.argsort(row, kind="stable")
    rejects = Rejects()
    for leg in legs:
        rejects.extend(leg.rejects)
    return QuoteTable(
        keys=keys,
        contracts=[contract[key] for key in keys],
        place=np.concatenate(places)[order],
        time=np.concatenate([leg.time for leg in legs])[order],
        row=row[order],
        numbers={
            name: np.concatenate([leg.numbers[name] for leg in legs])[order]
            for name in legs[0].numbers
            if all(name in leg.numbers for leg in legs)
        },
        given=legs[0].given.union(*(leg.given for leg in legs)),
        rejects=rejects,
        read=sum(leg.read for leg in legs),
        notes=legs[0].notes,
        facts=sum((leg.facts for leg in legs), Counter()),
    )


def _without_repeats(table: QuoteTable) -> QuoteTable:
    """Of several rows of one contract and time the last counts."""
    repeated = pd.DataFrame({"place": table.place, "time": table.time}).duplicated(keep="last").to_numpy()
    if not repeated.any():
        return table
    for at in np.flatnonzero(repeated).tolist():
        key = table.keys[table.place[at]]
        table.rejects.add(int(table.row[at]), REPEATED, key, f"{key} {moment_of(int(table.time[at])).isoformat()}")
    keep = ~repeated
    return QuoteTable(
        keys=table.keys,
        contracts=table.contracts,
        place=table.place[keep],
        time=table.time[keep],
        row=table.row[keep],
        numbers={name: column[keep] for name, column in table.numbers.items()},
        given=table.given,
        rejects=table.rejects,
        read=table.read,
        notes=table.notes,
        facts=table.facts,
    )
