"""Zygotes, which take a second to start, and columns for functions."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest

from signals.functions.sandbox.probe import why_unavailable
from signals.functions.sandbox.process import FunctionProcess, Limits
from signals.functions.sandbox.results import Outcome
from signals.functions.sandbox.starter import Zygote

CLOSE = np.arange(1.0, 61.0)
DATA = {
    **dict.fromkeys(("open", "high", "low", "close"), CLOSE),
    "volume": np.ones(60),
    "timestamp": 1_767_225_600.0 + 60 * np.arange(60),
}
LIMITS = Limits(cpu_seconds=0.3, wall_seconds=3.0, batch_seconds=8.0)


def needs_filter() -> None:
    if reason := why_unavailable():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    needs_filter()
    made = Zygote()
    yield made
    made.close()


@pytest.fixture(scope="session")
def raw_zygote() -> Iterator[Zygote]:
    """A zygote whose functions are plain Python with all builtins: the outer wall alone."""
    needs_filter()
    made = Zygote(restricted=False)
    yield made
    made.close()


def called(zygote: Zygote, source: str, data: Any = DATA, params: Any = None, limits: Limits = LIMITS) -> Outcome:
    with FunctionProcess(source, limits, zygote) as process:
        return process.refused or process.call(data, params or {})


def plain(outcome: Outcome) -> Any:
    """Return a result as JSON has it."""
    assert outcome.error is None, outcome.reason
    values = {
        name: orjson.loads(orjson.dumps(each.tolist() if isinstance(each, np.ndarray) else each))
        for name, each in outcome.values.items()
    }
    return values if outcome.several else values["value"]
