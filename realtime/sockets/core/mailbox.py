"""What waits for one socket: answers in order, and of each topic only the newest state. Bounded, and counted."""

from collections import OrderedDict, deque
from collections.abc import Callable

from realtime.sockets.core.frames import Frame
from realtime.sockets.core.websocket_frames import framed

MOST_KEPT = 256  # superseded states


class _Snapshot:
    """Marks a state that is to be sent as snapshot: the topic's first for this socket."""

    __slots__ = ("frame",)

    def __init__(self, frame: Frame) -> None:
        self.frame = frame


class Mailbox:
    """`limit`: topics that may wait at once; beyond it the one that waits longest is dropped.

    Answers and notices go before states, and also while a slow reader gets no states. `conflated` counts states that a
    newer one replaced before they were sent, `dropped` those given up for the limit. While `keeping`, a newer state
    leaves the older one in its place for a moment: a reader that pauses shortly misses nothing.
    """

    __slots__ = ("_kept", "_numbered", "_said", "_states", "conflated", "dropped", "keeping", "limit", "replies")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.conflated = self.dropped = 0
        self.keeping = False
        self.replies = 0  # that wait
        self._numbered = 0
        self._said: OrderedDict[str | int, bytes] = OrderedDict()  # notices by subject, answers by number
        self._states: OrderedDict[str, Frame | _Snapshot] = OrderedDict()  # the newest of each topic
        self._kept: deque[Frame] | None = None  # those that they superseded

    def __len__(self) -> int:
        return len(self._said) + len(self._states) + len(self._kept or ())

    @property
    def has_states(self) -> bool:
        return bool(self._states)

    def reply(self, text: str) -> None:
        """An answer: never replaced, never dropped. Whoever reads the requests sees to it that few wait."""
        self.reply_framed(framed(text.encode()))

    def reply_framed(self, message: bytes) -> None:
        self._numbered += 1
        self._said[self._numbered] = message
        self.replies += 1

    def notify(self, subject: str, text: str) -> None:
        """A notice that replaces an unsent one on the same subject."""
        self._said.pop(subject, None)
        self._said[subject] = framed(text.encode())

    def put(self, frame: Frame) -> None:
        """A new state of a topic. It takes the place of one that waits, and is a snapshot where that was to be one."""
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
                self._supersede(held)  # type: ignore[arg-type]  # it is no snapshot
                states[frame.topic] = frame

    def put_snapshot(self, frame: Frame) -> None:
        """The topic's state for a newcomer; what waits of the topic is older and goes."""
        self.forget(frame.topic)
        self._states[frame.topic] = _Snapshot(frame)
        if len(self._states) > self.limit:
            self._drop_oldest()

    def forget(self, topic: str) -> None:
        if self._states.pop(topic, None) is not None:
            self.conflated += 1
            if self._kept:
                self._keep_only([each for each in self._kept if each.topic != topic])

    def retain(self, wanted: Callable[[str], bool]) -> None:
        """Forget the states of all other topics."""
        for topic in [each for each in self._states if not wanted(each)]:
            self.forget(topic)

    def conflate(self) -> None:
        """Only the newest of each topic."""
        self.keeping = False
        self._keep_only([])

    def take(self, *, states: bool = True, since: float = 0.0) -> tuple[bytes, Frame | None] | None:
        """The next message, framed, and the state that it tells, if it tells one; None when nothing (but states, where
        they are not wanted) waits. A superseded state that was told before `since` is left out."""
        if self._said:
            key, message = self._said.popitem(last=False)
            self.replies -= isinstance(key, int)
            return message, None
        if not states:
            return None
        while self._kept:
            kept = self._kept.popleft()
            if kept.read_at >= since:
                return kept.update, kept
            self.conflated += 1
        if not self._states:
            return None
        _, held = self._states.popitem(last=False)
        if isinstance(held, Frame):
            return held.update, held
        return held.frame.snapshot, held.frame

    def _supersede(self, frame: Frame) -> None:
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
        if self._kept:
            self._keep_only([each for each in self._kept if each.topic != topic])
