"""Ctrl-C in a block that must not be left half done."""

import signal
from collections.abc import Iterator

import pytest

from signalsite.foundation.process import uninterrupted


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_waits_for_the_end() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        steps.append("the rest")
    assert steps == ["the rest"]


def test_the_second_does_not_wait() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        steps.append("between")
        signal.raise_signal(signal.SIGINT)
        steps.append("the rest")
    assert steps == ["between"]


def test_after_it_ctrl_c_interrupts_as_before() -> None:
    with uninterrupted():
        pass
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_an_error_in_it_is_not_hidden() -> None:
    with pytest.raises(LookupError), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        raise LookupError


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_it_leaves_the_handlers_of_others(handler: signal.Handlers) -> None:
    signal.signal(signal.SIGINT, handler)
    with uninterrupted():
        assert signal.getsignal(signal.SIGINT) == handler
        signal.raise_signal(signal.SIGINT)
