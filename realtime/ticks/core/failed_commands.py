"""Commands that fail inside a transaction whose other commands are done: at which keys, and whose ticks write there."""

from collections.abc import Iterable, Sequence
from typing import Any

from realtime.core.names import Names
from realtime.ticks.core.cycle_result import CycleResult
from realtime.ticks.core.decoding import DeadLetter
from timeframes.core.tick_stream import TICK_STREAM, tick_stream


def failed_keys(commands: Iterable[Sequence[Any]], answers: Iterable[Any]) -> dict[str, str]:
    """The server's first complaint about each key. `commands`: names and arguments, each with one key."""
    failed: dict[str, str] = {}
    for command, answer in zip(commands, answers, strict=True):
        if isinstance(answer, Exception):
            key = command[3] if command[0] == "EVAL" else command[1]
            failed.setdefault(key, f"{command[0]}: {answer}")
    return failed


def streams_writing(key: str, names: Names, result: CycleResult, rejected: Iterable[DeadLetter]) -> set[str]:
    """The tick streams whose part of the batch writes to `key`, which may be one of them."""
    if key == names.dead_letters:
        return {each.stream for each in rejected}
    streams = {key} if key.startswith(TICK_STREAM) else set()
    for tick in result.ticks:
        contract = tick.contract
        lists = names.raw_ticks(contract.text), names.computed_data(contract.key.symbol)
        if key in lists or key in _of_underlying(names, contract.underlying):
            streams.add(tick.stream)
    streams |= {tick_stream(each) for each in result.topics if key in _of_underlying(names, each)}
    return streams


def _of_underlying(names: Names, underlying: str) -> tuple[str, str, str]:
    return names.output_stream(underlying), names.latest(underlying), names.latest_seq(underlying)
