"""What the server sends over a socket besides states of topics (`frames`), and why it closes one."""

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import Any

import msgspec

from realtime.core.messages import RequestId


class Close(IntEnum):
    """Close codes. What a client should do is in docs/websocket.md."""

    GOING_AWAY = 1001  # the server restarts: reconnect after the hint
    INTERNAL_ERROR = 1011
    NOT_AUTHENTICATED = 4001  # no valid token or ticket in time, or the token has expired
    FOREIGN_ORIGIN = 4003
    TOO_FAST = 4008  # more messages a second than allowed
    TOO_MANY = 4009  # connections of this process, or of this user
    TOO_LARGE = 4010  # a frame over the limit


class Code(StrEnum):
    """Of errors: the closed list that clients can tell apart."""

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
    TOO_FAR = "too_far"  # more to catch up with than is sent again
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


def welcome(*, client_id: str, heartbeat_seconds: float, max_subscriptions: int) -> str:
    return _text(
        type="welcome",
        client_id=client_id,
        heartbeat_seconds=heartbeat_seconds,
        max_subscriptions=max_subscriptions,
        cadences=["raw", "100ms", "1s"],
    )


def ack(request_id: RequestId, request: str, items: Sequence[Item]) -> str:
    return _text(type="ack", id=request_id, request=request, items=items)


def error(request_id: RequestId, code: Code, detail: str) -> str:
    return _text(type="error", id=request_id, code=code, detail=detail)


def pong(request_id: RequestId, milliseconds: int) -> str:
    return _text(type="pong", id=request_id, at=milliseconds)


def gap(topic: str, reason: GapReason, since: str | None) -> str:
    """Updates of the topic (or wildcard) after the entry `since` may be missing; a snapshot follows where there is
    one."""
    return _text(type="gap", topic=topic, reason=reason, since=since)


def heartbeat(*, at: int, sent: int, conflated: int, dropped: int, lag_ms: int | None) -> str:
    """Totals of the socket. `lag_ms`: from an entry's ID to its sending, the longest since the last heartbeat."""
    return _text(type="heartbeat", at=at, sent=sent, conflated=conflated, dropped=dropped, lag_ms=lag_ms)


def closing(code: Close, reconnect_after_ms: int) -> str:
    return _text(type="closing", code=int(code), reconnect_after_ms=reconnect_after_ms)


def _text(**fields: Any) -> str:
    return msgspec.json.encode(fields).decode()
