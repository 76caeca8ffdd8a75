"""Commands that fail inside a transaction while the others succeed: at which keys, and which streams write there."""

from collections.abc import Iterable, Sequence
from typing import Any

from realtime.core.names import Names
from realtime.ticks.core.cycle_result import CycleResult
from realtime.ticks.core.dead_letters import DeadLetter
from timeframes.core.keys import parse_key
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
    publishing = {*result.topics, *result.bars, *result.indicators, *result.drained}
    streams |= {tick_stream(each) for each in publishing if key in _of_underlying(names, each)}
    for each in result.drained:
        if key == names.computed_data(parse_key(each).symbol):
            streams.add(tick_stream(each))
    return streams | {tick_stream(each) for each, strings in result.ta_results.items() if key in strings}


def _of_underlying(names: Names, underlying: str) -> tuple[str, ...]:
    return (
        names.waiting_results(underlying),
        *names.output(underlying),
        *names.bars_output(underlying),
        *names.chains_output(underlying),
        *names.indicators_output(underlying),
    )
