"""Names the contract of each row: by its key, its name at the exchange, or its parts."""

import math
import re
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from signals.importers.core.columns import MAX_PRICE, Columns
from signals.importers.core.contract_names import read_name
from signals.importers.core.mapping import Mapping
from signals.importers.core.moments import read_dates
from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import InstrumentKey, InvalidInstrumentKey, Product, format_strike, parse_key

Found = InstrumentKey | str
"""A contract, or the reason why there is none."""
Places = NDArray[np.int64]
_NONE = np.empty(0, dtype=np.int64)
_NO_TERMS: tuple[list[date | None], Places, list[str | None], Places, NDArray[np.float64], Places]
_NO_TERMS = ([], _NONE, [], _NONE, np.empty(0), _NONE)
_RIGHTS = {
    word: right
    for right, words in {"call": ("c", "call", "calls", "ce"), "put": ("p", "put", "puts", "pe")}.items()
    for word in words
}


def read_contracts(columns: Columns, mapping: Mapping, leg: str) -> tuple[list[InstrumentKey], Places]:
    """Return the distinct contracts and the place of each row's in them; -1 for a row that this rejects.

    `leg`: call or put where each row has both, else empty.
    """
    reader = _Reader(columns, mapping, leg)
    if columns.has("key"):
        return reader.by_word("key", _whole_key)
    if columns.has("contract"):
        return reader.by_word("contract", reader.named)
    return reader.by_parts()


class _Reader:
    def __init__(self, columns: Columns, mapping: Mapping, leg: str) -> None:
        self.columns, self.mapping, self.leg = columns, mapping, leg

    def by_word(self, name: str, read: Callable[[str], Found]) -> tuple[list[InstrumentKey], Places]:
        words = self.columns.words(name)
        self.columns.reject(words.codes < 0, f"{name} is missing")
        results, codes = words.mapped(read)
        texts = words.texts()
        return self._settled(results, codes, lambda place: texts[place][:80])

    def _settled(
        self, results: Sequence[Found], codes: Places, shown: Callable[[int], str]
    ) -> tuple[list[InstrumentKey], Places]:
        """Reject the rows whose contract is a reason, and number the others."""
        contracts = list(dict.fromkeys(each for each in results if not isinstance(each, str)))
        number = {each: at for at, each in enumerate(contracts)}
        by_code = [-1 if isinstance(each, str) else number[each] for each in results]
        for reason in sorted({each for each in results if isinstance(each, str)}):
            bad = np.array([each == reason for each in results] + [False])
            self.columns.reject(bad[codes], reason, shown)
        return contracts, np.array([*by_code, -1], dtype=np.int64)[codes]

    def named(self, name: str) -> Found:
        mapping = self.mapping
        if not mapping.contract_names:
            return "the mapping does not say how contracts are named"
        found = read_name(mapping.contract_names, name)
        if found is None:
            return f"contract is no name as of {mapping.contract_names}"
        symbol, expiry, strike, right = found
        if self.leg and right != self.leg:
            return f"contract is no {self.leg}"
        return _option(
            self._exchange(symbol), mapping.symbols.get(symbol, symbol), mapping.asset, expiry, right, strike
        )

    def _exchange(self, symbol: str) -> str:
        return self.mapping.exchanges.get(symbol, self.mapping.exchange)

    def by_parts(self) -> tuple[list[InstrumentKey], Places]:
        """Build keys from exchange, symbol, expiry, right and strike: once for each distinct combination."""
        columns, mapping = self.columns, self.mapping
        exchanges, symbols = columns.words("exchange"), columns.words("symbol")
        columns.reject(exchanges.codes < 0, "exchange is missing")
        columns.reject(symbols.codes < 0, "symbol is missing")
        names = [_symbol(text, mapping) for text in symbols.values]
        parts = [exchanges.codes, symbols.codes]
        expiries, expiry_codes, rights, right_codes, strikes, strike_codes = _NO_TERMS
        if mapping.product != "spot":
            zone = self._zone(exchanges.values)
            expiries, expiry_codes = read_dates(columns, "expiry", mapping.expiry_format, zone)
            strike = columns.numbers("strike")
            given = np.ones(len(strike), dtype=bool)
            dated = given
            if mapping.product == "any":
                given, dated = ~np.isnan(strike) | (columns.words("right").codes >= 0), expiry_codes >= 0
            columns.reject((given | dated) & (expiry_codes < 0), "expiry is missing")
            texts = columns.words("expiry").texts
            if None in expiries:
                bad = np.array([each is None for each in expiries] + [False])[expiry_codes]
                shown = texts()
                columns.reject(bad, "expiry is not a date", lambda place: shown[place][:80])
            rights, right_codes = self._rights(given)
            columns.reject(given & np.isnan(strike), "strike is missing")
            bad = given & ~((strike > 0) & (strike < MAX_PRICE))
            columns.reject(bad, f"strike is not between 0 and {MAX_PRICE:g}")
            strike_codes, strikes = pd.factorize(strike)
            parts += [expiry_codes, np.where(given, right_codes, -1), strike_codes]
        usable = columns.reason == ""
        combined = np.zeros(len(columns.raw), dtype=np.int64)
        for codes in parts:
            combined, distinct = pd.factorize(combined * (int(codes.max(initial=0)) + 2) + codes)
            del distinct
        combined = np.where(usable, combined, -1)
        first = pd.Series(np.arange(len(combined))).groupby(combined).first()
        results: list[Found] = []
        code_of = np.full(int(combined.max(initial=-1)) + 2, -1, dtype=np.int64)
        for code, at in zip(first.index.tolist(), first.to_numpy().tolist(), strict=True):
            if code < 0:
                continue
            code_of[code] = len(results)
            symbol, exchange = names[symbols.codes[at]], exchanges.values[exchanges.codes[at]]
            exchange = mapping.exchanges.get(symbol, exchange)
            expiry = None if not len(expiry_codes) or expiry_codes[at] < 0 else expiries[expiry_codes[at]]
            right = None if not len(right_codes) or right_codes[at] < 0 else rights[right_codes[at]]
            if expiry is None or right is None:  # an option without them is rejected above
                results.append(_whole(exchange, symbol, mapping.asset, expiry))
                continue
            results.append(_option_of_float(exchange, symbol, mapping.asset, expiry, right, strikes[strike_codes[at]]))
        shown_symbols = symbols.texts()
        return self._settled(results, code_of[combined], lambda place: shown_symbols[place][:80])

    def _zone(self, exchanges: Sequence[str]) -> ZoneInfo:
        if self.mapping.zone:
            return ZoneInfo(self.mapping.zone)
        for name in exchanges:
            try:
                return exchange_named(name).zone
            except InvalidInput:
                continue
        return ZoneInfo("UTC")

    def _rights(self, given: NDArray[np.bool_]) -> tuple[list[str | None], Places]:
        if self.leg:
            return [self.leg], np.zeros(len(self.columns.raw), dtype=np.int64)
        words = self.columns.words("right")
        rights, codes = words.mapped(lambda text: _RIGHTS.get(text.lower()))
        texts = words.texts()
        bad = np.array([each is None for each in rights] + [True])[codes]
        self.columns.reject(given & bad, "right is neither call nor put", lambda place: texts[place][:80])
        return rights, codes


def _whole_key(text: str) -> Found:
    try:
        key = parse_key(text)
        exchange_named(key.exchange)
    except InvalidInput as error:
        return f"bad key: {error}"[:200]
    return key if key.product else "bad key: it is an underlying, not an instrument"


def _symbol(text: str, mapping: Mapping) -> str:
    if mapping.symbol_pattern:
        found = re.search(mapping.symbol_pattern, text)
        text = found[1] if found else ""
    return mapping.symbols.get(text, text)


@lru_cache(maxsize=65_536)
def _option(exchange: str, symbol: str, asset: str, expiry: date, right: str, strike: Decimal) -> Found:
    """Return the contract, or the reason why there is none."""
    try:
        exchange_named(exchange)
        found = parse_key(f"{exchange}@{symbol}@{asset}_options@{expiry}@{right}@{format_strike(strike)}")
    except InvalidInstrumentKey as error:
        return f"bad {error.part}"
    except InvalidInput:
        return "unknown exchange"
    return found


@lru_cache(maxsize=65_536)
def _option_of_float(exchange: str, symbol: str, asset: str, expiry: date, right: str, strike: float) -> Found:
    written = Decimal(f"{strike:.6f}")
    if not math.isclose(float(written), strike, rel_tol=1e-9):
        return "strike has more than six decimals"
    return _option(exchange, symbol, asset, expiry, right, written)


@lru_cache(maxsize=4_096)
def _whole(exchange: str, symbol: str, asset: str, expiry: date | None) -> Found:
    """Return the spot, or with an expiry the future, or the reason why there is none."""
    kind = "spot" if expiry is None else "futures"
    try:
        exchange_named(exchange)
        return parse_key(str(InstrumentKey(exchange, symbol, Product(f"{asset}_{kind}"), expiry)))
    except InvalidInstrumentKey as error:
        return f"bad {error.part}"
    except InvalidInput:
        return "unknown exchange"
