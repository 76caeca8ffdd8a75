"""Commands that fail inside a transaction while the others succeed: at which keys, and which streams write there."""

from collections.abc import Iterable, Sequence
from typing import Any

from realtime.core.names import Names
from realtime.ticks.core.cycle_result import CycleResult
from realtime.ticks.core.dead_letters import DeadLetter
from timeframes.core.tick_stream import TICK_STREAM, tick_stream


def failed_keys(commands: Iterable[Sequence[Any]], answers: Iterable[Any]) -> dict[str, str]:
    """Return the first error at each key. `commands`: names and arguments, each with one key."""
    failed: dict[str, str] = {}
    for command, answer in zip(commands, answers, strict=True):
        if isinstance(answer, Exception):
            key = command[3] if command[0] == "EVAL" else command[1]
            failed.setdefault(key, f"{command[0]}: {answer}")
    return failed


def streams_writing(key: str, names: Names, result: CycleResult, dead_letters: Iterable[DeadLetter]) -> set[str]:
    """Return the tick streams whose part of the batch writes to `key`, which may itself be one of them."""
    if key == names.dead_letters:
        return {each.stream for each in dead_letters}
    streams = {key} if key.startswith(TICK_STREAM) else set()
    for tick in result.ticks:
        contract = tick.contract
        lists = names.raw_ticks(contract.text), names.computed_data(contract.key.symbol)
        if key in lists or key in _of_underlying(names, contract.underlying):
            streams.add(tick.stream)
    streams |= {tick_stream(each) for each in {*result.topics, *result.bars} if key in _of_underlying(names, each)}
    return streams


def _of_underlying(names: Names, underlying: str) -> tuple[str, ...]:
    return *names.output(underlying), *names.bars_output(underlying), *names.chains_output(underlying)
