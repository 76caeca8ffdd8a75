"""Messages of configurations, what a change affects, and what the stand-in sends. Pure."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.configs.core.affected import Slot, affected, narrowed, slots
from realtime.configs.core.message import Action, read_message
from realtime.configs.core.portions import portions
from realtime.configs.core.refusals import MOST_CHARACTERS, Reason, Refusal, Refused
from realtime.configs.core.simulated import SimulatedManager

A, B = "NSE@A@equity_spot", "NSE@B@equity_spot"
ONE = {"instruments": [A, B], "interval": "5m", "frequency": "bar", "indicators": ["rsi"], "active": True}


def test_both_forms_say_the_same() -> None:
    document = {"name": "é"}
    text = orjson.dumps(document).decode()
    flat = read_message(["config_json", text, "action", "update", "other", "7"], most_bytes=100)
    assert (flat.action, flat.document, flat.owner) == (Action.UPDATE, document, None)
    for inner in (text, document):
        data = orjson.dumps({"config_json": inner, "action": "update"}).decode()
        assert read_message(["data", data], most_bytes=100) == flat


@pytest.mark.parametrize("owner", ["", "a\0", "\udcff"], ids=["empty", "NUL", "no UTF-8"])
def test_every_fault_is_named(owner: str) -> None:
    with pytest.raises(Refused) as found:
        read_message(["action", "go", "owner", owner, "config_json", "{"], most_bytes=100)
    assert found.value.reason is Reason.MALFORMED
    assert [field for field, _ in found.value.faults] == ["action", "owner", "config_json"]


@pytest.mark.parametrize("depth", [200, 300, 1_000, 100_000])
def test_a_document_inside_data_that_is_too_deep_is_refused(depth: int) -> None:
    data = '{"action": "update", "config_json": {"name": ' + "[" * depth + "]" * depth + "}}"
    if depth == 200:
        assert read_message(["data", data], most_bytes=1_000_000).action is Action.UPDATE
        return
    with pytest.raises(Refused) as found:
        read_message(["data", data], most_bytes=1_000_000)
    assert found.value.reason is Reason.MALFORMED
    assert {field for field, _ in found.value.faults} <= {"data", "config_json"}


@pytest.mark.parametrize("size", [99, 100, 101])
def test_the_size_counts_in_bytes(size: int) -> None:
    text = '{"n": "' + "é" * 45 + "x" * (size - 99) + '"}'
    given = ["config_json", text, "action", "update"]
    if len(text.encode()) <= 99:
        read_message(given, most_bytes=99)
    else:
        with pytest.raises(Refused) as found:
            read_message(given, most_bytes=99)
        assert found.value.reason is Reason.TOO_LARGE


@given(st.lists(st.text(), max_size=8))
def test_whatever_an_entry_holds_it_is_read_or_refused(entry: list[str]) -> None:
    entry = entry[: len(entry) // 2 * 2]
    try:
        read_message(entry, most_bytes=1_000)
    except Refused as refused:
        fields = Refusal.of(refused).fields("1-1", entry)
        assert all(len(value) <= MOST_CHARACTERS + 1_000 for value in fields.values())
        orjson.loads(fields["faults"])


@given(st.lists(st.tuples(st.text(max_size=600), st.text(max_size=6_000)), min_size=1, max_size=300))
def test_a_refusal_is_bounded_and_read_back(faults: list[tuple[str, str]]) -> None:
    refusal = Refusal.of(Refused(Reason.INVALID, faults))
    text = orjson.dumps(refusal.as_json())
    assert Refusal.from_json(orjson.loads(text)) == refusal
    assert b"\\u0000" not in text  # PostgreSQL stores none
    assert sum(len(field) + len(message) for field, message in refusal.faults) <= 2 * MOST_CHARACTERS
    assert refusal.faults[0][0] == faults[0][0][:500].replace("\0", "\\x00")


@pytest.mark.parametrize("document", [None, 7, "x", [], {}, {"instruments": 7}, {"instruments": [7, None]}])
def test_a_document_that_is_none_affects_nothing(document: object) -> None:
    found = affected(document, document)  # type: ignore[arg-type]
    assert not (found.slots or found.indicators or found.results or found.unwanted)


def test_a_key_is_for_one_instrument() -> None:
    assert slots(ONE) == {Slot(A, "5m", "bar"), Slot(B, "5m", "bar")}
    assert narrowed(ONE, A) == {**ONE, "instruments": [A]}
    assert ONE["instruments"] == [A, B]


def test_an_equal_document_affects_no_cache() -> None:
    found = affected(ONE, {**ONE, "name": "another", "instruments": [B, A, "NSE@C@equity_spot"]})
    assert not (found.indicators or found.results or found.unwanted)
    assert {slot.instrument_key for slot in found.slots} == {A, B, "NSE@C@equity_spot"}


def test_what_did_not_run_has_left_nothing() -> None:
    found = affected({**ONE, "active": False}, ONE)
    assert not (found.indicators or found.results or found.unwanted)


@given(st.lists(st.integers(), max_size=50), st.integers(1, 10))
def test_portions_are_all_of_it(items: list[int], size: int) -> None:
    cut = list(portions(iter(items), size))
    assert [item for portion in cut for item in portion] == items
    assert all(len(portion) == size for portion in cut[:-1])


@pytest.mark.parametrize(
    "options", [[], [f"SIM@NIFTY@equity_options@2036-12-25@call@{24_000 + 50 * n}" for n in range(9)]]
)
def test_the_stand_in_sends_the_same_for_the_same_seed(options: list[str]) -> None:
    def sent(seed: int) -> list[object]:
        manager = SimulatedManager(seed=seed, count=20, spots=[A, B], options=options)
        return [*manager.first(), *(manager.change() for _ in range(200))]

    assert sent(1) == sent(1) != sent(2)
    there: set[str] = set()
    for message in sent(1):
        name = message.document["name"]  # type: ignore[attr-defined]
        if message.action == "delete":  # type: ignore[attr-defined]
            there.remove(name)
        else:
            there.add(name)
    assert there
