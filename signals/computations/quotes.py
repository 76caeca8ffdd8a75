"""Quotes of instruments at an instant: their ages, and the price that each gives."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime

import numpy as np

from signals.greeks.core.conventions import PRICE_WORDS, PriceSource
from signals.greeks.core.prices import QuoteColumns, choose_price
from signals.greeks.selection import InstrumentComputation
from signalsite.foundation.computations.columns import BAD_INPUT, OK, Column, StatusWord
from signalsite.foundation.computations.contract import (
    Answers,
    Bounds,
    Context,
    LiveComputation,
    Overrides,
    Parameter,
    Params,
    TickColumns,
)
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.rows import binary_rows
from timeframes.core.keys import parse_key, why_unknown

_NUMBERS = ("bid", "ask", "last", "settle", "close", "volume", "open_interest")
_QUOTES = f"""
SELECT i.key IS NOT NULL OR q.time IS NOT NULL, {", ".join(f"q.{name}" for name in _NUMBERS)},
       extract(epoch FROM q.time)::float8, q.source
FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS wanted(key, place)
LEFT JOIN signals_instrument i ON i.key = wanted.key
LEFT JOIN LATERAL (
    SELECT * FROM timeframes_quote WHERE instrument_key = wanted.key AND time <= %(as_of)s ORDER BY time DESC LIMIT 1
) q ON true
ORDER BY wanted.place
"""
_REASONS = {
    "no_quote": "no quote of it is stored at or before as_of",
    "stale": "its newest quote is {age:.0f} s old; {most:.0f} s are allowed",
    "crossed": "bid {bid:.10g} is over ask {ask:.10g}, and no other price is known",
    "one_sided": "only one side of the market is quoted, and no other price is known",
    "no_price": "its quote has no price",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteInputs:
    """In the order of the keys; float64, NaN for what is not stored."""

    keys: Sequence[str]
    known: np.ndarray  # bool: the instrument is listed, or has a quote
    bid: np.ndarray
    ask: np.ndarray
    last: np.ndarray
    settle: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    open_interest: np.ndarray
    time: np.ndarray  # seconds since 1970
    source: Sequence[str | None]
    as_of: float
    max_age: float

    def digest(self) -> str:
        found = hashlib.blake2b(repr(self.source).encode(), digest_size=16)
        for each in fields(self):
            if isinstance(column := getattr(self, each.name), np.ndarray):
                found.update(column.tobytes())
        return found.hexdigest()


class Quotes(InstrumentComputation, LiveComputation):
    name = "quotes"
    version = 2
    summary = "Quotes of instruments, and their ages"
    parameters = (
        Parameter(
            name="max_quote_age_seconds",
            type=float,
            default=86400.0,
            bounds=Bounds(1.0, 31_536_000.0),
            help="An older quote is shown, but gives no price.",
        ),
    )
    columns = (
        *(Column(name, float, "As quoted.") for name in ("bid", "ask")),
        Column("last", float, "The last trade."),
        Column("settle", float, "The exchange's settlement price."),
        Column("close", float, "The session's closing price."),
        Column("volume", float, "Traded in the session, in units of the underlying."),
        Column("open_interest", float, "In units of the underlying."),
        Column("quote_time", str, "Moment of the quote, ISO 8601 in UTC."),
        Column("age_seconds", float, "Age of the quote at as_of."),
        Column("market", str, "two_sided, crossed, one_sided, or none where neither side is quoted."),
        Column("price", float, "The price that `auto` takes: mid, else last, else settle, else close."),
        Column("price_source", str, "Which price that is: mid, last, settle or close."),
        Column("source", str, "Which importer or feed wrote the quote."),
    )
    statuses = (
        StatusWord("no_quote", "no quote is stored at or before as_of", retryable=True),
        StatusWord("stale", "the newest quote is older than max_quote_age_seconds", retryable=True),
        StatusWord("crossed", "the bid is over the ask, and no other price is known"),
        StatusWord("one_sided", "only one side is quoted, and no other price is known"),
        StatusWord("no_price", "the quote has no price at all"),
    )

    def load(
        self, keys: Sequence[str], overrides: Overrides, as_of: datetime, params: Params, context: Context
    ) -> QuoteInputs:
        rows = binary_rows(_QUOTES, {"keys": list(keys), "as_of": as_of})
        known, *numbers, source = zip(*rows, strict=True)
        return QuoteInputs(
            keys=keys,
            known=np.array(known, bool),
            **{name: np.array(each, np.float64) for name, each in zip((*_NUMBERS, "time"), numbers, strict=True)},
            source=source,
            as_of=as_of.timestamp(),
            max_age=params["max_quote_age_seconds"],
        )

    def from_ticks(self, ticks: TickColumns, params: Params) -> QuoteInputs:
        nothing = np.full(len(ticks.keys), np.nan)
        return QuoteInputs(
            keys=ticks.keys,
            known=np.ones(len(ticks.keys), bool),
            **{name: getattr(ticks, name) for name in ("bid", "ask", "last", "volume", "open_interest", "time")},
            settle=nothing,
            close=nothing,  # a tick's may be yesterday's
            source=["tick"] * len(ticks.keys),
            as_of=ticks.now,
            max_age=params["max_quote_age_seconds"],
        )

    def evaluate(self, inputs: QuoteInputs) -> Answers:
        quotes = QuoteColumns(
            **{name: getattr(inputs, name) for name in ("bid", "ask", "last", "settle", "close", "volume", "time")}
        )
        with np.errstate(over="ignore", invalid="ignore"):  # where no float holds the mid, there is none
            price, source = choose_price(quotes, PriceSource.AUTO)
        age = inputs.as_of - inputs.time
        bid, ask = inputs.bid > 0, inputs.ask > 0
        crossed = bid & ask & (inputs.bid > inputs.ask)
        market = np.select([crossed, bid & ask, bid | ask], ["crossed", "two_sided", "one_sided"], "none")
        unknown = {place: _is_instrument(inputs.keys[place]) for place in np.flatnonzero(~inputs.known).tolist()}
        no_key = np.isin(np.arange(len(age)), [place for place, possible in unknown.items() if not possible])
        status = np.select(
            [no_key, np.isnan(inputs.time), age >= inputs.max_age, ~np.isnan(price), crossed, bid ^ ask],
            [BAD_INPUT.word, "no_quote", "stale", OK, "crossed", "one_sided"],
            "no_price",
        )
        usable = status == OK
        reasons: list[str | None] = [None] * len(status)
        for place in np.flatnonzero(~usable).tolist():
            reasons[place] = self._reason(inputs, str(status[place]), place, float(age[place]))
        return Answers(
            {
                "status": status.tolist(),
                "reason": reasons,
                **{name: getattr(inputs, name) for name in _NUMBERS},
                "quote_time": [_moment(each) for each in inputs.time.tolist()],
                "age_seconds": age,
                "market": [
                    str(word) if seen else None for seen, word in zip(~np.isnan(inputs.time), market, strict=True)
                ],
                "price": np.where(usable, price, np.nan),
                "price_source": [
                    str(PRICE_WORDS[code]) if good else None for good, code in zip(usable, source, strict=True)
                ],
                "source": list(inputs.source),
            }
        )

    def _reason(self, inputs: QuoteInputs, word: str, place: int, age: float) -> str:
        if not inputs.known[place]:  # a source may list it tomorrow, if it can be an instrument at all
            return why_unknown(inputs.keys[place])
        bid, ask = float(inputs.bid[place]), float(inputs.ask[place])
        return _REASONS[word].format(age=age, most=inputs.max_age, bid=bid, ask=ask)


def _is_instrument(text: str) -> bool:
    try:
        return bool(parse_key(text).product)
    except InvalidInput:
        return False


def _moment(seconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):  # NaN, or a moment that no calendar date has
        return None
