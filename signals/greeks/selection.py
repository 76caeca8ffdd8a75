"""The options that a selector selects, and the base classes of computations on instruments."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import QuerySet

from signals.greeks.core.conventions import GreeksParams
from signals.greeks.core.window import moneyness, within
from signals.greeks.market import (
    ForwardReceipt,
    Market,
    forward_receipts,
    load_market,
    market_from_json,
    market_to_json,
)
from signals.greeks.selectors import ExpiryGroup, newest_quote_time, option_groups
from signals.greeks.unlisted import newest_quote_around
from signals.instruments.models import Instrument
from signals.instruments.selectors import (
    chain_columns,
    expiries_of,
    find_underlying,
    newest_quote,
    quoted_at,
    select_options,
)
from signalsite.foundation.computations.contract import Computation, Context, Params, Prepared, Runs
from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import parse_key


@dataclass(frozen=True, slots=True)
class Selection:
    """`groups` are those of all options, before the moneyness window; `market` is theirs, if the window needed it."""

    as_of: datetime | None
    keys: list[str]
    groups: list[ExpiryGroup]
    market: Market | None
    newest: datetime | None


class InstrumentComputation(Computation):
    """A computation on instruments, named by their keys or by a selector of options."""

    def conventions(self, params: Params) -> GreeksParams:
        """Return the conventions under which forwards are found for a selector's moneyness window."""
        return GreeksParams(max_quote_age_seconds=params["max_quote_age_seconds"])

    def exchange(self, keys: Iterable[str], selector: Mapping[str, Any] | None) -> str:
        if selector is not None:
            name = selector.get("underlying")
            return find_underlying(name, "selector.underlying").exchange if name else _exchange(selector)
        for key in keys:
            try:
                return exchange_named(parse_key(key).exchange).name
            except InvalidInput:  # only that item fails
                continue
        return settings.DEFAULT_EXCHANGE

    def check_selector(self, selector: Mapping[str, Any]) -> None:
        expiries = selector.get("expiries") or []
        options = options_of({**selector, "expiries": [], "strike": None})
        if not options.exists():
            raise InvalidInput("selector", "no option matches")
        known = expiries_of(options, expiries)
        for place, expiry in enumerate(expiries):
            if expiry not in known:
                raise InvalidInput(f"selector.expiries[{place}]", f"no option expires on {expiry}")
        if not options_of(selector).exists():
            raise InvalidInput("selector.strike", "no option has a strike in this window")

    def completed_selector(self, selector: Mapping[str, Any]) -> Mapping[str, Any]:
        if not (name := selector.get("underlying")):
            return selector
        return {**selector, "underlying": find_underlying(name, "selector.underlying").key}

    def prepare(self, runs: Runs, as_of: datetime | None, params: Params) -> Prepared:
        return Prepared(as_of or newest_quote_time(runs), {})

    def prepare_selector(self, selector: Mapping[str, Any], as_of: datetime | None, params: Params) -> Prepared:
        chosen = select(selector, as_of, self.conventions(params))
        return Prepared(chosen.as_of, {}, chosen.keys, chosen.newest)


class OptionComputation(InstrumentComputation):
    """A computation on options in their market.

    The forward, spot and volatility index of each expiry are found once for the whole job.
    """

    receipts = {"forwards": ForwardReceipt}

    def prepare(self, runs: Runs, as_of: datetime | None, params: Params) -> Prepared:
        groups = option_groups(runs)
        as_of = as_of or newest_quote_time(runs) or newest_quote_around(groups)
        if as_of is None:
            return Prepared(None, {})
        return Prepared(as_of, market_to_json(load_market(groups, as_of, self.conventions(params))))

    def prepare_selector(self, selector: Mapping[str, Any], as_of: datetime | None, params: Params) -> Prepared:
        conventions = self.conventions(params)
        chosen = select(selector, as_of, conventions)
        if chosen.as_of is None:
            return Prepared(None, {}, [])
        market = load_market(chosen.groups, chosen.as_of, conventions) if chosen.market is None else chosen.market
        return Prepared(chosen.as_of, market_to_json(market), chosen.keys, chosen.newest)

    def receipt(self, context: Context) -> dict[str, Any]:
        return {"forwards": forward_receipts(market_from_json(context))}


def select(
    selector: Mapping[str, Any],
    as_of: datetime | None,
    conventions: GreeksParams,
    known_at: Callable[[QuerySet[Instrument], datetime], QuerySet[Instrument]] | None = None,
) -> Selection:
    """Select the options known at `as_of` that fit: those quoted then, or those that `known_at` selects.

    None means the time of their newest quote.
    """
    options = options_of(selector)
    as_of = as_of or newest_quote(options)
    if as_of is None:
        return Selection(None, [], [], None, None)
    if known_at is None:
        quoted = quoted_at(options, as_of, conventions.max_quote_age_seconds)
    else:
        quoted = known_at(options, as_of)
    keys, underlyings, expiries, strikes = chain_columns(quoted)
    groups = list(zip(underlyings, expiries, strict=True))
    market = None
    if window := selector.get("moneyness"):
        market = load_market(groups, as_of, conventions)
        forwards = np.array([market[group].money for group in groups], np.float64)
        keep = within(moneyness(strikes, forwards), window.get("min"), window.get("max"))
        keys = [key for key, kept in zip(keys, keep.tolist(), strict=True) if kept]
    return Selection(as_of, keys, groups, market, None if keys else newest_quote(options))


def options_of(selector: Mapping[str, Any]) -> QuerySet[Instrument]:
    name, strike = selector.get("underlying"), selector.get("strike") or {}
    return select_options(
        underlying=find_underlying(name, "selector.underlying").key if name else None,
        exchange=_exchange(selector),
        expiries=selector.get("expiries") or [],
        lowest_strike=strike.get("min"),
        highest_strike=strike.get("max"),
    )


def _exchange(selector: Mapping[str, Any]) -> str:
    return selector.get("exchange") or settings.DEFAULT_EXCHANGE
