"""The AsyncAPI document matches the protocol: it has every message, and messages match its schemas."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from moneyness.core.chain_slice import ChainSlice
from realtime.core.states import InstrumentState
from realtime.sockets.core.asyncapi import RECEIVED, REPLIES, describe
from realtime.sockets.core.frames import Frame
from realtime.sockets.core.messages import InvalidMessage, read
from realtime.sockets.core.protocol import Close, Outgoing
from realtime.sockets.core.websocket_frames import unframed
from tests.core.test_protocol import MESSAGES, SENT

DOCUMENT = json.loads(
    json.dumps(
        describe(
            address="/there",
            version="2.0",
            states={"{key}": InstrumentState, "chain:{expiry}": ChainSlice, "job:{id}": None},
            channels=["ticks", "chain", "moneyness"],
        )
    )
)
SENT_NAMES = {kind.__name__ for kind in Outgoing.__subclasses__()}


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from references(each)


def resolve(reference: str) -> Any:
    found = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})


def test_it_is_whole() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    for reference in references(DOCUMENT):
        assert resolve(reference)
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_message_has_its_place() -> None:
    names = SENT_NAMES | {kind.__name__ for kind in RECEIVED}
    assert len(names) == len(Outgoing.__subclasses__()) + len(RECEIVED)
    assert DOCUMENT["components"]["messages"].keys() == DOCUMENT["channels"]["sockets"]["messages"].keys() == names
    assert REPLIES.keys() == set(RECEIVED)
    told = set()
    for name, operation in DOCUMENT["operations"].items():
        assert operation["action"] == ("send" if name == "Tell" else "receive")
        ours = operation if name == "Tell" else operation.get("reply", {"messages": []})
        told |= {each["$ref"].rpartition("/")[2] for each in ours["messages"]}
    assert told == SENT_NAMES
    for message in DOCUMENT["components"]["messages"].values():
        assert message["summary"]
        assert resolve(message["payload"]["$ref"])["properties"]["type"]["enum"] == [message["name"]]


def test_topics_channels_and_close_codes_are_said() -> None:
    sockets = DOCUMENT["channels"]["sockets"]
    assert sockets["address"] == "/there"
    assert sockets["x-topics"]["chain:{expiry}"] == {"$ref": "#/components/schemas/ChainSlice"}
    assert sockets["x-topics"]["job:{id}"] == {}
    assert set(map(int, sockets["x-close-codes"])) == set(Close)
    assert DOCUMENT["components"]["schemas"]["Subscribe"]["properties"]["channel"]["enum"] == [
        "",
        "chain",
        "moneyness",
        "ticks",
    ]


@pytest.mark.parametrize(("message", "meaning"), SENT)
def test_what_is_sent_is_as_it_says(message: Outgoing, meaning: dict[str, Any]) -> None:
    validator(type(message).__name__).validate(json.loads(message.json()))


@pytest.mark.parametrize("frame", [Frame("a", "2-0", "1-0", b'{"x":1}'), Frame("a", "2-0", None, b"1")])
def test_states_are_as_it_says(frame: Frame) -> None:
    validator("Update").validate(json.loads(unframed(frame.update)))
    validator("Snapshot").validate(json.loads(unframed(frame.snapshot)))
    validator("Snapshot").validate(json.loads(unframed(Frame("a", None, None, None).snapshot)))


@pytest.mark.parametrize(("text", "message"), MESSAGES)
def test_what_is_read_is_as_it_says(text: str, message: object) -> None:
    validator(type(message).__name__).validate(json.loads(text))


def test_what_it_forbids_is_not_read() -> None:
    for text in ('{"type":"subscribe","topics":[1]}', '{"type":"ping","x":1}', '{"type":"auth","token":1}'):
        with pytest.raises(ValidationError):
            validator(json.loads(text)["type"].capitalize()).validate(json.loads(text))
        with pytest.raises(InvalidMessage):
            read(text)
