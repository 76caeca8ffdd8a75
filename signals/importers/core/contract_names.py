"""Reads the names that exchanges and vendors give to options."""

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import partial

Contract = tuple[str, date, Decimal, str]  # symbol, expiry, strike, right

_RIGHTS = {"C": "call", "P": "put"}
_OSI = re.compile(r"\.?([A-Z][A-Z0-9]{0,5}) *([0-9]{6})([CP])([0-9]{8})")
_DERIBIT = re.compile(r"([A-Z0-9]+)-([0-9]{1,2}[A-Z]{3}[0-9]{2})-([0-9]+)-([CP])")
_DERIBIT_LINEAR = re.compile(r"([A-Z0-9]+_[A-Z0-9]+)-([0-9]{1,2}[A-Z]{3}[0-9]{2})-([0-9]+(?:d[0-9]+)?)-([CP])")
_TDA = re.compile(r"([A-Z][A-Z0-9./]{0,9})_([0-9]{6})([CP])([0-9]+(?:\.[0-9]+)?)")


def read_name(kind: str, name: str) -> Contract | None:
    """Return symbol, expiry, strike and right of a name, None if it is no such name.

    | kind           | example                                     |
    |----------------|---------------------------------------------|
    | osi            | SPXW220712C01000000: strike in thousandths  |
    | deribit        | BTC-22MAY20-9250-P                          |
    | deribit_linear | XRP_USDC-22MAY26-1d35-C                     |
    | tda            | MSFT_052121P215: month, day, year           |
    """
    try:
        return _READERS[kind](name)
    except (ValueError, InvalidOperation):
        return None


def _osi(name: str) -> Contract | None:
    if not (found := _OSI.fullmatch(name)):
        return None
    return found[1], _day(found[2], "%y%m%d"), Decimal(found[4]) / 1000, _RIGHTS[found[3]]


def _deribit(name: str, pattern: re.Pattern[str] = _DERIBIT) -> Contract | None:
    if not (found := pattern.fullmatch(name)):
        return None
    strike = Decimal(found[3].replace("d", "."))
    return found[1], _day(found[2].zfill(7), "%d%b%y"), strike, _RIGHTS[found[4]]


def _tda(name: str) -> Contract | None:
    if not (found := _TDA.fullmatch(name)):
        return None
    return found[1], _day(found[2], "%m%d%y"), Decimal(found[4]), _RIGHTS[found[3]]


def _day(text: str, form: str) -> date:
    return datetime.strptime(text, form).date()  # noqa: DTZ007  a date has no zone


_READERS: dict[str, Callable[[str], Contract | None]] = {
    "osi": _osi,
    "deribit": _deribit,
    "deribit_linear": partial(_deribit, pattern=_DERIBIT_LINEAR),
    "tda": _tda,
}
