"""What waits for one socket: answers in order, and of each topic only the newest state. Bounded, and counted."""

from collections import OrderedDict

from realtime.core.frames import Frame
from realtime.core.wire import framed

_NOTICE = "\0"  # no topic begins so


class _Snapshot:
    """Marks a state that is to be sent as snapshot: the topic's first for this socket."""

    __slots__ = ("frame",)

    def __init__(self, frame: Frame) -> None:
        self.frame = frame


class Mailbox:
    """`limit`: topics that may wait at once; beyond it the one that waits longest is dropped.

    `conflated` counts states that a newer one replaced before they were sent, `dropped` those given up for the limit.
    """

    __slots__ = ("_numbered", "_waiting", "conflated", "dropped", "limit", "replies")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.conflated = self.dropped = 0
        self.replies = 0  # that wait
        self._numbered = 0
        self._waiting: OrderedDict[str | int, Frame | _Snapshot | bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def reply(self, text: str) -> None:
        """An answer: never replaced, never dropped. Whoever reads the requests sees to it that few wait."""
        self.reply_framed(framed(text.encode()))

    def reply_framed(self, message: bytes) -> None:
        self._numbered += 1
        self._waiting[self._numbered] = message
        self.replies += 1

    def notify(self, subject: str, text: str) -> None:
        """A notice that replaces an unsent one on the same subject."""
        key = _NOTICE + subject
        self._waiting.pop(key, None)
        self._waiting[key] = framed(text.encode())

    def put(self, frame: Frame) -> None:
        """A new state of a topic. It takes the place of one that waits, and is a snapshot where that was to be one."""
        waiting = self._waiting
        held = waiting.get(frame.topic)
        if held is None:
            waiting[frame.topic] = frame
            if len(waiting) - self.replies > self.limit:
                self._drop_oldest()
        elif held is not frame:
            self.conflated += 1
            waiting[frame.topic] = _Snapshot(frame) if type(held) is _Snapshot else frame

    def put_snapshot(self, frame: Frame) -> None:
        """The topic's state for a newcomer; what waits of the topic is older and goes."""
        self.forget(frame.topic)
        self._waiting[frame.topic] = _Snapshot(frame)
        if len(self._waiting) - self.replies > self.limit:
            self._drop_oldest()

    def forget(self, topic: str) -> None:
        if self._waiting.pop(topic, None) is not None:
            self.conflated += 1

    def take(self) -> tuple[bytes, Frame | None] | None:
        """The next message, framed, and the state that it tells, if it tells one; None when nothing waits."""
        if not self._waiting:
            return None
        key, held = self._waiting.popitem(last=False)
        if isinstance(held, Frame):
            return held.update, held
        if isinstance(held, _Snapshot):
            return held.frame.snapshot, held.frame
        self.replies -= isinstance(key, int)
        return held, None

    def _drop_oldest(self) -> None:
        oldest = next(key for key, held in self._waiting.items() if not isinstance(held, bytes))
        del self._waiting[oldest]
        self.dropped += 1
