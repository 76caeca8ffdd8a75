"""What waits for one socket: replies in order, and only the newest state of each topic. Bounded, and counted."""

from collections import OrderedDict, deque
from collections.abc import Callable

from realtime.sockets.core.frames import Frame
from realtime.sockets.core.websocket_frames import framed

MOST_KEPT = 256  # superseded states


class _Snapshot:
    """Marks a state to send as a snapshot: the topic's first for this socket."""

    __slots__ = ("frame",)

    def __init__(self, frame: Frame) -> None:
        self.frame = frame


class Mailbox:
    """`limit`: topics that may wait at once; beyond it the one that has waited longest is dropped.

    Replies and notices go before states, and are sent even while a slow reader gets no states. `conflated` counts
    states replaced by a newer one before they were sent, `dropped` those dropped for the limit. While `keeping`, older
    states stay for a moment, so that a reader that pauses shortly misses none. Replaced final states (`Frame`) always
    stay, up to `limit` of them.
    """

    __slots__ = (
        "_final",
        "_kept",
        "_numbered",
        "_said",
        "_states",
        "conflated",
        "dropped",
        "keeping",
        "limit",
        "replies",
    )

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.conflated = self.dropped = 0
        self.keeping = False
        self.replies = 0  # waiting
        self._numbered = 0
        self._said: OrderedDict[str | int, bytes] = OrderedDict()  # notices by subject, replies by number
        self._states: OrderedDict[str, Frame | _Snapshot] = OrderedDict()  # the newest of each topic
        self._kept: deque[Frame] | None = None  # the states that these replaced
        self._final: deque[Frame] = deque()  # the final ones among them

    def __len__(self) -> int:
        return len(self._said) + len(self._states) + len(self._kept or ()) + len(self._final)

    @property
    def has_states(self) -> bool:
        return bool(self._states)

    def reply(self, text: str) -> None:
        """Add a reply, which is never replaced or dropped. The reader of the requests keeps their number low."""
        self.reply_framed(framed(text.encode()))

    def reply_framed(self, message: bytes) -> None:
        self._numbered += 1
        self._said[self._numbered] = message
        self.replies += 1

    def notify(self, subject: str, text: str) -> None:
        """Add a notice. It replaces an unsent one on the same subject."""
        self._said.pop(subject, None)
        self._said[subject] = framed(text.encode())

    def put(self, frame: Frame) -> None:
        """Add a topic's new state. It replaces a waiting one, and is a snapshot if that was one."""
        states = self._states
        held = states.get(frame.topic)
        if held is None:
            states[frame.topic] = frame
            if len(states) > self.limit:
                self._drop_oldest()
        elif held is not frame:
            if type(held) is _Snapshot:
                self.conflated += 1
                states[frame.topic] = _Snapshot(frame)
            else:
                self._supersede(held)  # type: ignore[arg-type]  # not a snapshot
                states[frame.topic] = frame

    def put_snapshot(self, frame: Frame) -> None:
        """Add a topic's state as a snapshot. It replaces older states of the topic."""
        self.forget(frame.topic)
        self._states[frame.topic] = _Snapshot(frame)
        if len(self._states) > self.limit:
            self._drop_oldest()

    def forget(self, topic: str) -> None:
        if self._states.pop(topic, None) is not None:
            self.conflated += 1
            self._forget_kept(topic)

    def retain(self, wanted: Callable[[str], bool]) -> None:
        """Drop the states of unwanted topics."""
        for topic in [each for each in self._states if not wanted(each)]:
            self.forget(topic)

    def conflate(self) -> None:
        """Keep only the newest state of each topic."""
        self.keeping = False
        self._keep_only([])

    def take(self, *, states: bool = True, since: float = 0.0) -> tuple[bytes, Frame | None] | None:
        """Take the next message, framed, with its state if it has one. Return None if nothing waits.

        `states`: also take states. Replaced states read before `since` are left out.
        """
        if self._said:
            key, message = self._said.popitem(last=False)
            self.replies -= isinstance(key, int)
            return message, None
        if not states:
            return None
        while self._kept:
            if self._final and self._final[0].read_at <= self._kept[0].read_at:
                break
            kept = self._kept.popleft()
            if kept.read_at >= since:
                return kept.update, kept
            self.conflated += 1
        if self._final:
            final = self._final.popleft()
            return final.update, final
        if not self._states:
            return None
        _, held = self._states.popitem(last=False)
        if isinstance(held, Frame):
            return held.update, held
        return held.frame.snapshot, held.frame

    def _supersede(self, frame: Frame) -> None:
        if frame.final:
            self._final.append(frame)
            if len(self._final) > self.limit:
                self._final.popleft()
                self.dropped += 1
            return
        if not self.keeping:
            self.conflated += 1
            return
        if self._kept is None:
            self._kept = deque()
        self._kept.append(frame)
        if len(self._kept) > MOST_KEPT:
            self._kept.popleft()
            self.conflated += 1

    def _keep_only(self, frames: list[Frame]) -> None:
        self.conflated += len(self._kept or ()) - len(frames)
        self._kept = deque(frames) if frames else None

    def _drop_oldest(self) -> None:
        topic, _ = self._states.popitem(last=False)
        self.dropped += 1
        self._forget_kept(topic)

    def _forget_kept(self, topic: str) -> None:
        if self._kept:
            self._keep_only([each for each in self._kept if each.topic != topic])
        if self._final:
            others = [each for each in self._final if each.topic != topic]
            self.conflated += len(self._final) - len(others)
            self._final = deque(others)
