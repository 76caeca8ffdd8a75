"""The chain through its three doors: ticks into the live book, SQL at an instant, a job's chunk. One evaluation."""

from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moneyness.computations.chains import Moneyness
from moneyness.core.chain_params import AtmVolatility, ChainParams, DealerSign, GammaFormula
from moneyness.core.chain_rows import What, chain_rows, near_money
from moneyness.core.chain_states import smile_state
from moneyness.core.deltas import SIDES
from moneyness.core.evaluate_chain import evaluate_chain, price_chains
from moneyness.core.evaluation import ChainEvaluation
from moneyness.core.level_states import delta_strike
from moneyness.core.smile_deltas import strike_at_delta
from moneyness.stored_chains import load_stored
from realtime.core.states import encode
from realtime.snapshot.chain_reads import decode_smile
from realtime.ticks.core.book import Book
from realtime.ticks.core.live_chains import price_live
from realtime.ticks.interest import look_up_interest
from realtime.ticks.store import store_quotes
from signals.greeks.core.conventions import DayCount, Exercise, ForwardSource, GreeksParams, Model, PriceSource
from signals.instruments.models import Underlying
from tests.integration.test_three_doors import (
    FACTS,
    INSTANTS,
    NAME,
    OPTIONS,
    SPOT,
    VIX,
    chains,
    entry,
    fair,
    published,
    quote,
    store_facts,
)
from timeframes.models import Quote

pytestmark = pytest.mark.django_db

conventions = st.builds(
    GreeksParams,
    model=st.sampled_from(Model),
    exercise=st.sampled_from([*Exercise, Exercise.UNDERLYING]),
    forward=st.sampled_from([ForwardSource.AUTO, ForwardSource.PARITY, ForwardSource.FUTURE, ForwardSource.SPOT]),
    rate=st.sampled_from([None, 0.065, -0.02]),
    dividend_yield=st.sampled_from([None, 0.04]),
    day_count=st.sampled_from(DayCount),
    price=st.sampled_from([PriceSource.AUTO, PriceSource.MID, PriceSource.LAST]),
    max_quote_age_seconds=st.sampled_from([86_400.0, 3_600.0, 60.0, 1.0]),
)
rules = st.builds(
    ChainParams,
    strikes=st.sampled_from([1, 4, 10]),
    deltas=st.sampled_from([(0.05, 0.10, 0.25), (0.2, 0.4)]),
    tenors=st.sampled_from([(7.0, 30.0, 60.0), (3.0, 28.0)]),
    atm_volatility=st.sampled_from(AtmVolatility),
    gamma_formula=st.sampled_from(GammaFormula),
    dealer_sign=st.sampled_from(DealerSign),
    fit=st.booleans(),
)
interests = st.lists(st.sampled_from([None, 0.0, 75.0, 1_500.0]), min_size=2 * len(OPTIONS), max_size=2 * len(OPTIONS))


def live_door(
    chain: dict[str, tuple[str, float]], as_of: datetime, chosen: GreeksParams, own: ChainParams, told: list[Any]
) -> tuple[Book, ChainEvaluation | None]:
    now, interest = as_of.timestamp(), dict(zip(OPTIONS, told, strict=False))
    ticks = []
    for place, (key, (kind, age)) in enumerate(chain.items()):
        if kind != "none":
            more = {} if interest.get(key) is None else {"oi": interest[key]}
            ticks.append(entry(place, key, now - age, quote(kind, fair(key)) | more))
    book, _ = published(ticks, as_of, chosen)
    look_up_interest(book, ticked=False)
    underlying = book.underlyings.get(NAME)
    priced = None if underlying is None else price_live(book, [underlying], now, chosen)
    return book, None if priced is None else evaluate_chain(priced, own)


def past_door(as_of: datetime, chosen: GreeksParams, own: ChainParams) -> ChainEvaluation | None:
    stored = load_stored([(NAME, as_of)], chosen)
    if stored is None:
        return None
    return evaluate_chain(price_chains(stored.snapshot, stored.keys, stored.black76, stored.interest, chosen), own)


def chunk_door(what: What, as_of: datetime, chosen: GreeksParams, own: ChainParams) -> list[dict[str, Any]]:
    kind = Moneyness()
    asked = kind.defaults | {"what": what.value, "strikes": own.strikes, "fit": own.fit, "around": 3}
    asked |= {"deltas": list(own.deltas), "tenors": list(own.tenors)}
    asked |= {name: getattr(own, name).value for name in ("atm_volatility", "gamma_formula", "dealer_sign")}
    for name in ("model", "exercise", "forward", "day_count", "price", "iv_from"):
        asked[name] = getattr(chosen, name).value
    asked |= {name: getattr(chosen, name) for name in ("rate", "dividend_yield", "max_quote_age_seconds")}
    found = kind.evaluate(kind.load(["NSE@NOBODY", NAME], {}, as_of, asked, {}))
    assert found.item is not None
    rows = zip(found.item.tolist(), zip(*found.columns.values(), strict=True), strict=True)
    return [dict(zip(found.columns, row, strict=True)) for item, row in rows if item == 1]


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Return where two values differ. NaN equals NaN."""
    if isinstance(one, np.ndarray):
        same = one.shape == other.shape and one.dtype == other.dtype
        equal = same and (np.array_equal(one, other, equal_nan=True) if one.dtype.kind == "f" else (one == other).all())
        return [] if equal else [f"{path}: {one} {other}"]
    if is_dataclass(one) and not isinstance(one, type):
        each = [(f"{path}.{field.name}", getattr(one, field.name), getattr(other, field.name)) for field in fields(one)]
        return [text for name, a, b in each for text in differences(a, b, name)]
    if isinstance(one, list | tuple):
        if len(one) != len(other):
            return [f"{path}: {one} {other}"]
        return [
            text
            for at, (a, b) in enumerate(zip(one, other, strict=True))
            for text in differences(a, b, f"{path}[{at}]")
        ]
    return [] if one == other or (one != one and other != other) else [f"{path}: {one} {other}"]


def known(value: Any) -> Any:
    return None if value != value else value


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chain=chains,
    as_of=st.sampled_from(INSTANTS),
    chosen=conventions,
    own=rules,
    black76=st.booleans(),
    facts=st.sets(st.sampled_from(sorted(FACTS))),
    told=interests,
    what=st.sampled_from(What),
)
def test_every_door_gives_the_same_evaluation(
    chain: dict[str, tuple[str, float]],
    as_of: datetime,
    chosen: GreeksParams,
    own: ChainParams,
    black76: bool,
    facts: set[str],
    told: list[Any],
    what: What,
) -> None:
    Quote.objects.filter(instrument_key__startswith="NSE@DOORS").delete()
    model = "black76" if black76 else "bsm"
    defaults = {
        "exchange": "NSE",
        "symbol": "DOORS",
        "spot_key": SPOT,
        "volatility_index_key": VIX,
        "pricing_model": model,
    }
    Underlying.objects.update_or_create(key=NAME, defaults=defaults)
    store_facts(facts)
    now_told = dict(zip(OPTIONS, told, strict=False))  # else the past would find what a book of today never saw
    Quote.objects.bulk_create(
        Quote(instrument_key=key, time=as_of - timedelta(days=1), last=5.0, open_interest=interest, source="test")
        for key, interest in zip(OPTIONS, told[len(OPTIONS) :], strict=True)
        if interest is not None and chain[key][0] != "none" and now_told[key] is not None
    )
    book, live = live_door(chain, as_of, chosen, own, told)
    store_quotes(book)
    past = past_door(as_of, chosen, own)
    rows = chunk_door(what, as_of, chosen, own)
    if live is None or past is None:
        assert (live, past) == (None, None) and [row["status"] for row in rows] == ["no_chain"]
        return
    assert differences(live, past) == []
    _, wanted = chain_rows(live, what)
    if what is What.STRIKES:
        kept = near_money(live, 3)
        wanted = {name: column[kept] for name, column in wanted.items()}
    assert {row["status"] for row in rows} <= {"ok"}
    for name, column in wanted.items():
        assert [known(row[name]) for row in rows] == [known(each) for each in column.tolist()], name
    at = as_of.isoformat()
    for group in range(len(live.chains.expiries.expiry)):  # and any delta is read from the state of a smile
        smile = decode_smile(encode(smile_state(live, group, at)))
        for sign, side in zip(SIDES, ("call", "put"), strict=True):
            for target in own.deltas:
                read = strike_at_delta(smile, target, sign > 0)
                direct = delta_strike(live, group, target, side, at)
                for name in ("strike", "implied_volatility", "nearest_strike", "nearest_delta", "nearest_price"):
                    value, wanted_value = getattr(read, name), known(getattr(direct, name))
                    assert value == wanted_value or value == pytest.approx(wanted_value, rel=1e-12), name
                assert (read.reason is None) == (direct.reason is None)
