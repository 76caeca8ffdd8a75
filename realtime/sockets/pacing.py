"""Subscriptions with a cadence: they get the newest state at most once an interval."""

import asyncio
from collections.abc import Callable, Iterable

from realtime.sockets.core.messages import CADENCE_SECONDS
from realtime.sockets.hub_streams import Audience, Topic
from realtime.sockets.session import Session


class Pacer:
    """Notes which states are new for which audience, and publishes them when the cadence's interval ends."""

    def __init__(self, write: Callable[[Iterable[Session]], None]) -> None:
        self._write = write
        self._new: dict[str, dict[tuple[Topic, Audience], int]] = {cadence: {} for cadence in CADENCE_SECONDS}

    def note(self, topic: Topic, audience: Audience) -> None:
        """The topic has a new state that the audience's paced subscriptions want."""
        for cadence in audience.paced:
            new = self._new[cadence]
            if not new:
                asyncio.get_running_loop().call_later(CADENCE_SECONDS[cadence], self._publish_all, cadence)
            new[topic, audience] = new.get((topic, audience), 0) + 1

    def publish_now(self, cadence: str, topics: Iterable[Topic], audience: Audience) -> None:
        """Publish what an audience waits for. Call this before a socket joins it: an older state must not follow the
        newcomer's snapshot."""
        for topic in topics:
            self._write(self._publish(cadence, topic, audience, self._new[cadence].pop((topic, audience), 0)))

    def _publish_all(self, cadence: str) -> None:
        new, self._new[cadence] = self._new[cadence], {}
        sessions: set[Session] = set()
        for (topic, audience), states in new.items():
            sessions |= self._publish(cadence, topic, audience, states)
        self._write(sessions)

    def _publish(self, cadence: str, topic: Topic, audience: Audience, states: int) -> set[Session]:
        if not states or topic.frame is None:
            return set()
        sessions = audience.paced.get(cadence, set())
        for session in sessions:
            session.mailbox.conflated += states - 1
            session.mailbox.put(topic.frame)
        return sessions
