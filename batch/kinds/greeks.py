"""Greeks jobs: implied volatility and Greeks of options."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import QuerySet
from rest_framework import serializers

from batch.core.items import Bounds, Items
from batch.kinds.base import Kind, Prepared
from moneyness.core.levels import moneyness, within
from signals.greeks.core.conventions import (
    DEFAULT_RATE,
    DayCount,
    FallbackVolatility,
    ForwardSource,
    GreeksParams,
    Model,
    PriceSource,
)
from signals.greeks.market import forwards_told, load_market, market_from_json, market_to_json
from signals.greeks.selectors import load_options, newest_quote_time, option_groups
from signals.instruments.models import Instrument
from signals.instruments.selectors import (
    chain_columns,
    expiries_of,
    find_underlying,
    newest_quote,
    quoted_at,
    select_options,
)
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.fields import Number
from signalsite.foundation.serializers import StrictSerializer
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import parse_key

_RATE = Bounds(-0.5, 1.0)


class GreeksParamsSerializer(StrictSerializer):
    """The conventions of a Greeks job."""

    model = serializers.ChoiceField(
        [Model.UNDERLYING.value, Model.BSM.value, Model.BLACK76.value],
        default=Model.UNDERLYING.value,
        help_text="bsm: Black-Scholes-Merton on the spot; black76: on the forward; underlying: as that one is set.",
    )
    forward = serializers.ChoiceField(
        [
            source.value
            for source in (ForwardSource.AUTO, ForwardSource.PARITY, ForwardSource.FUTURE, ForwardSource.SPOT)
        ],
        default=ForwardSource.AUTO.value,
        help_text="auto: put-call parity, else the future of the expiry, else spot with carry, else the nearest future "
        "carried; where the strikes disagree, the future of the expiry only. A named source is strict.",
    )
    rate = Number(
        default=DEFAULT_RATE, min_value=_RATE.lowest, max_value=_RATE.highest, help_text="Continuous, a year, decimal."
    )
    dividend_yield = Number(
        default=None,
        allow_null=True,
        min_value=_RATE.lowest,
        max_value=_RATE.highest,
        help_text="Continuous, a year, decimal; null: the underlying's own.",
    )
    day_count = serializers.ChoiceField(
        [each.value for each in DayCount],
        default=DayCount.EXACT.value,
        help_text="exact: seconds to the moment of expiry / (365 x 86400); calendar_days: whole days / 365.",
    )
    price = serializers.ChoiceField(
        [each.value for each in PriceSource if each is not PriceSource.OVERRIDE],
        default=PriceSource.AUTO.value,
        help_text="auto: mid of a two-sided, uncrossed market, else last, else settle, else close; others are strict.",
    )
    fallback_volatility = serializers.ChoiceField(
        [each.value for each in FallbackVolatility],
        default=FallbackVolatility.NONE.value,
        help_text="vix: where no volatility can be implied, the underlying's volatility index, marked in iv_source.",
    )
    max_quote_age_seconds = Number(
        default=86400.0, min_value=1.0, max_value=31_536_000.0, help_text="An older quote is no quote."
    )


def greeks_params(values: Mapping[str, Any]) -> GreeksParams:
    return GreeksParams(
        model=Model(values["model"]),
        forward=ForwardSource(values["forward"]),
        rate=values["rate"],
        dividend_yield=values["dividend_yield"],
        day_count=DayCount(values["day_count"]),
        price=PriceSource(values["price"]),
        fallback_volatility=FallbackVolatility(values["fallback_volatility"]),
        max_quote_age_seconds=values["max_quote_age_seconds"],
    )


class GreeksKind(Kind):
    name = "greeks"
    version = 2
    params_serializer = GreeksParamsSerializer
    overrides = {
        "price": Bounds(0.0, 1e12, above=0.0),
        "underlying_price": Bounds(0.0, 1e12, above=0.0),
        "volatility": Bounds(0.0, 20.0, above=0.0),
        "rate": _RATE,
        "dividend_yield": _RATE,
    }
    fields = {
        "status": str,
        "reason": str,
        "retryable": bool,
        "implied_volatility": float,
        "delta": float,
        "gamma": float,
        "theta": float,
        "vega": float,
        "rho": float,
        "theoretical_price": float,
        "price_used": float,
        "price_source": str,
        "price_age_seconds": float,
        "underlying_used": float,
        "forward": float,
        "forward_source": str,
        "forward_bid": float,
        "forward_ask": float,
        "forward_residual": float,
        "forward_strikes": int,
        "forward_excluded": int,
        "expiry_years": float,
        "rate": float,
        "dividend_yield": float,
        "model": str,
        "iv_source": str,
    }

    def exchange(self, keys: Sequence[str], selector: Mapping[str, Any] | None) -> str:
        if selector is not None:
            name = selector.get("underlying")
            return find_underlying(name, "selector.underlying").exchange if name else _exchange(selector)
        for key in keys:
            try:
                return exchange_named(parse_key(key).exchange).name
            except InvalidInput:  # that item alone is answered so
                continue
        return settings.DEFAULT_EXCHANGE

    def check_selector(self, selector: Mapping[str, Any]) -> None:
        expiries = selector.get("expiries") or []
        options = self._options({**selector, "expiries": [], "strike": None})
        if not options.exists():
            raise InvalidInput("selector", "no option matches")
        known = expiries_of(options, expiries)
        for place, expiry in enumerate(expiries):
            if expiry not in known:
                raise InvalidInput(f"selector.expiries[{place}]", f"no option expires on {expiry}")
        if not self._options(selector).exists():
            raise InvalidInput("selector.strike", "no option has a strike in this window")

    def _options(self, selector: Mapping[str, Any]) -> QuerySet[Instrument]:
        name, strike = selector.get("underlying"), selector.get("strike") or {}
        return select_options(
            underlying=find_underlying(name, "selector.underlying").key if name else None,
            exchange=_exchange(selector),
            expiries=selector.get("expiries") or [],
            lowest_strike=strike.get("min"),
            highest_strike=strike.get("max"),
        )

    def prepare_items(self, keys: Sequence[str], as_of: datetime | None, params: Mapping[str, Any]) -> Prepared:
        as_of = as_of or newest_quote_time(keys)
        if as_of is None:
            return Prepared(None, {})
        return Prepared(as_of, market_to_json(load_market(option_groups(keys), as_of, greeks_params(params))))

    def prepare_selector(
        self, selector: Mapping[str, Any], as_of: datetime | None, params: Mapping[str, Any]
    ) -> Prepared:
        chosen = greeks_params(params)
        options = self._options(selector)
        as_of = as_of or newest_quote(options)
        if as_of is None:
            return Prepared(None, {}, [])
        options = quoted_at(options, as_of, chosen.max_quote_age_seconds)
        keys, underlyings, expiries, strikes = chain_columns(options)
        groups = list(zip(underlyings, expiries, strict=True))
        market = load_market(groups, as_of, chosen)
        if window := selector.get("moneyness"):
            forwards = np.array([market[group].money for group in groups], np.float64)
            keep = within(moneyness(strikes, forwards), window.get("min"), window.get("max"))
            keys = [key for key, kept in zip(keys, keep.tolist(), strict=True) if kept]
        return Prepared(as_of, market_to_json(market), keys, None if keys else newest_quote(self._options(selector)))

    def compute(
        self, items: Items, as_of: datetime, params: Mapping[str, Any], context: Mapping[str, Any]
    ) -> tuple[dict[str, list[Any]], str]:
        from signals.greeks.services import compute_greeks  # loads the kernels, which most processes never need

        chosen = greeks_params(params)
        rows = load_options(items.keys, as_of, chosen.max_quote_age_seconds)
        columns = compute_greeks(items.keys, rows, items.overrides, as_of, chosen, market_from_json(context))
        return columns, rows.digest()

    def receipt(self, context: Mapping[str, Any]) -> dict[str, Any]:
        return {"forwards": forwards_told(market_from_json(context))}

    def digest(self, items: Items, as_of: datetime, params: Mapping[str, Any], context: Mapping[str, Any]) -> str:
        return load_options(items.keys, as_of, greeks_params(params).max_quote_age_seconds).digest()


def _exchange(selector: Mapping[str, Any]) -> str:
    return selector.get("exchange") or settings.DEFAULT_EXCHANGE
