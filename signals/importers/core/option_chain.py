"""Reads NSE's option-chain JSON: decoded JSON in, columns and rejected legs out.

    {"records": {"timestamp": "17-May-2021 15:30:00", "underlyingValue": 33459.25,
                 "data": [{"strikePrice": 18000, "expiryDate": "30-Sep-2021", "CE": {leg}, "PE": {leg}}, ...]}}

A price of 0 means that there is none. Open interest and traded volume are in contracts of that day's lot size, so
older contracts show fractions such as 92.667. Order quantities are in units.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import KOLKATA
from timeframes.core.keys import InstrumentKey, InvalidInstrumentKey, parse_key

_RIGHTS = {"CE": "call", "PE": "put"}
_QUANTITIES = ("bidQty", "askQty", "buyQuantity1", "sellQuantity1", "totalBuyQuantity", "totalSellQuantity")
# Names of the original endpoint, then of its third version.
_BID, _ASK = ("bidprice", "buyPrice1"), ("askPrice", "sellPrice1")
MIN_QUANTITIES = 50


class NotAnOptionChain(InvalidInput):
    """The JSON is not an answer of NSE's option-chain endpoint."""

    def __init__(self, message: str) -> None:
        super().__init__("file", message)


class BadLeg(InvalidInput):
    """A leg that cannot be used. `field` holds the reason, the message its detail."""


@dataclass(frozen=True, eq=False)
class OptionChainFile:
    """One snapshot. Columns have one element per usable leg, NaN where there is none.

    `lot_size` is NaN where the order quantities leave it in doubt; `volume` and `open_interest` are in contracts.
    `rejected`: (leg's number from 1 in the order of the file, reason, detail, leg). `spot` is NaN when not given.
    """

    symbol: str
    time: datetime
    spot: float
    keys: list[InstrumentKey]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    last: NDArray[np.float64]
    volume: NDArray[np.float64]
    open_interest: NDArray[np.float64]
    lot_size: NDArray[np.float64]
    rejected: list[tuple[int, str, str, Any]]
    legs_read: int


def read_option_chain(document: Any) -> OptionChainFile:
    """Read the decoded JSON. Raises NotAnOptionChain; a bad leg is returned in `rejected`."""
    records = document.get("records") if isinstance(document, dict) else None
    data = records.get("data") if isinstance(records, dict) else None
    if not isinstance(records, dict) or not isinstance(data, list):
        raise NotAnOptionChain("this is no NSE option chain: it has no records.data")
    time = _timestamp(records.get("timestamp"))
    legs = [(side, row, row[side]) for row in data if isinstance(row, dict) for side in _RIGHTS if row.get(side)]
    rows: dict[InstrumentKey, tuple[int, list[float], dict[str, Any]]] = {}
    rejected = []
    for number, (side, row, leg) in enumerate(legs, 1):
        try:
            key = _key(side, row, leg, time.astimezone(KOLKATA).date())
            numbers = _numbers(leg)
        except BadLeg as error:
            rejected.append((number, error.field, str(error), leg))
            continue
        if key in rows:
            rejected.append((rows[key][0], "repeated contract, a later leg counts", str(key), rows[key][2]))
        rows[key] = (number, numbers, leg)
    if not rows:
        raise NotAnOptionChain(f"none of the {len(legs):,} legs can be used")
    symbols = {key.symbol for key in rows}
    if len(symbols) > 1:
        raise NotAnOptionChain(f"the legs are of several underlyings: {', '.join(sorted(symbols))}")
    bid, ask, last, volume, interest = np.array([numbers for _, numbers, _ in rows.values()]).T
    return OptionChainFile(
        symbol=symbols.pop(),
        time=time,
        spot=_price(records, ("underlyingValue",)),
        keys=list(rows),
        bid=bid,
        ask=ask,
        # The last price of an untraded leg is from an earlier day.
        last=np.where(volume > 0, last, np.nan),
        volume=volume,
        open_interest=interest,
        lot_size=_lot_sizes([(key, leg) for key, (_, _, leg) in rows.items()]),
        rejected=sorted(rejected, key=lambda leg: leg[0]),
        legs_read=len(legs),
    )


def _timestamp(text: Any) -> datetime:
    try:
        return datetime.strptime(str(text), "%d-%b-%Y %H:%M:%S").replace(tzinfo=KOLKATA)
    except ValueError:
        raise NotAnOptionChain(f"records.timestamp {text!r} is not a moment such as 17-May-2021 15:30:00") from None


def _key(side: str, row: dict[str, Any], leg: Any, day: date) -> InstrumentKey:
    if not isinstance(leg, dict):
        raise BadLeg("leg is not an object", f"{leg!r:.80}")
    text = str(leg.get("expiryDate") or row.get("expiryDate") or row.get("expiryDates"))
    expiry = _date(text)
    if expiry < day:
        raise BadLeg("expired before the chain's timestamp", text)
    strike = leg.get("strikePrice", row.get("strikePrice"))
    written = f"{strike:.6f}".rstrip("0").rstrip(".") if _is_number(strike) else str(strike)
    try:
        return parse_key(f"NSE@{leg.get('underlying')}@equity_options@{expiry}@{_RIGHTS[side]}@{written}")
    except InvalidInstrumentKey as error:
        raise BadLeg(f"bad {error.part}", str(error)) from None


def _date(text: str) -> date:
    for form in ("%d-%b-%Y", "%d-%m-%Y"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=KOLKATA).date()
        except ValueError:
            continue
    raise BadLeg("expiry is not a date", text)


def _numbers(leg: dict[str, Any]) -> list[float]:
    counts = [_number(leg, name) for name in ("totalTradedVolume", "openInterest")]
    return [_price(leg, _BID), _price(leg, _ASK), _price(leg, ("lastPrice",)), *counts]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(leg: dict[str, Any], name: str) -> float:
    value = leg.get(name)
    if value is None:
        return math.nan
    if not _is_number(value) or value < 0:
        raise BadLeg(f"{name} is not a number from 0", repr(value))
    return float(value)


def _price(leg: dict[str, Any], names: tuple[str, ...]) -> float:
    name = next((name for name in names if name in leg), names[0])
    return _number(leg, name) or math.nan


def _lot_sizes(legs: list[tuple[InstrumentKey, dict[str, Any]]]) -> NDArray[np.float64]:
    """Return the lot size of each leg: the greatest common divisor of its expiry's order quantities, NaN if in doubt.

    Orders are whole lots, and many of them share no divisor but the lot. Where a few market makers quote alone, though,
    all orders may be an even number of lots. So a divisor counts only if an expiry with at least MIN_QUANTITIES orders
    has it and no other such expiry has a proper divisor of it.
    """
    quantities: defaultdict[date | None, list[int]] = defaultdict(list)
    for key, leg in legs:
        found = [leg[name] for name in _QUANTITIES if _is_number(leg.get(name))]
        quantities[key.expiry] += [int(quantity) for quantity in found if quantity >= 1]
    divisors = {expiry: math.gcd(*found) for expiry, found in quantities.items()}
    seen = {divisors[expiry] for expiry, found in quantities.items() if len(found) >= MIN_QUANTITIES}
    certain = {lot for lot in seen if not any(lot % other == 0 for other in seen - {lot})}
    return np.array([divisors[key.expiry] if divisors[key.expiry] in certain else math.nan for key, _ in legs])
