"""What the tables know of the contracts that ticks speak of; new ones are made known."""

from collections.abc import Iterable

from realtime.core.book import Book, Terms
from realtime.core.ticks import Contract
from signals.instruments.core.underlyings import volatility_index_key
from signals.instruments.models import Instrument, Underlying
from signals.instruments.services import register_instruments
from timeframes.core.keys import InstrumentKey


def load_terms(underlyings: Iterable[str]) -> dict[str, Terms]:
    """How the options of each underlying are priced, of those that the tables know."""
    found = Underlying.objects.filter(key__in=list(underlyings))
    return {
        each.key: Terms(each.spot_key, each.volatility_index_key, each.pricing_model == "black76", each.dividend_yield)
        for each in found
    }


def default_terms(key: InstrumentKey) -> Terms:
    return Terms(key.spot, volatility_index_key(key.exchange, key.symbol), False, 0.0)


def prepare_contracts(book: Book, contracts: Iterable[Contract], *, register: bool) -> set[str]:
    """Make the book ready for contracts that it has not met; returns the keys that the tables do not know.

    With `register` there are none: a key says all about its contract, and new strikes are listed during the day.
    """
    new = {contract.text: contract for contract in contracts if contract.text not in book.rows}
    if not new:
        return set()
    known = set(Instrument.objects.filter(key__in=list(new)).values_list("key", flat=True))
    unknown = set(new) - known
    if register and unknown:
        register_instruments({text: new[text].key for text in unknown})
        unknown = set()
    missing = {new[text].underlying: new[text].key for text in new.keys() - unknown}
    terms = load_terms(missing.keys() - book.chains.keys())
    for underlying in missing.keys() - book.chains.keys():
        book.add_underlying(underlying, terms.get(underlying) or default_terms(missing[underlying]))
    return unknown
