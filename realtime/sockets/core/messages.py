"""The messages that a client may send: a closed list, parsed strictly. docs/websocket.md describes them."""

import re
from typing import Annotated, Any, Literal

import msgspec

Cadence = Literal["raw", "100ms", "1s"]
RequestId = str | int | None
CADENCE_SECONDS: dict[str, float] = {"100ms": 0.1, "1s": 1.0}
_ENTRY_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


class InvalidMessage(ValueError):
    """The text is not one of these messages. `request_id` is the sender's, if it could be read."""

    def __init__(self, message: str, request_id: RequestId = None) -> None:
        super().__init__(message)
        self.request_id = request_id


class Auth(msgspec.Struct, tag="auth", frozen=True, forbid_unknown_fields=True):
    """The first message of a socket that connected without a credential; later, a fresh token."""

    token: str = ""
    ticket: str = ""
    id: RequestId = None


class Subscribe(msgspec.Struct, tag="subscribe", frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Either `topics`, or one `channel` with its instrument key and parameters.

    `resume_from`: the last entry ID that the client has seen, one for all topics or one for each.
    """

    topics: list[str] = []
    channel: str = ""
    instrument_key: str = ""
    params: dict[str, Any] = {}
    cadence: Cadence = "raw"
    resume_from: str | dict[str, str] | None = None
    id: RequestId = None

    def resume_point(self, topic: str) -> str | None:
        return self.resume_from.get(topic) if isinstance(self.resume_from, dict) else self.resume_from


class Unsubscribe(msgspec.Struct, tag="unsubscribe", frozen=True, forbid_unknown_fields=True, kw_only=True):
    """End subscriptions, named as in `subscribe`."""

    topics: list[str] = []
    channel: str = ""
    instrument_key: str = ""
    params: dict[str, Any] = {}
    id: RequestId = None


class Ping(msgspec.Struct, tag="ping", frozen=True, forbid_unknown_fields=True):
    """Ask for a pong with the server's time."""

    id: RequestId = None


class ClientPong(msgspec.Struct, tag="pong", frozen=True):
    """Accepted and ignored: clients of version 1 send it."""

    id: RequestId = None


class ClientAck(msgspec.Struct, tag="ack", frozen=True, forbid_unknown_fields=True):
    """The page has handled the first `n` messages of the server; `welcome` is the first.

    After the first acknowledgement, states are sent at the pace of acknowledgements instead of pongs.
    """

    n: Annotated[int, msgspec.Meta(ge=0)]
    id: RequestId = None


Incoming = Auth | Subscribe | Unsubscribe | Ping | ClientPong | ClientAck
_decoder: msgspec.json.Decoder[Incoming] = msgspec.json.Decoder(Incoming)


class _OnlyId(msgspec.Struct):
    id: RequestId = None


_id_decoder = msgspec.json.Decoder(_OnlyId)


def read(text: str) -> Incoming:
    """Parse a message. Raises InvalidMessage, which says what is wrong and where."""
    try:
        message = _decoder.decode(text)
    except msgspec.MsgspecError as error:
        raise InvalidMessage(str(error), _read_id(text)) from error
    except (UnicodeEncodeError, RecursionError) as error:
        raise InvalidMessage("not JSON that can be read") from error
    if isinstance(message, Subscribe | Unsubscribe) and bool(message.topics) == bool(message.channel):
        raise InvalidMessage("give either topics or channel", message.id)
    if isinstance(message, Subscribe):
        given = message.resume_from
        points = given.values() if isinstance(given, dict) else [given] if given is not None else []
        for point in points:
            if not _ENTRY_ID.fullmatch(point):
                raise InvalidMessage(
                    f"resume_from: {point[:50]!r} is not an entry ID such as 1767000000000-0", message.id
                )
    return message


def _read_id(text: str) -> RequestId:
    try:
        return _id_decoder.decode(text).id
    except (msgspec.MsgspecError, RecursionError):  # it reads on, where the other decoder had refused
        return None
