"""Whole chains of underlyings: levels, volatilities, smiles and what open interest says, at instants of the past."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from django.conf import settings

from moneyness.computations.answer_rows import ChainInputs, Pair, Slab, ordered
from moneyness.computations.columns import COLUMNS, COLUMNS_OF, PICKED
from moneyness.computations.parameters import CLOSE, MOST_EXPIRIES, MOST_LISTED, PARAMETERS, STATUSES, check_dates
from moneyness.core.chain_params import AtmVolatility, ChainParams, DealerSign, GammaFormula
from moneyness.core.chain_rows import What, chain_rows, near_money
from moneyness.selectors import chain_params
from moneyness.stored_chains import load_slabs, newest_option_quote, quoted_groups, underlyings_of
from signals.greeks.core.conventions import DayCount, Exercise, ForwardSource, GreeksParams, IvFrom, Model, PriceSource
from signals.greeks.selectors import exchange_of
from signals.instruments.selectors import find_underlying
from signalsite.foundation.computations.columns import BAD_INPUT, UNDERLYING, VERDICT, Column
from signalsite.foundation.computations.contract import Answers, Computation, Context, Overrides, Params, Prepared, Runs
from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import Product, parse_key
from timeframes.core.sessions import is_session, session_close

OPTIONS_AT_ONCE = 100_000
"""Options that one call prices and evaluates: some 100 MB of columns."""


class Moneyness(Computation):
    """Each item is an underlying. Its chains are evaluated as the live ones are, from what was stored at an instant."""

    name = "moneyness"
    item_kind = UNDERLYING
    version = 2
    summary = "Chains of underlyings: levels, deltas, smiles, open interest and constant maturities"
    parameters = PARAMETERS
    columns = COLUMNS
    statuses = STATUSES
    most_rows = 200_000
    rows_a_chunk = 200  # a row of a summary may stand for a thousand options

    @cached_property
    def picked(self) -> dict[str, str]:
        return dict.fromkeys(PICKED, "what")

    def columns_for(self, params: Params) -> tuple[Column, ...]:
        return (*VERDICT, *COLUMNS_OF[What({**self.defaults, **params}["what"])])

    def rows_per_item(self, params: Params) -> int:
        what = What(params["what"])
        dates = check_dates(params)
        instants = 1 if dates is None else (dates[1] - dates[0]).days + 1
        if what is What.TERM:
            return instants * len(params["tenors"])
        levels = 3 + 2 * params["strikes"] + len(params["deltas"]) + MOST_LISTED
        each = {
            What.SUMMARY: 1,
            What.LEVELS: 3 * levels,
            What.DELTAS: 2 * len(params["deltas"]),
            What.STRIKES: 2 * params["around"] + 1,
        }
        return int(instants * params["expiries"] * each[what])

    def exchange(self, keys: Iterable[str], selector: Mapping[str, Any] | None) -> str:
        if selector is not None:
            name = selector.get("underlying")
            if name:
                return find_underlying(name, "selector.underlying").exchange
            return selector.get("exchange") or settings.DEFAULT_EXCHANGE
        for key in keys:
            try:
                return exchange_named(parse_key(key).exchange).name
            except InvalidInput:  # only that item fails
                continue
        return settings.DEFAULT_EXCHANGE

    def check_selector(self, selector: Mapping[str, Any]) -> None:
        for name in ("expiries", "strike", "moneyness"):
            if selector.get(name):
                raise InvalidInput(f"selector.{name}", "this computation evaluates whole chains of underlyings")
        if not selector.get("underlying"):
            exchange_named(self.exchange((), selector))
        if not underlyings_of(**self._selected(selector)):
            raise InvalidInput("selector", "no underlying with options matches")

    def completed_selector(self, selector: Mapping[str, Any]) -> Mapping[str, Any]:
        if not (name := selector.get("underlying")):
            return selector
        return {**selector, "underlying": find_underlying(name, "selector.underlying").key}

    def _selected(self, selector: Mapping[str, Any]) -> dict[str, Any]:
        if name := selector.get("underlying"):
            return {"underlying": find_underlying(name, "selector.underlying").key, "exchange": None}
        return {"underlying": None, "exchange": self.exchange((), selector)}

    def prepare(self, runs: Runs, as_of: datetime | None, params: Params) -> Prepared:
        """The instant of a range of dates is the last one's, in the zone of the first valid key."""
        if check_dates(params) is not None:
            keys = [key for run in runs for key in run[:1]]
            return Prepared(_last_instant(self.exchange(keys, None), params), {})
        if as_of is None:
            as_of = max(filter(None, (newest_option_quote(run) for run in runs)), default=None)
        return Prepared(as_of, {})

    def prepare_selector(self, selector: Mapping[str, Any], as_of: datetime | None, params: Params) -> Prepared:
        selected, age = self._selected(selector), params["max_quote_age_seconds"]
        dates = check_dates(params)
        if dates is not None:
            as_of = _last_instant(self.exchange((), selector), params)
            return Prepared(as_of, {}, underlyings_of(**selected, expiring_from=dates[0]))
        known = underlyings_of(**selected)
        newest = newest_option_quote(known) if as_of is None else None
        as_of = as_of or newest
        if as_of is None:
            return Prepared(None, {}, [])
        keys = sorted({key for key, _ in quoted_groups(known, as_of, age)})
        return Prepared(as_of, {}, keys, None if keys else newest_option_quote(known))

    def load(
        self, keys: Sequence[str], overrides: Overrides, as_of: datetime, params: Params, context: Context
    ) -> ChainInputs:
        asked = {**self.defaults, **params}
        instants, refused = list[list[datetime]](), dict[int, tuple[str, str]]()
        for place, key in enumerate(keys):
            found: list[datetime] = []
            try:
                found = _instants(_underlying(key), as_of, asked)
                if not found:
                    refused[place] = "no_session", "the exchange has no session in the range of dates"
            except InvalidInput as error:
                refused[place] = BAD_INPUT.word, str(error)
            instants.append(found)
        pairs = dict.fromkeys((key, at) for key, each in zip(keys, instants, strict=True) for at in each)
        return ChainInputs(list(keys), instants, refused, list(_load_slabs(list(pairs), asked)), asked)

    def evaluate(self, inputs: ChainInputs) -> Answers:
        # This loads the kernels, which most processes never need.
        from moneyness.core.evaluate_chain import evaluate_chain, price_chains

        what = What(inputs.asked["what"])
        names = [column.name for column in COLUMNS_OF[what]]
        parts, rows_of, count = list[dict[str, np.ndarray]](), dict[Pair, np.ndarray](), 0
        conventions = greeks_params(inputs.asked)
        for slab in inputs.slabs:
            stored = slab.chains
            priced = price_chains(stored.snapshot, stored.keys, stored.black76, stored.interest, conventions)
            found = evaluate_chain(priced, slab.params)
            underlying, columns = chain_rows(found, what)
            if what is What.STRIKES:
                kept = near_money(found, inputs.asked["around"])
                underlying, columns = underlying[kept], {name: column[kept] for name, column in columns.items()}
            edges = np.searchsorted(underlying, np.arange(len(slab.pairs) + 1)) + count
            for pair, begin, end in zip(slab.pairs, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                rows_of[pair] = np.arange(begin, end)
            parts.append(columns)
            count += len(underlying)
        return ordered(inputs, names, parts, rows_of, count)


def greeks_params(asked: Params) -> GreeksParams:
    """Return the conventions of pricing that parameters name."""
    return GreeksParams(
        model=Model(asked["model"]),
        exercise=Exercise(asked["exercise"]),
        forward=ForwardSource(asked["forward"]),
        rate=asked["rate"],
        dividend_yield=asked["dividend_yield"],
        day_count=DayCount(asked["day_count"]),
        price=PriceSource(asked["price"]),
        iv_from=IvFrom(asked["iv_from"]),
        max_quote_age_seconds=asked["max_quote_age_seconds"],
    )


def _asked_params(own: ChainParams, asked: Params) -> ChainParams:
    """Return an underlying's own rules with what the parameters say instead."""
    named: dict[str, Any] = {}
    for name, kind in (
        ("atm_volatility", AtmVolatility),
        ("gamma_formula", GammaFormula),
        ("dealer_sign", DealerSign),
    ):
        if asked[name] is not None:
            named[name] = kind(asked[name])
    lists: dict[str, Any] = {name: tuple(sorted(set(asked[name]))) for name in ("deltas", "tenors")}
    return replace(own, strikes=asked["strikes"], fit=asked["fit"], **lists, **named)


def _load_slabs(pairs: Sequence[Pair], asked: Params) -> Iterator[Slab]:
    """Load the chains, a slab for each set of rules: mostly one. A slab of too many options is cut by instants."""
    own = chain_params({key for key, _ in pairs})
    by_params: dict[ChainParams, list[Pair]] = {}
    for key, at in pairs:
        by_params.setdefault(_asked_params(own[key], asked), []).append((key, at))
    conventions = greeks_params(asked)
    nearest = MOST_EXPIRIES if What(asked["what"]) is What.TERM else asked["expiries"]
    for params, wanted in by_params.items():
        for stored in load_slabs(wanted, conventions, nearest=nearest, most_options=OPTIONS_AT_ONCE):
            yield Slab(list(zip(stored.keys, stored.instants, strict=True)), stored, params)


def _underlying(text: str) -> str:
    key = parse_key(text)
    exchange_named(key.exchange)
    if key.product not in (Product.UNDERLYING, Product.CRYPTO_SPOT):
        raise InvalidInput("underlying", f"{text} is no underlying, such as NSE@NIFTY")
    return text


def _instants(key: str, as_of: datetime, asked: Params) -> list[datetime]:
    dates = check_dates(asked)
    if dates is None:
        return [as_of]
    exchange = exchange_of(key)
    days = (dates[0] + timedelta(days=number) for number in range((dates[1] - dates[0]).days + 1))
    return [_moment(exchange, day, asked["at_time"]) for day in days if is_session(exchange, day)]


def _last_instant(exchange: str, params: Params) -> datetime:
    dates = check_dates(params)
    assert dates is not None
    return _moment(exchange, dates[1], params["at_time"])


def _moment(exchange: str, day: date, clock: str) -> datetime:
    if clock == CLOSE:
        return session_close(exchange, day)
    hour, minute = map(int, clock.split(":"))
    return datetime.combine(day, time(hour, minute), exchange_named(exchange).zone).astimezone(UTC)
