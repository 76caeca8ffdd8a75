"""How much sent data may be unread: a window that follows the pace of the socket's reader.

After every stride a mark is sent: a ping, or a count that the page acknowledges. Its answer says that the client has
read up to the mark, and how long that took. While the window is full the socket gets no states; they conflate in its
mailbox. Otherwise the buffers of the kernel and the client would hold minutes of small messages.

Weights are in bytes. A small message weighs LIGHTEST, because each one is work for the reader. Times are monotonic
seconds.
"""

LIGHTEST = 1024
FIRST = 8 * LIGHTEST  # the initial size, enough for most
MOST = 256 * LIGHTEST
PROOF = 4 * FIRST  # read quickly before the window grows; more than a client's queue of 16 messages can hide
PATIENCE_SECONDS = 0.5  # for a mark's answer, beyond the line's delay
QUICK_SECONDS = 0.1  # likewise, for a window that grows
LINE_SECONDS = 0.25  # the longest delay attributed to a line
GROW_SECONDS = 0.025  # that states are held back for a quick reader before its window grows
CALM_SECONDS = 5.0  # without a slow answer before the window grows
MARK_SECONDS = 0.5  # interval between marks of a busy socket with a wide window
LOOK_SECONDS = 1.0  # interval between checks whether a wide window is used


class SendWindow:
    """`written`: messages so far. `phase` brings the first mark forward, so that many sockets do not run in step."""

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
        self._asked_at: float | None = None  # when the unanswered mark was sent
        self._marked_at, self._marked = now, 0  # the last mark: when, and after which message
        self._flight = 0  # unread weight at the mark
        self._line = LINE_SECONDS  # the shortest time of an answer
        self._held_at: float | None = None  # since when states wait for this window
        self._proved = 0  # weight read quickly since then
        self._slow_at = now - CALM_SECONDS
        self._most, self._looked_at = 0, now  # the most unread since the last check
        self._resize(FIRST)

    def is_open(self, now: float) -> bool:
        if self._unread >= self.size:
            return False
        return self._asked_at is None or now - self._asked_at <= self._line + PATIENCE_SECONDS

    def is_slow(self, now: float) -> bool:
        """Return whether an answer was slow a short time ago."""
        return now - self._slow_at < CALM_SECONDS

    def wrote(self, size: int) -> None:
        weight = size if size > LIGHTEST else LIGHTEST
        self.written += 1
        self._unread += weight
        self._since += weight

    def hold(self, now: float) -> None:
        """Note that states wait for the closed window."""
        if self._held_at is None:
            self._held_at, self._proved = now, 0

    def rest(self) -> None:
        """Note that nothing waits."""
        self._held_at = None

    def mark_is_due(self, now: float) -> bool:
        """Ask this after each message and each answer: only an answer opens a closed window."""
        if self._asked_at is not None:
            return False
        return self._since >= self._stride or (self._since >= FIRST and now - self._marked_at >= MARK_SECONDS)

    def mark(self, now: float) -> None:
        self._asked_at = self._marked_at = now
        self._marked, self._flight, self._since = self.written, self._unread, 0

    def acknowledge(self, count: int, now: float) -> None:
        """Note that the page has handled our first `count` messages."""
        if self._asked_at is not None and count >= self._marked:
            self.answered(now)

    def answered(self, now: float) -> None:
        """Note that the client has read up to the mark."""
        if self._asked_at is None:
            return
        took, self._asked_at = now - self._asked_at, None
        self._line = min(self._line, took)
        self._most = max(self._most, self._unread)
        self._unread = self._since
        late = took - self._line
        if late > PATIENCE_SECONDS / 2:
            self._slow_at = now
        if late > PATIENCE_SECONDS:  # shrink to what is read within our patience
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
