"""Configurations in the cycle: what a slow and a failing computation cost, and what heavy work waits for."""

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pytest

from realtime.core.names import Names
from realtime.ticks.core.configured_units import Units
from realtime.ticks.core.plans import make_plan
from realtime.ticks.core.tick import read_contract
from realtime.ticks.heavy_work import HeavyWork
from signals.configs.core.document import Document, FunctionAsked
from signalsite.foundation.errors import InvalidInput

SPOT = "NSE@NIFTY@equity_spot"


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def unit(self, seconds):
        def run():
            self.now += seconds
            return {"value": np.ones(2)}

        return run


def failing():
    raise ZeroDivisionError("no")


def test_one_that_fails_or_is_slow_costs_only_itself():
    clock = Clock()
    units = Units(clock, clock, 0.01)
    some = [("slow", clock.unit(0.02)), ("good", clock.unit(0.001)), ("bad", failing)]
    found = [units.run(some, 2) for _ in range(3)]
    reasons = [{name: each.reason for name, each in made.items()} for made in found]
    assert {made["bad"] for made in reasons} <= {"it failed: ZeroDivisionError", reasons[-1]["bad"]}
    assert "took longer than 10 ms; it is computed again after 1 s" in {made["slow"] for made in reasons}
    assert reasons[-1]["good"] is None and found[-1]["good"].columns["value"].tolist() == [1, 1]
    assert {name for name, _ in units.failures} == {"configured bad"}
    clock.now += 2
    assert units.run(some[:1], 2)["slow"].reason.endswith("after 2 s")  # it ran again, and rests for longer
    assert units.run(some[:1], 1_000)["slow"].reason.endswith("after 2 s")


def test_many_cheap_ones_share_the_time_of_a_cycle_in_turn():
    clock = Clock()
    units = Units(clock, clock, 0.01)
    some = [(str(number), clock.unit(0.004)) for number in range(6)]
    computed = set()
    for _ in range(6):
        made = units.run(some, 1)
        computed |= {name for name, each in made.items() if each.reason is None}
        assert sum(each.reason is None for each in made.values()) == 3
    assert len(computed) == 6


def plan(*, backtest=False, **more):
    document = Document(name="a", instruments=(SPOT,), **more)
    return make_plan(document, id=uuid.UUID(int=1), owner_id=1, version=1, public=False, backtest=backtest)


def test_what_is_long_or_of_users_is_for_workers():
    asked = {
        "indicators": ("rsi", "obv", "ema(length=200)"),
        "functions": (FunctionAsked(label="p", function="pivots", params={}),
                      FunctionAsked(label="b", function="beta", params={})),
        "external_functions": (FunctionAsked(label="x", function="version/0", params={}),),
    }  # fmt: skip
    made = plan(interval="1m", **asked)
    assert set(made.indicators) == {"rsi"} and [each.label for each in made.functions] == ["p"]
    assert set(made.heavy) == {("indicators", "obv"), ("indicators", "ema(length=200)"), ("functions", "b"),
                               ("external_functions", "x")}  # fmt: skip
    without = plan(**asked)
    assert without.reasons["indicators.rsi"] == "the configuration has no interval"
    with pytest.raises(InvalidInput):
        plan(interval="1m", indicators=("nonsense",))


@pytest.mark.parametrize(
    ("interval", "here"), [("30s", False), ("1m", True), ("1d", True), ("1w", False), ("1mo", False)]
)
def test_bars_whose_volume_ticks_do_not_tell_are_for_workers(interval, here):
    made = plan(
        interval=interval, indicators=("rsi",), functions=(FunctionAsked(label="p", function="pivots", params={}),)
    )
    assert bool(made.indicators) is bool(made.functions) is here and len(made.heavy) == (0 if here else 2)


@pytest.mark.parametrize(
    ("asked", "bars"),
    [
        ({"indicators": ("alma(length=3)", "rsi")}, None),  # rsi is light, and needs more
        ({"indicators": ("obv",)}, 20_000),  # all since the first, as far as workers go back
        ({"external_functions": (FunctionAsked(label="x", function="version/0", params={}),), "bars": 1_500}, 1_500),
        (
            {
                "external_functions": (FunctionAsked(label="x", function="version/0", params={}),),
                "bars": 10,
                "join": {"a": "indicators:sma(length=50)"},
            },
            59,
        ),
    ],
)
def test_a_back_test_has_the_bars_of_heavy_work_in_memory(asked, bars):
    made = plan(interval="1m", backtest=True, **asked)
    assert made.heavy and made.kind_of(SPOT) is not None
    assert made.bars == (max(each for _, each in made.indicators.values()) if bars is None else bars)


def test_a_back_test_has_no_bars_of_seconds_and_joins_those_of_its_own_stream():
    asked = (FunctionAsked(label="x", function="version/0", params={}),)
    short = plan(interval="30s", backtest=True, external_functions=asked)
    assert not short.heavy and "a minute to a day" in short.reasons["external_functions.x"]
    future, other = "NSE@NIFTY@equity_futures@2026-12-31", "NSE@BANKNIFTY@equity_spot"
    join = {"own": f"bars:{future}:close", "other": f"bars:{other}:close"}
    assert set(plan(interval="1m", backtest=True, external_functions=asked, join=join).others) == {future}


@dataclass
class At:
    contract: object
    time: datetime
    entry_id: str


def test_one_tick_is_outstanding_and_the_newest_follows():
    sent = []
    work = HeavyWork(Names(), send=sent.append)
    heavy, contract = plan(interval="1m", indicators=("obv",)), read_contract(SPOT, "NSE@NIFTY")

    def run():
        work._next = 0.0
        work.run()
        if work._sending:
            work._sending.result(5)

    for entry in ("1-0", "2-0"):
        work.add([(heavy, At(contract, datetime(2026, 11, 27, tzinfo=UTC), entry))])
    run()
    assert [each["ticks"][0][1] for each in sent] == ["2-0"] and sent[0]["labels"] == {"indicators": ["obv"]}
    for entry in ("3-0", "4-0"):
        work.add([(heavy, At(contract, datetime(2026, 11, 27, tzinfo=UTC), entry))])
    run()
    assert len(sent) == 1
    work._heard.append((heavy.id, heavy.version, SPOT))
    run()
    assert [each["ticks"][0][1] for each in sent] == ["2-0", "4-0"]
    work.close()


def test_what_waits_of_an_underlying_that_another_consumer_owns_is_dropped():
    sent, now = [], datetime(2026, 11, 27, tzinfo=UTC)
    work = HeavyWork(Names(group="mine"), send=sent.append)
    heavy = plan(interval="1m", indicators=("obv",))
    symbols = ("NIFTY", "NIFTY50", "BANKNIFTY")
    ticks = [At(read_contract(f"NSE@{each}@equity_spot", f"NSE@{each}"), now, "1-0") for each in symbols]
    work.add([(heavy, ticks[0])])
    work._gather()
    work.add([(heavy, each) for each in ticks])
    work.drop("NSE@NIFTY")
    work.run()
    work._sending.result(5)
    work.drop("NSE@BANKNIFTY")
    assert [key for each in sent for key, *_ in each["ticks"]] == [each.contract.text for each in ticks[1:]]
    assert [each["group"] for each in sent] == ["mine"]
    assert [key[2] for key in work._outstanding] == ["NSE@NIFTY50@equity_spot"]
    work.close()


def test_a_new_version_need_not_wait_and_configurations_take_turns(settings):
    settings.WORKERS = 1
    sent, contract = [], read_contract(SPOT, "NSE@NIFTY")
    work = HeavyWork(Names(), send=sent.append)
    plans = [replace(plan(interval="1m", indicators=("obv",)), id=uuid.uuid4(), owner_id=i) for i in range(6)]
    first = replace(plans[0], version=plans[0].version + 1)

    def run(*some):
        work.add([(each, At(contract, datetime(2026, 11, 27, tzinfo=UTC), "1-0")) for each in some])
        work._next = 0.0
        work.run()
        if work._sending:
            work._sending.result(5)
        asked = [(each["configuration"], each["version"]) for each in sent]
        sent.clear()
        return asked

    assert run(*plans) == [(str(each.id), each.version) for each in plans[:4]]
    assert run(first) == [(str(first.id), first.version)]
    work._heard.append((plans[1].id, plans[1].version, SPOT))
    assert run() == [(str(plans[4].id), plans[4].version)]
    work.close()


def test_an_owner_takes_half_of_the_places(settings):
    settings.WORKERS = 1
    sent, contract = [], read_contract(SPOT, "NSE@NIFTY")
    work = HeavyWork(Names(), send=sent.append)
    of_one = [replace(plan(interval="1m", indicators=("obv",)), id=uuid.uuid4()) for _ in range(6)]
    another = replace(of_one[0], id=uuid.uuid4(), owner_id=2)
    work.add([(each, At(contract, datetime(2026, 11, 27, tzinfo=UTC), "1-0")) for each in (*of_one, another)])
    work.run()
    work._sending.result(5)
    assert [each["configuration"] for each in sent] == [str(each.id) for each in (*of_one[:2], another)]
    work.close()
