"""One chain through every entry point: ticks into the live book, SQL at an instant, a job's stored market, overrides.

The ticks go all the way to the JSON that is published. SQL reads the quotes that the consumer stores of them.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from django.core.management import call_command
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from realtime.ticks.contracts import prepare_contracts
from realtime.ticks.core.book import Book
from realtime.ticks.core.cycle import Cycle
from realtime.ticks.core.sanity import Sanity
from realtime.ticks.store import store_quotes
from signals.greeks.core.conventions import (
    EARLY_EXERCISE,
    FIRST_ORDER,
    HIGHER_ORDER,
    QUOTE_IVS,
    DayCount,
    Exercise,
    FallbackVolatility,
    ForwardSource,
    GreeksParams,
    Model,
    PriceSource,
    QuoteIv,
    Theta,
)
from signals.greeks.market import load_market, market_from_json, market_to_json
from signals.greeks.selectors import load_options, option_groups
from signals.greeks.services import compute_greeks
from signals.instruments.models import Underlying
from signals.rates.models import DatedYield, Dividend, ZeroRate
from tests.integration.processes import ROOT
from timeframes.models import Quote

pytestmark = pytest.mark.django_db

CREDULOUS = Sanity(refuse_zero=False, max_jump=0, jump_seconds=0, max_late=0, max_expiry_years=0, max_new_contracts=0)
NAME, VIX = "NSE@DOORS", "NSE@DOORSVIX@equity_spot"
SPOT = f"{NAME}@equity_spot"
OF_TODAY, NEXT = "2026-12-01", "2026-12-29"
FUTURES = [f"{NAME}@equity_futures@{day}" for day in (OF_TODAY, "2026-12-22", NEXT, "2027-01-05")]
OPTIONS = [
    f"{NAME}@equity_options@{expiry}@{right}@{strike}"
    for expiry in (OF_TODAY, NEXT)
    for strike in range(90, 112, 4)
    for right in ("call", "put")
]
INSTANTS = [
    datetime(2026, 12, 1, 4, 30, 0, 250_001, tzinfo=UTC),
    datetime(2026, 12, 1, 10, 9, 59, tzinfo=UTC),  # a second before the close of the expiry day
    datetime(2026, 12, 1, 11, 0, tzinfo=UTC),
]
QUOTES = ("mid", "mid", "mid", "wide", "last", "crossed", "no bid", "zero", "absurd", "none")
AGES = (0.0, 0.0, 0.5, 59.0, 60.0, 61.0, 4_000.0)


def fair(key: str) -> float:
    """Return the price of an option in parity with a forward of 101, or the level of anything else."""
    _, _, product, *contract = key.split("@")
    if product != "equity_options":
        return {SPOT: 100.0, VIX: 15.0}.get(key, 101.0)
    strike, call = float(contract[2]), contract[1] == "call"
    return max((101.0 - strike) * (1 if call else -1), 0.0) + 6.0 / (1.0 + abs(101.0 - strike))


def quote(kind: str, price: float) -> dict[str, float]:
    return {
        "mid": {"ltp": 1.01 * price, "bid": 0.995 * price, "ask": 1.005 * price, "volume": 1_000.0},
        "wide": {"ltp": price, "bid": 0.6 * price, "ask": 1.4 * price},
        "last": {"ltp": 0.99 * price, "volume": 50.0},
        "crossed": {"ltp": price, "bid": 1.1 * price, "ask": 0.9 * price},
        "no bid": {"ltp": price, "bid": 0.0, "ask": 1.1 * price},
        "zero": {"ltp": 0.0},
        "absurd": {"ltp": 30.0 * price},
    }[kind]


quotes = st.tuples(st.sampled_from(QUOTES), st.sampled_from(AGES))
chains = st.fixed_dictionaries(dict.fromkeys((SPOT, VIX, *FUTURES, *OPTIONS), quotes))
params = st.builds(
    GreeksParams,
    model=st.sampled_from(Model),
    exercise=st.sampled_from([*Exercise, Exercise.UNDERLYING]),
    forward=st.sampled_from(
        [ForwardSource.AUTO, ForwardSource.PARITY, ForwardSource.FUTURE, ForwardSource.SPOT],
    ),
    rate=st.sampled_from([None, None, 0.065, 0.0, -0.02, 0.3]),
    dividend_yield=st.sampled_from([None, 0.0, 0.04]),
    day_count=st.sampled_from(DayCount),
    price=st.sampled_from([each for each in PriceSource if each is not PriceSource.OVERRIDE]),
    fallback_volatility=st.sampled_from(FallbackVolatility),
    quote_iv=st.sampled_from(QuoteIv),
    greeks=st.sampled_from([FIRST_ORDER, FIRST_ORDER + HIGHER_ORDER + EARLY_EXERCISE]),
    theta=st.sampled_from(Theta),
    max_quote_age_seconds=st.sampled_from([86_400.0, 3_600.0, 60.0, 1.0]),
)


FACTS = {
    "nothing": (),
    "curve": (
        ZeroRate(currency="INR", date="2026-11-27", tenor_days=7, rate=0.052),
        ZeroRate(currency="INR", date="2026-11-27", tenor_days=91, rate=0.058),
        ZeroRate(currency="INR", date="2026-12-02", tenor_days=7, rate=0.4),  # of tomorrow
    ),
    "yield": (DatedYield(underlying_id=NAME, since="2026-06-01", dividend_yield=0.021),),
    "dividends": (
        Dividend(underlying_id=NAME, ex_date="2026-12-15", amount=0.75, currency="INR", announced="2026-11-20"),
        Dividend(underlying_id=NAME, ex_date="2026-12-31", amount=0.5, currency="INR"),
        Dividend(underlying_id=NAME, ex_date="2026-12-15", amount=9.0, currency="INR", announced="2026-12-02"),
    ),
}


def store_facts(kinds: set[str]) -> None:
    for model in (ZeroRate, Dividend, DatedYield):
        model.objects.all().delete()
    for fact in (fact for kind in kinds for fact in FACTS[kind]):
        fact.pk = None
        fact.save(force_insert=True)


def entry(place: int, key: str, at: float, told: dict[str, float]) -> tuple[str, str, list[str]]:
    stream = f"tick_stream:{'@'.join(key.split('@')[:2])}"
    return stream, f"{place}-0", ["data", orjson.dumps({"instrument_key": key, "ltt": at, **told}).decode()]


def published(entries: list, as_of: datetime, chosen: GreeksParams) -> tuple[Book, dict[str, dict[str, Any]]]:
    """Return the book after all ticks, and what is published of each option that has one."""
    book, now = Book(), as_of.timestamp()
    cycle = Cycle(book, chosen, reprice_interval=0.25, window=2, max_bytes=1_000, sanity=CREDULOUS, computations={})
    decoded = cycle.decode(entries, now + 1.0)
    assert not decoded.rejected
    assert not prepare_contracts(book, decoded.ticks, register=True)
    topics = cycle.handle(decoded.ticks, now).topics.values()
    states = {key: orjson.loads(state) for told in topics for key, state in told.items() if "_options@" in key}
    return book, {key: state["greeks"] for key, state in states.items()}


def sql_door(keys: list[str], as_of: datetime, chosen: GreeksParams, overrides: dict, *, kept: bool = False) -> dict:
    market = load_market(option_groups([keys]), as_of, chosen)
    if kept:
        market = market_from_json(orjson.loads(orjson.dumps(market_to_json(market))))
    rows = load_options(keys, as_of, chosen.max_quote_age_seconds)
    columns = compute_greeks(keys, rows, overrides, as_of, chosen, market)
    told = orjson.loads(orjson.dumps(columns))  # NaN is null on the way out, as it is in the live state
    return {key: {name: column[place] for name, column in told.items()} for place, key in enumerate(keys)}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chain=chains,
    as_of=st.sampled_from(INSTANTS),
    chosen=params,
    black76=st.booleans(),
    own_yield=st.sampled_from([0.0, 0.013]),
    facts=st.sets(st.sampled_from(sorted(FACTS))),
)
@example(  # a future that has a last price only
    chain=dict.fromkeys((SPOT, VIX, *OPTIONS), ("mid", 0.0)) | dict.fromkeys(FUTURES, ("last", 0.0)),
    as_of=INSTANTS[0],
    chosen=GreeksParams(forward=ForwardSource.FUTURE, price=PriceSource.MID),
    black76=False,
    own_yield=0.0,
    facts=set(),
)
@example(  # the nearest future is carried, over dividends and along the curve
    chain=dict.fromkeys((VIX, *OPTIONS), ("last", 0.0)) | {FUTURES[3]: ("mid", 0.0)},
    as_of=INSTANTS[0],
    chosen=GreeksParams(price=PriceSource.SETTLE),
    black76=False,
    own_yield=0.0,
    facts={"curve", "dividends"},
)
@example(  # a spot that pays
    chain=dict.fromkeys((SPOT, VIX, *OPTIONS), ("mid", 0.0)),
    as_of=INSTANTS[0],
    chosen=GreeksParams(forward=ForwardSource.SPOT),
    black76=False,
    own_yield=0.0,
    facts={"curve", "dividends", "yield"},
)
@example(  # an index with bid and ask
    chain=dict.fromkeys((SPOT, *OPTIONS), ("absurd", 0.0)) | dict.fromkeys((VIX, *FUTURES), ("mid", 0.0)),
    as_of=INSTANTS[0],
    chosen=GreeksParams(forward=ForwardSource.FUTURE, fallback_volatility=FallbackVolatility.VIX),
    black76=False,
    own_yield=0.0,
    facts={"curve"},
)
def test_every_door_gives_the_same_answers(
    chain: dict[str, tuple[str, float]],
    as_of: datetime,
    chosen: GreeksParams,
    black76: bool,
    own_yield: float,
    facts: set[str],
) -> None:
    Quote.objects.filter(instrument_key__startswith="NSE@DOORS").delete()
    Underlying.objects.update_or_create(
        key=NAME,
        defaults={
            "exchange": "NSE",
            "symbol": "DOORS",
            "spot_key": SPOT,
            "volatility_index_key": VIX,
            "pricing_model": "black76" if black76 else "bsm",
            "dividend_yield": own_yield,
            "exercise": "american" if own_yield else "european",
        },
    )
    store_facts(facts)
    now = as_of.timestamp()
    ticks = [
        entry(place, key, now - age, quote(kind, fair(key)))
        for place, (key, (kind, age)) in enumerate(chain.items())
        if kind != "none"
    ]
    book, live = published(ticks, as_of, chosen)
    store_quotes(book)
    keys = list(live)
    if not keys:
        return
    at_once = sql_door(keys, as_of, chosen, {})
    assert at_once == sql_door(keys, as_of, chosen, {}, kept=True)
    for key in keys:
        assert at_once[key] == {name: live[key][name] for name in at_once[key]}, key

    # A request that overrides with the market's values: the same numbers, and receipts that name the request.
    def said(name: str) -> dict[int, float]:
        return {place: at_once[key][name] for place, key in enumerate(keys) if at_once[key][name] is not None}

    overrides = {"price": said("price_used"), "rate": said("rate")}
    discrete = at_once[keys[0]]["dividend_source"] == "discrete"
    if not discrete:  # a yield would take the place of the dividends
        overrides["dividend_yield"] = said("dividend_yield")
    others = chosen
    if chosen.forward is ForwardSource.SPOT:  # then the strikes are not asked, and the overrides do not count
        Quote.objects.filter(instrument_key__in=[SPOT, *OPTIONS]).delete()
        others = replace(chosen, rate=0.11, dividend_yield=None if discrete else 0.02, price=PriceSource.CLOSE)
        if (spot := live[keys[0]]["underlying_price"]) is not None:
            overrides["underlying_price"] = dict.fromkeys(range(len(keys)), spot)
    same = sql_door(keys, as_of, others, overrides)
    for key in keys:
        assert same[key]["status"] == at_once[key]["status"], key
        if same[key]["status"] != "expired":  # an expired group has no forward, but an override stays
            assert _numbers(same[key]) == _numbers(at_once[key]), key
    # The price of an American option is that of the search for its volatility; a grid of its own is 1e-6 K away.
    american = chosen.exercise is Exercise.AMERICAN or (chosen.exercise is Exercise.UNDERLYING and own_yield)
    near = 1e-5 * 100.0 if american else 1e-9
    by_volatility = sql_door(keys, as_of, others, {**overrides, "volatility": said("implied_volatility")})
    for key in keys:
        for name in ("delta", "gamma", "theta", "vega", "rho", "theoretical_price") if at_once[key]["delta"] else ():
            least = near if name == "theoretical_price" else 1e-9
            assert by_volatility[key][name] == pytest.approx(at_once[key][name], rel=1e-6, abs=least), (key, name)


def _numbers(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in RECEIPTS}


RECEIPTS = (  # `reason` names the source asked for
    *("price_source", "price_age_seconds", "reason"),
    *("forward_source", "forward_price_source", "forward_price_age_seconds"),
    *("rate_source", "dividend_source"),
    *QUOTE_IVS,  # of quotes, which an override needs none of
)


CHAINS = ROOT.parent / "shared" / "data" / "2_nse_chain"
DESKS = [
    GreeksParams(),
    GreeksParams(forward=ForwardSource.SPOT, rate=0.1, day_count=DayCount.CALENDAR_DAYS, price=PriceSource.LAST),
    GreeksParams(model=Model.BLACK76, price=PriceSource.MID, dividend_yield=0.012, max_quote_age_seconds=600.0),
    GreeksParams(forward=ForwardSource.PARITY, fallback_volatility=FallbackVolatility.VIX, rate=0.0),
    GreeksParams(greeks=("theta", *HIGHER_ORDER), theta=Theta.NEXT_DAY),
]


@pytest.mark.skipif(not CHAINS.is_dir(), reason="the real chains are not here")
@pytest.mark.parametrize("name", sorted(path.name for path in CHAINS.glob("*.json.gz")))
def test_real_chains_get_the_same_answers(name: str) -> None:
    Quote.objects.all().delete()
    call_command("import_option_chain", str(CHAINS / name), verbosity=0)
    quotes = list(Quote.objects.all())
    as_of = max(quote.time for quote in quotes)
    names = {"ltp": "last", "bid": "bid", "ask": "ask", "volume": "volume"}
    ticks = []
    for place, quote in enumerate(quotes):
        told = {name: getattr(quote, column) for name, column in names.items() if getattr(quote, column) is not None}
        ticks.append(entry(place, quote.instrument_key, quote.time.timestamp(), {"ltp": 0.0, **told}))
    for chosen in DESKS:
        _, live = published(ticks, as_of, chosen)
        assert len(live) > 200
        for key, answer in sql_door(list(live), as_of, chosen, {}).items():
            assert answer == {name: live[key][name] for name in answer}, key
