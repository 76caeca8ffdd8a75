"""Store ticks and quotes in PostgreSQL."""

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import numpy as np

from realtime.ticks.core.book import Book
from realtime.ticks.core.tick import Tick
from signalsite.foundation.postgres import UNAVAILABLE
from timeframes.core.quotes import QuoteRows
from timeframes.quotes.services import record_quotes
from timeframes.ticks.models import AbstractTick
from timeframes.ticks.store import record_ticks

logger = logging.getLogger(__name__)

SOURCE = "stream"


def store_ticks(model: type[AbstractTick], ticks: Iterable[Tick]) -> None:
    """Store and commit ticks. A tick that is stored already stays unchanged."""
    rows = []
    for tick in ticks:
        f = tick.fields
        rows.append(
            (
                *(tick.contract.text, tick.time, tick.entry_id, f.ltp, f.last_quantity, f.volume, f.oi),
                *(f.bid, f.ask, f.bid_size, f.ask_size, f.open, f.high, f.low, f.close, tick.suspect),
            )
        )
    if rows:
        record_ticks(model, rows)


def store_quotes(book: Book) -> None:
    """Store the newest tick of each instrument that changed since the last call, as a quote for jobs to read.

    If they cannot be stored together, store them by underlying and log those that cannot be stored.
    """
    places = sorted(book.unrecorded)
    try:
        _store_quotes(book, places)
    except UNAVAILABLE:
        raise
    except Exception as error:  # noqa: BLE001 - the fault of one underlying, found below
        logger.error("the newest quotes are stored apart, since together they raise %r", error)
        _store_apart(book, places)


def _store_apart(book: Book, places: Iterable[int]) -> None:
    by_underlying: dict[str, list[int]] = {}
    for row in places:
        by_underlying.setdefault(book.contracts[row].underlying, []).append(row)
    for underlying, rows in by_underlying.items():
        try:
            _store_quotes(book, rows)
        except UNAVAILABLE:
            raise
        except Exception:  # whatever is wrong with one underlying's rows, the others are stored
            logger.exception("the newest quotes of %s cannot be stored", underlying)
            book.unrecorded.difference_update(rows)


def _store_quotes(book: Book, places: Sequence[int]) -> None:
    if not places:
        return
    rows = np.array(places, np.intp)
    record_quotes(
        QuoteRows(
            instrument_key=[book.contracts[row].text for row in places],
            time=[datetime.fromtimestamp(seconds, UTC) for seconds in book.time[rows].tolist()],
            source=SOURCE,
            bid=book.bid[rows],
            ask=book.ask[rows],
            last=book.last[rows],
            volume=book.volume[rows],
            open_interest=book.oi[rows],
        )
    )
    book.unrecorded.difference_update(places)
