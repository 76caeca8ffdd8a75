"""What a feed gives: a closed list."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The newest state of a topic. `seq` and `data` are None where there is none yet."""

    topic: str
    seq: str | None
    data: Any


@dataclass(frozen=True, slots=True)
class Update:
    """A new state of a topic. `prev` is the seq of the topic's update before it, None where none is known."""

    topic: str
    seq: str
    prev: str | None
    data: Any


@dataclass(frozen=True, slots=True)
class Gap:
    """Updates of the topic (or wildcard) after the entry `since` may be missing. A snapshot follows if there is one."""

    topic: str
    reason: str
    since: str | None


@dataclass(frozen=True, slots=True)
class Notice:
    """A message of the service to this user."""

    subject: str
    text: str
    at: int  # milliseconds since the epoch


@dataclass(frozen=True, slots=True)
class Refused:
    """The service did not accept a subscription. The feed goes on without it."""

    topic: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Totals of the connection since it opened."""

    at: int  # milliseconds since the epoch
    sent: int
    conflated: int
    dropped: int
    lag_ms: int | None


@dataclass(frozen=True, slots=True)
class Connected:
    """The socket is open. `resumed`: it was open before, and the feed continues where it broke off."""

    resumed: bool


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is lost. The feed connects again after `retry_seconds`."""

    reason: str
    retry_seconds: float


Event = Snapshot | Update | Gap | Notice | Refused | Heartbeat | Connected | Disconnected
