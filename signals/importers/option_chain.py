"""Imports snapshots of NSE's option chain."""

import json
from pathlib import Path

import numpy as np
from django.db import transaction

from signals.importers.core.option_chain import NotAnOptionChain, OptionChainFile, read_option_chain
from signals.importers.files import decode, read_parts
from signals.importers.reports import ImportReport, ProgressCallback, RejectedRow
from signals.instruments.models import Instrument
from signals.instruments.services import register_instruments
from timeframes.core.keys import InstrumentKey, Product
from timeframes.core.quotes import QuoteRows
from timeframes.quotes.services import record_quotes

SOURCE = "nse-option-chain"


def import_option_chain(path: Path, *, progress: ProgressCallback) -> ImportReport:
    """Store the contracts and quotes of one snapshot in one transaction.

    Raises UnreadableFile for a damaged file and NotAnOptionChain for one that is no usable chain, and then stores
    nothing.
    """
    parts = read_parts(path)
    if len(parts) != 1:
        raise NotAnOptionChain(f"the zip holds {len(parts)} files, not one")
    try:
        document = json.loads(decode(next(iter(parts.values()))))
    except json.JSONDecodeError as error:
        raise NotAnOptionChain(f"not JSON: {error}") from error
    chain = read_option_chain(document)
    with transaction.atomic():
        _store(chain)
    progress(len(chain.keys), len(chain.keys))
    rejected = [
        RejectedRow(path.name, number, reason, detail, json.dumps(leg))
        for number, reason, detail, leg in chain.rejected
    ]
    expiries = len({key.expiry for key in chain.keys})
    what = f"option chain of {chain.symbol} at {chain.time:%Y-%m-%d %H:%M:%S} IST, {expiries} expiries"
    return ImportReport(path.name, what, chain.legs_read, len(chain.keys), int(chain.spot > 0), rejected)


def _store(chain: OptionChainFile) -> None:
    names = [str(key) for key in chain.keys]
    register_instruments(
        dict(zip(names, chain.keys, strict=True)),
        lot_sizes=[None if np.isnan(lot) else int(lot) for lot in chain.lot_size],
        as_of=chain.time.date(),
    )
    known = dict(Instrument.objects.filter(key__in=names, lot_size__isnull=False).values_list("key", "lot_size"))
    stored = np.array([known.get(name, np.nan) for name in names], dtype=np.float64)
    units = np.where(np.isnan(chain.lot_size), stored, chain.lot_size)  # the lot of the chain's own day comes first
    record_quotes(
        QuoteRows(
            instrument_key=names,
            time=chain.time,
            source=SOURCE,
            bid=chain.bid,
            ask=chain.ask,
            last=chain.last,
            volume=chain.volume * units,
            open_interest=chain.open_interest * units,
        )
    )
    if chain.spot > 0:
        spot = InstrumentKey("NSE", chain.symbol, Product.EQUITY_SPOT)
        register_instruments({str(spot): spot})
        record_quotes(
            QuoteRows(instrument_key=[str(spot)], time=chain.time, source=SOURCE, last=np.array([chain.spot]))
        )
