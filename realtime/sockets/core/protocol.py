"""The messages that the server sends, and the codes with which it closes a socket. `frames` encodes states."""

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import Any

import msgspec

from realtime.sockets.core.messages import CADENCE_SECONDS, RequestId


class Close(IntEnum):
    """Close codes. docs/websocket.md says how a client should react."""

    GOING_AWAY = 1001  # the server restarts: reconnect after the hint
    INTERNAL_ERROR = 1011
    NOT_AUTHENTICATED = 4001  # no valid token or ticket in time, or the token has expired
    FOREIGN_ORIGIN = 4003
    ENDED = 4004  # staff or a change of the account ended the user's sockets
    TOO_FAST = 4008  # more messages a second than allowed
    TOO_MANY = 4009  # connections of this process, or of this user
    TOO_LARGE = 4010  # a frame over the limit


class Code(StrEnum):
    """Error codes: a closed list."""

    INVALID_MESSAGE = "invalid_message"
    NOT_AUTHENTICATED = "not_authenticated"
    UNKNOWN_TOPIC = "unknown_topic"
    UNKNOWN_CHANNEL = "unknown_channel"
    FORBIDDEN = "forbidden"
    TOO_MANY_SUBSCRIPTIONS = "too_many_subscriptions"
    NOT_SUBSCRIBED = "not_subscribed"
    UNAVAILABLE = "unavailable"  # storage does not answer: try again


class GapReason(StrEnum):
    TRIMMED = "trimmed"  # entries were removed before they could be read
    RESET = "reset"  # the stream was emptied or lost its end
    TOO_FAR = "too_far"  # the client missed more than is sent again
    UNREADABLE = "unreadable"  # Redis did not answer


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """The outcome for one topic of a request."""

    topic: str
    ok: bool
    cadence: str | None = None
    code: Code | None = None
    detail: str | None = None


def refused(topic: str, code: Code, detail: str) -> Item:
    return Item(topic=topic[:200], ok=False, code=code, detail=detail)


class Outgoing(msgspec.Struct, frozen=True, tag=str.lower):
    """A message of the server: a JSON object with its name as `type`."""

    def json(self) -> str:
        return msgspec.json.encode(self).decode()


class Welcome(Outgoing, frozen=True, kw_only=True):
    """The socket is open and its user authenticated."""

    client_id: str
    heartbeat_seconds: float
    max_subscriptions: int
    cadences: tuple[str, ...] = ("raw", *CADENCE_SECONDS)


class Ack(Outgoing, frozen=True):
    """The outcome of a request, topic by topic."""

    id: RequestId
    request: str
    items: Sequence[Item] = ()


class Error(Outgoing, frozen=True):
    """A request could not be handled as a whole."""

    id: RequestId
    code: Code
    detail: str


class Pong(Outgoing, frozen=True):
    """`at`: milliseconds since the epoch."""

    id: RequestId
    at: int


class Snapshot(Outgoing, frozen=True):
    """The newest state of a topic. `seq` and `data` are null if there is none yet."""

    topic: str
    seq: str | None
    data: Any


class Update(Outgoing, frozen=True):
    """A new state of a topic. `prev`: the entry of the topic's previous state."""

    topic: str
    seq: str
    prev: str | None
    data: Any


class Gap(Outgoing, frozen=True):
    """Updates of the topic or wildcard after the entry `since` may be missing. A snapshot follows if there is one."""

    topic: str
    reason: GapReason
    since: str | None


class Heartbeat(Outgoing, frozen=True, kw_only=True):
    """Totals of the socket. `lag_ms`: the longest time from an entry's ID to its sending since the last heartbeat."""

    at: int
    sent: int
    conflated: int
    dropped: int
    lag_ms: int | None


class Notice(Outgoing, frozen=True):
    """A message for this user. `at`: milliseconds since the epoch."""

    subject: str
    text: str
    at: int


class Closing(Outgoing, frozen=True):
    """The server closes the socket now. Reconnect after `reconnect_after_ms`."""

    code: Close
    reconnect_after_ms: int
