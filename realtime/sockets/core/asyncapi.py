"""Describe the sockets' protocol as an AsyncAPI 3.0 document, built from the message types themselves."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from realtime.sockets.core import messages
from realtime.sockets.core.messages import Auth, ClientAck, ClientPong, Ping, Subscribe, Unsubscribe
from realtime.sockets.core.protocol import Ack, Close, Error, Outgoing, Pong, Snapshot, Update
from signalsite.foundation.openapi import json_schemas

Document = dict[str, Any]
RECEIVED: tuple[type, ...] = get_args(messages.Incoming)
REPLIES: dict[type, tuple[type, ...]] = {
    Auth: (Ack, Error),
    Subscribe: (Ack, Error),
    Unsubscribe: (Ack, Error),
    Ping: (Pong,),
    ClientPong: (),
    ClientAck: (),
}
_CHANNEL = "sockets"
_QUERY = {
    "client_id": "A label, returned in the welcome.",
    "ticket": "Opens one socket, once; use it instead of the subprotocols `signals, bearer.<access token>`.",
}


def describe(*, address: str, version: str, states: Mapping[str, type | None], channels: Sequence[str]) -> Document:
    """Build the document.

    `states`: patterns of topics and the types of their states, None for an unspecified type. `channels`: the values
    allowed for `channel` in a request.
    """
    sent: list[type] = Outgoing.__subclasses__()
    types = list(dict.fromkeys([*RECEIVED, *sent, *filter(None, states.values())]))
    schemas = json_schemas(types)
    data = {"anyOf": [*({"$ref": _schema(kind)} for kind in dict.fromkeys(filter(None, states.values()))), {}]}
    for name in (Snapshot.__name__, Update.__name__):
        schemas[name]["properties"]["data"] = data
    for name in (Subscribe.__name__, Unsubscribe.__name__):
        schemas[name]["properties"]["channel"]["enum"] = ["", *sorted(channels)]
    answers = {each for replies in REPLIES.values() for each in replies}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Signal Service: sockets",
            "version": version,
            "description": "You subscribe to topics with messages. `x-topics` of the channel gives the type of each"
            " topic's states. Ignore messages of unknown types.",
        },
        "defaultContentType": "application/json",
        "channels": {
            _CHANNEL: {
                "address": address,
                "messages": {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in _all(sent)},
                "bindings": {"ws": {"method": "GET", "query": _query(), "bindingVersion": "0.1.0"}},
                "x-topics": {topic: {"$ref": _schema(kind)} if kind else {} for topic, kind in states.items()},
                "x-close-codes": {str(int(code)): code.name.lower() for code in Close},
            }
        },
        "operations": {
            **{kind.__name__: _request(kind) for kind in RECEIVED},
            "Tell": _operation("send", [kind for kind in sent if kind not in answers]),
        },
        "components": {
            "messages": {
                kind.__name__: {
                    "name": kind.__struct_config__.tag,  # type: ignore[attr-defined]  # all are structs
                    "summary": schemas[kind.__name__]["description"].partition("\n\n")[0],
                    "payload": {"$ref": _schema(kind)},
                }
                for kind in _all(sent)
            },
            "schemas": schemas,
        },
    }


def _all(sent: Sequence[type]) -> list[type]:
    return [*RECEIVED, *sent]


def _schema(kind: type) -> str:
    return f"#/components/schemas/{kind.__name__}"


def _query() -> Document:
    texts = {name: {"type": "string", "description": text} for name, text in _QUERY.items()}
    return {"type": "object", "properties": texts}


def _operation(action: str, kinds: Sequence[type]) -> Document:
    return {"action": action, **_messages(kinds)}


def _request(kind: type) -> Document:
    replies = REPLIES[kind]
    return {**_operation("receive", [kind]), **({"reply": _messages(replies)} if replies else {})}


def _messages(kinds: Sequence[type]) -> Document:
    channel = f"#/channels/{_CHANNEL}"
    return {"channel": {"$ref": channel}, "messages": [{"$ref": f"{channel}/messages/{k.__name__}"} for k in kinds]}
