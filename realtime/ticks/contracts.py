"""Look up the contracts of ticks in the tables, and register new ones."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from realtime.ticks.core.book import Book, Terms
from realtime.ticks.core.new_contracts import NewContractLimits
from realtime.ticks.core.tick import Reason, RejectedTick, Tick
from signals.instruments.core.underlyings import american_by_default, volatility_index_key
from signals.instruments.models import Instrument, Underlying
from signals.instruments.services import register_instruments
from signals.rates.selectors import load_carry
from timeframes.core.keys import InstrumentKey


def load_terms(underlyings: Iterable[str], now: float | None) -> dict[str, Terms]:
    """Return how the options of each known underlying are priced.

    `now`: read the rates and dividends of these days only. None: those of all days, for ticks of any time.
    """
    found = list(Underlying.objects.filter(key__in=list(underlyings)))
    keys = [each.key for each in found]
    if now is None:
        carry = load_carry(keys)
    else:
        today, day = datetime.fromtimestamp(now, UTC).date(), timedelta(days=1)
        carry = load_carry(keys, first=today - day, last=today + day)  # at any exchange
    return {
        each.key: Terms(
            spot_key=each.spot_key,
            volatility_index_key=each.volatility_index_key,
            black76=each.pricing_model == "black76",
            dividend_yield=each.dividend_yield,
            american=each.exercise == "american",
            carry=carry[each.key],
        )
        for each in found
    }


def default_terms(key: InstrumentKey) -> Terms:
    american = american_by_default(key.exchange, key.symbol)
    return Terms(key.spot, volatility_index_key(key.exchange, key.symbol), False, 0.0, american=american)


def prepare_contracts(
    book: Book,
    ticks: Iterable[Tick],
    *,
    register: bool,
    new_contracts: NewContractLimits | None = None,
    now: float | None = None,
) -> dict[str, RejectedTick]:
    """Prepare the book for contracts that it does not know. Return the keys that are rejected, and why.

    With `register`, contracts missing from the tables are added to them, because exchanges list new strikes during the
    day and a key says everything about its contract. `new_contracts` limits how many, at `now` (None: at the time of
    each contract's tick).
    """
    new: dict[str, Tick] = {}
    for tick in ticks:
        if tick.contract.text not in book.rows:
            new.setdefault(tick.contract.text, tick)
    if not new:
        return {}
    known = set(Instrument.objects.filter(key__in=list(new)).values_list("key", flat=True))
    unknown = {key: tick for key, tick in new.items() if key not in known}
    if not register:
        refused = {key: RejectedTick(Reason.UNKNOWN_INSTRUMENT, f"no instrument {key} is known") for key in unknown}
    else:
        refused = new_contracts.reject(unknown, now) if new_contracts else {}
        listed = {key: tick for key, tick in unknown.items() if key not in refused}
        if listed:
            register_instruments({key: tick.contract.key for key, tick in listed.items()})
        if new_contracts:
            new_contracts.count(listed, now)
    missing = {
        tick.contract.underlying: tick.contract.key
        for key, tick in new.items()
        if key not in refused and tick.contract.underlying not in book.underlyings
    }
    terms = load_terms(missing, now) if missing else {}
    for underlying, key in missing.items():
        book.add_underlying(underlying, terms.get(underlying) or default_terms(key))
    return refused
