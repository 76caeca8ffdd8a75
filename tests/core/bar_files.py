"""Whole files of bars, read piece by piece as the importer reads them."""

from pathlib import Path

import numpy as np

from signals.importers.core.bar_looks import Looks
from signals.importers.core.bar_table import BarTable, bar_table
from signals.importers.core.mapping import Mapping
from signals.importers.core.raw_table import Rejects
from signals.importers.quote_files import read_raw_tables
from timeframes.core.bars import join
from timeframes.core.timeframe import parse_timeframe


def whole_file(path: Path, mapping: Mapping, timeframe: str) -> BarTable:
    """Read a file, with the facts that a report would have."""
    seconds = parse_timeframe(timeframe)
    assert isinstance(seconds, int)
    tables = [bar_table(raw, mapping, seconds) for raw in read_raw_tables(path, mapping)]
    looks, rejects = Looks(seconds), Rejects()
    contracts = list(dict.fromkeys(contract for table in tables for contract in table.contracts))
    for table in tables:
        looks.see(table.contracts, table.place, table.bars)
        rejects.extend(table.rejects)
    place = [np.array([contracts.index(each) for each in t.contracts] + [-1])[t.place] for t in tables]
    return BarTable(
        contracts,
        np.concatenate(place),
        join([table.bars for table in tables]),
        rejects,
        sum(table.read for table in tables),
        sum((table.facts for table in tables), looks.finish()),
        tuple(dict.fromkeys(note for table in tables for note in table.notes)),
    )
