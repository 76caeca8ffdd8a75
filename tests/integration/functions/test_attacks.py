"""Attacks, by class. Behind both walls none gets what it should not; behind the outer one alone none reaches out."""

import os
from pathlib import Path

import pytest

from signals.functions.sandbox.process import FunctionProcess, Limits
from signals.functions.sandbox.starter import Zygote
from tests.integration.functions.attacks_classes import CLASS_TRICKS
from tests.integration.functions.attacks_cost import COSTLY
from tests.integration.functions.attacks_language import ESCAPES
from tests.integration.functions.attacks_libraries import LIBRARIES
from tests.integration.functions.attacks_modules import MODULE_TRICKS
from tests.integration.functions.attacks_names import NAME_TRICKS
from tests.integration.functions.attacks_raw import RAW
from tests.integration.functions.conftest import DATA, LIMITS, called, plain

HONEST = "def compute(data, params):\n    return 1.0\n"
FEW = Limits(cpu_seconds=0.2, wall_seconds=1.5, batch_seconds=6.0, memory_bytes=256 << 20)
TRICKS = ESCAPES | LIBRARIES | CLASS_TRICKS | NAME_TRICKS | MODULE_TRICKS
GIVES_A_VALUE = {"regular_expression", "number_keys", "text_of_a_power", "print_much", "power_in_c"}
"""Costly functions that may end in time, or are stopped, as the machine has it."""


@pytest.mark.parametrize("name", TRICKS)
def test_the_language_gives_nothing_away(zygote: Zygote, name: str) -> None:
    outcome = called(zygote, TRICKS[name])
    assert outcome.error is not None or outcome.values == {"value": 0}, outcome.values


@pytest.mark.parametrize("name", COSTLY)
def test_what_costs_is_stopped_and_the_next_call_works(zygote: Zygote, name: str) -> None:
    outcome = called(zygote, COSTLY[name], limits=FEW)
    assert outcome.error is not None or name in GIVES_A_VALUE, outcome.values
    for fault in outcome.faults:
        assert len(fault.message) <= 500
        assert "\x00" not in fault.message and "\x1b" not in fault.message
    assert plain(called(zygote, HONEST)) == 1.0


@pytest.mark.parametrize("name", RAW)
def test_plain_python_reaches_nothing_outside(raw_zygote: Zygote, name: str, tmp_path: Path) -> None:
    mark, kept = Path("/tmp/functions-were-here"), Path("/tmp/functions-keep")
    kept.touch()
    before = set(os.environ)
    outcome = called(raw_zygote, RAW[name], limits=FEW)
    assert outcome.values.get("value") != 666, name
    assert kept.exists() and not mark.exists()
    assert set(os.environ) == before
    assert raw_zygote.alive()
    kept.unlink()


def test_a_process_holds_nothing_of_the_service(raw_zygote: Zygote) -> None:
    """Its memory, searched from inside, has no value of our environment."""
    secrets = [value for name, value in os.environ.items() if len(value) > 24 and ("KEY" in name or "URL" in name)]
    source = f"import gc\nWANTED = {secrets!r}\n" + (
        "def compute(data, params):\n    import sys\n"
        "    texts = [o for o in gc.get_objects() if isinstance(o, dict)]\n"
        "    return sum(v in WANTED for d in texts if d is not globals() for v in list(d.values()) if isinstance(v, str))\n"
    )
    assert called(raw_zygote, source).values.get("value") in (0, None)


def test_one_bad_call_fails_alone(zygote: Zygote) -> None:
    source = """
def compute(data, params):
    n = data["close"][0]
    if n == 3:
        while True:
            pass
    if n == 5:
        return [0] * 10**10
    if n == 7:
        raise ValueError("seven")
    return n
"""
    calls = [{**DATA, "close": DATA["close"] + place} for place in range(10)]
    with FunctionProcess(source, FEW, zygote) as process:
        outcomes = list(process.call_many(calls, {}))
    assert [each.error for each in outcomes] == [
        *(None, None, "Deadline", None, "MemoryError", None, "ValueError", None, None, None)
    ]
    assert [each.values.get("value") for each in outcomes if each.error is None] == [1.0, 2.0, 4.0, 6.0, 8.0, 9.0, 10.0]


def test_a_batch_has_a_deadline_for_all_calls(zygote: Zygote) -> None:
    limits = Limits(cpu_seconds=5.0, wall_seconds=0.3, batch_seconds=1.0)
    with FunctionProcess("def compute(data, params):\n    while True: pass\n", limits, zygote) as process:
        outcomes = list(process.call_many([DATA] * 100, {}))
    assert len(outcomes) == 100
    assert {each.error for each in outcomes} == {"Deadline"}
    assert not outcomes[-1].lasting


def test_an_answer_for_a_later_call_stays_with_its_own_function(raw_zygote: Zygote) -> None:
    """A process can lie about its own function only: it has no other pipe. Its lies end with it."""
    forge = """
import os, struct, json
def compute(data, params):
    m = json.dumps({"parts": [["value", "number", []]], "several": False, "printed": ""}).encode()
    os.write(11, (struct.pack("<4sII", b"SGF1", len(m), 8) + m + struct.pack("<d", 5.0)) * 50)
    return 1.0
"""
    with FunctionProcess(forge, LIMITS, raw_zygote) as liar, FunctionProcess(HONEST, LIMITS, raw_zygote) as other:
        assert liar.call(DATA, {}).error is None
        assert plain(other.call(DATA, {})) == 1.0
        assert len(list(liar.call_many([DATA] * 3, {}))) == 3


def test_a_killed_zygote_takes_its_processes_along(zygote: Zygote) -> None:
    own = Zygote()
    process = FunctionProcess(HONEST, LIMITS, own)
    pid = process._process.pid
    own._process.kill()
    own._process.wait()
    assert process.call(DATA, {}).error is not None
    process.close()
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()
