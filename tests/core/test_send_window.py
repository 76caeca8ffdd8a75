"""The send window against simulated readers that differ in pace, line and buffers."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from realtime.sockets.core.send_window import FIRST, LIGHTEST, MOST, SendWindow

MESSAGE = 300  # bytes


def read(
    *,
    seconds: float,
    each: float,
    line: float = 0.0005,
    own_queue: int = 0,
    told: float = 1000.0,
    window: SendWindow | None = None,
    begin: float = 0.0,
) -> tuple[SendWindow, int, float, int]:
    """Simulate a client that reads a message in `each` seconds, over a line with a round trip of `line` seconds.

    The client queues `own_queue` messages before it stops reading from its socket, until a quarter is left. `told`
    states a second are published, and the newest is sent. Return the window, the messages read, the greatest age from
    1 s on, and the number of pings.
    """
    window = window or SendWindow(begin)
    window.answered(begin)
    kernel: deque[float | None] = deque()  # the time of sending, None for a ping
    mine: deque[float] = deque()
    pongs: deque[float] = deque()
    paused, busy_until, count, oldest, pings, credit = False, begin, 0, 0.0, 0, 0.0
    step = min(0.001, each, line or 0.001)
    for number in range(int(seconds / step)):
        now = begin + number * step
        credit = min(credit + told * step, 200.0)  # the mailbox holds this many at most
        while pongs and pongs[0] <= now:
            pongs.popleft()
            window.answered(now)
        while credit >= 1 and window.is_open(now):
            window.wrote(MESSAGE)
            kernel.append(now)
            credit -= 1
            if window.mark_is_due(now):
                window.mark(now)
                kernel.append(None)
                pings += 1
        window.hold(now) if credit >= 1 else window.rest()
        if window.mark_is_due(now):
            window.mark(now)
            kernel.append(None)
            pings += 1
        while kernel and not paused:
            if (taken := kernel.popleft()) is None:
                pongs.append(now + line)
            else:
                mine.append(taken)
                paused = len(mine) > own_queue
        if mine and busy_until <= now:
            oldest = max(oldest, now - mine.popleft()) if now - begin > 1 else (mine.popleft(), oldest)[1]
            count, busy_until = count + 1, now + each
        if len(mine) <= own_queue // 4:
            paused = False
    return window, count, oldest, pings


def test_a_slow_reader_has_little_under_way_and_never_starves() -> None:
    for own_queue in (0, 16):
        for each in (0.02, 0.05, 0.1):
            _, count, oldest, _ = read(seconds=20, each=each, own_queue=own_queue)
            assert oldest < 1.0 + own_queue * each, (own_queue, each, oldest)
            assert count > 0.9 * 20 / each, (own_queue, each, count)


def test_a_quick_reader_over_a_long_line_gets_all() -> None:
    for line in (0.001, 0.05, 0.2):
        window, count, _, _ = read(seconds=10, each=0.0001, line=line, told=500)
        assert count > 0.9 * 10 * 500, (line, count, window.size)


def test_a_reader_that_turns_slow_has_its_window_narrowed_and_one_that_turns_quick_widened() -> None:
    window, count, _, _ = read(seconds=10, each=0.0001, line=0.1, told=500)
    assert count > 4000 and window.size > FIRST
    read(seconds=20, each=0.05, line=0.1, told=500, window=window, begin=10)
    _, slowly, oldest, _ = read(seconds=20, each=0.05, line=0.1, told=500, window=window, begin=30)
    assert slowly > 0.9 * 20 / 0.05 and oldest < 1.0 and window.size <= 2 * FIRST
    read(seconds=10, each=0.0001, line=0.1, told=500, window=window, begin=50)
    _, count, _, _ = read(seconds=5, each=0.0001, line=0.1, told=500, window=window, begin=60)
    assert count > 0.9 * 5 * 500


def test_pings_are_few_and_an_idle_socket_has_none() -> None:
    _, count, _, pings = read(seconds=10, each=0.0001, told=100)
    assert count > 900 and pings <= count / 8 + 1
    assert not SendWindow(0.0).mark_is_due(1000.0)


def test_a_phase_brings_the_first_mark_forward() -> None:
    first = SendWindow(0.0, phase=FIRST - LIGHTEST)
    first.wrote(10)
    assert first.mark_is_due(0.0)
    first.mark(0.0)
    first.answered(0.001)
    first.wrote(10)
    assert not first.mark_is_due(0.1)


def test_a_mark_without_an_answer_closes_the_window_and_acknowledging_opens_it() -> None:
    window = SendWindow(0.0)
    for _ in range(8):
        window.wrote(10)
    assert not window.is_open(0.0) and window.mark_is_due(0.0)
    window.mark(0.0)
    window.acknowledge(7, 0.1)
    assert not window.is_open(0.1) and not window.mark_is_due(0.1)
    window.acknowledge(8, 0.1)
    assert window.is_open(0.1)
    window.acknowledge(8, 0.2)
    window.answered(0.2)  # no mark is open
    assert window.written == 8


@given(st.lists(st.tuples(st.sampled_from(["write", "answer", "wait"]), st.integers(1, 40_000)), max_size=200))
def test_a_closed_window_has_a_mark_under_way(steps: list[tuple[str, int]]) -> None:
    """Otherwise it would never open again."""
    window, now, asked = SendWindow(0.0), 0.0, False
    for what, number in steps:
        if what == "write" and window.is_open(now):
            window.wrote(number)
        elif what == "answer":
            window.answered(now)
            asked = False
        else:
            now += number / 10_000
        if window.mark_is_due(now):
            window.mark(now)
            asked = True
        assert window.is_open(now) or asked
        assert LIGHTEST <= window.size <= MOST
