"""How much of what a socket was sent may still be unread: a window that follows the pace of its reader.

Behind every so much a mark is put (a ping, or a count that the page acknowledges). Its answer says that the client has
read as far as that, and how long it took. While too much is unread the socket is sent no states: they conflate in its
mailbox. The kernel's buffers and the client's would take minutes of small messages instead.

Weights are in bytes. A small message weighs LIGHTEST, since its reader has work with each. Times are monotonic seconds.
"""

LIGHTEST = 1024
FIRST = 8 * LIGHTEST  # the size at first, and of whoever needs no more
MOST = 256 * LIGHTEST
PROOF = 4 * FIRST  # that is read quickly before the window grows: more than a client's queue of 16 messages hides
PATIENCE_SECONDS = 0.5  # that a mark's answer may take, beyond what the line takes
QUICK_SECONDS = 0.1  # likewise, of a reader whose window grows
LINE_SECONDS = 0.25  # the most that we believe of a line
GROW_SECONDS = 0.025  # that states are held back, though the reader is quick, before the window grows
CALM_SECONDS = 5.0  # without a slow answer, likewise
MARK_SECONDS = 0.5  # between marks of a busy socket with a wide window
LOOK_SECONDS = 1.0  # between looks at whether so wide a window is used


class SendWindow:
    """`written`: messages so far. `phase` lets the first mark come earlier, so that many sockets are not in step."""

    __slots__ = (
        "_asked_at",
        "_flight",
        "_held_at",
        "_line",
        "_looked_at",
        "_marked",
        "_marked_at",
        "_most",
        "_proved",
        "_since",
        "_slow_at",
        "_stride",
        "_unread",
        "size",
        "written",
    )

    def __init__(self, now: float, *, phase: int = 0) -> None:
        self.written = 0
        self._unread = 0  # weight that no answer has confirmed
        self._since = phase  # weight since the last mark
        self._asked_at: float | None = None  # when the mark was put that has no answer yet
        self._marked_at, self._marked = now, 0  # the last mark: when, and behind which message
        self._flight = 0  # weight that was unread with the mark
        self._line = LINE_SECONDS  # what an answer takes that nothing delays
        self._held_at: float | None = None  # since when states wait for this window
        self._proved = 0  # weight that was read quickly meanwhile
        self._slow_at = now - CALM_SECONDS
        self._most, self._looked_at = 0, now  # unread at once since the last look
        self._resize(FIRST)

    def is_open(self, now: float) -> bool:
        if self._unread >= self.size:
            return False
        return self._asked_at is None or now - self._asked_at <= self._line + PATIENCE_SECONDS

    def is_slow(self, now: float) -> bool:
        """Was an answer slow, a short time ago?"""
        return now - self._slow_at < CALM_SECONDS

    def wrote(self, size: int) -> None:
        weight = size if size > LIGHTEST else LIGHTEST
        self.written += 1
        self._unread += weight
        self._since += weight

    def hold(self, now: float) -> None:
        """States wait, and the window is closed."""
        if self._held_at is None:
            self._held_at, self._proved = now, 0

    def rest(self) -> None:
        """Nothing waits."""
        self._held_at = None

    def mark_is_due(self, now: float) -> bool:
        """Ask after each message and each answer: a closed window opens with an answer only."""
        if self._asked_at is not None:
            return False
        return self._since >= self._stride or (self._since >= FIRST and now - self._marked_at >= MARK_SECONDS)

    def mark(self, now: float) -> None:
        self._asked_at = self._marked_at = now
        self._marked, self._flight, self._since = self.written, self._unread, 0

    def acknowledge(self, count: int, now: float) -> None:
        """The page has handled so many messages of ours."""
        if self._asked_at is not None and count >= self._marked:
            self.answered(now)

    def answered(self, now: float) -> None:
        """The client has read up to the mark."""
        if self._asked_at is None:
            return
        took, self._asked_at = now - self._asked_at, None
        self._line = min(self._line, took)
        self._most = max(self._most, self._unread)
        self._unread = self._since
        late = took - self._line
        if late > PATIENCE_SECONDS / 2:
            self._slow_at = now
        if late > PATIENCE_SECONDS:  # what is read in the time that we have patience for
            self._resize(max(LIGHTEST, min(self.size, int(self._flight * PATIENCE_SECONDS / late))))
        elif late <= QUICK_SECONDS and not self.is_slow(now):
            self._grow(now)
        if now - self._looked_at >= LOOK_SECONDS:
            if self.size > FIRST and self._most < self.size // 2:
                self._resize(max(FIRST, self.size // 2))
            self._most, self._looked_at = 0, now

    def _grow(self, now: float) -> None:
        if self._held_at is None:
            if self.size < FIRST:
                self._resize(FIRST)
            return
        self._proved += self._flight
        if now - self._held_at >= GROW_SECONDS and self._proved >= PROOF:
            self._resize(min(self.size * 2, MOST))

    def _resize(self, size: int) -> None:
        self.size = size
        self._stride = min(size, max(size // 2, FIRST))
