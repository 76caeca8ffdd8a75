"""When the results that are published now were of, so that one that is published late replaces no newer one."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from realtime.core.names import Names
from realtime.core.result_outputs import text_key, topic_of
from signals.configs.core.results import ConfiguredResult

AHEAD = timedelta(minutes=1)
"""A result of a later moment is of a clock that was wrong, and may be replaced."""


class _Dated(msgspec.Struct):
    time: datetime


_decode = msgspec.json.Decoder(_Dated).decode


def newest_of(client: Any, results: Iterable[ConfiguredResult], underlying: str, names: Names) -> dict[str, datetime]:
    """Return the times of what stands in the topics and texts of scheduled results, by topic and by key.

    The caller is the only writer of them until it has written. Raises redis.RedisError.
    """
    scheduled = [result for result in results if result.run is not None]
    if not scheduled:
        return {}
    topics = list({topic_of(each): None for each in scheduled})
    texts = list({text_key(each, names): None for each in scheduled})
    states = client.hmget(names.latest(underlying), topics) + client.mget(texts)
    until = datetime.now(UTC) + AHEAD
    found = {}
    for where, state in zip(topics + texts, states, strict=True):
        if state is not None and (time := _time_of(state)) is not None and time <= until:
            found[where] = time
    return found


def _time_of(state: bytes | str) -> datetime | None:
    """Return the time of a state, None for one that cannot be read: it may be replaced."""
    try:
        time = _decode(state).time
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return time if time.tzinfo is not None else None
