"""Results of configurations that wait for their consumer: it publishes them between batches, each once."""

import logging
import time
from collections.abc import Callable, Iterable

import redis

from realtime.consumer_groups import Redis
from realtime.core.names import Names
from realtime.core.result_outputs import output_of
from realtime.results.newest import newest_of
from realtime.results.publishing import readable
from realtime.ticks import metrics
from realtime.ticks.core.cycle_result import CycleResult
from signals.configs.core.results import ConfiguredResult
from timeframes.core.tick_stream import underlying_of

logger = logging.getLogger(__name__)

MOST = 50  # results of an underlying at once, so that ticks do not wait long
MOST_BYTES = 1 << 20  # about so many of all underlyings at once
SECONDS = 0.1  # between two looks
REPORT_SECONDS = 60.0


class WaitingResults:
    """`heard`: is told of all results. `public`: returns whose results every user may read."""

    def __init__(
        self,
        client: Redis,
        names: Names,
        heard: Callable[[Iterable[ConfiguredResult]], None],
        public: Callable[[], int | None],
    ) -> None:
        self.heard = heard
        self.public = public
        self.client = client
        self.names = names
        self._look_at = 0.0
        self._first = ""  # the underlying whose turn it is
        self._reported: dict[str, float] = {}  # by key of a wrong type

    def due_in(self) -> float:
        """Return the seconds until the next look."""
        return max(self._look_at - time.monotonic(), 0.0)

    def take(self, owned: Iterable[str]) -> CycleResult | None:
        """Return what waits for the underlyings of these streams, None for nothing.

        It stays in its lists until the transaction that publishes it: only the owner shortens them, and others append.
        """
        if self.due_in():
            return None
        self._look_at = time.monotonic() + SECONDS
        underlyings = sorted(map(underlying_of, owned), key=lambda each: (each < self._first, each))
        with self.client.pipeline(transaction=False) as pipeline:
            for underlying in underlyings:
                pipeline.lrange(self.names.waiting_results(underlying), 0, MOST - 1)
            answers = pipeline.execute(raise_on_error=False)
        result, room = CycleResult(), MOST_BYTES
        for underlying, answer in zip(underlyings, answers, strict=True):
            if isinstance(answer, redis.ResponseError):
                self._report(self.names.waiting_results(underlying), answer)
            elif isinstance(answer, Exception):
                raise answer
            elif answer and room <= 0:
                self._first, self._look_at = underlying, 0.0
                break
            elif answer:
                count, room = _within(answer, room)
                self._add(result, underlying, answer[:count])
                if count < len(answer):
                    self._look_at = 0.0  # more wait
        return result if result.drained else None

    def _add(self, result: CycleResult, underlying: str, states: list[str]) -> None:
        read = readable(states, underlying)
        self.heard(result for result, _ in read)
        published = newest_of(self.client, [result for result, _ in read], underlying, self.names)
        output = output_of(read, self.names, public=self.public(), newest=published)
        result.drained[underlying] = len(states)
        if output.rounds:
            result.results[underlying] = output.rounds
        for symbol, some in output.computed.items():
            result.computed[symbol] += some
        if output.texts:
            result.ta_results[underlying] = output.texts
        if len(states) == MOST:
            self._look_at = 0.0  # more may wait
        metrics.configured_results.inc(len(states))

    def _report(self, key: str, error: redis.ResponseError) -> None:
        metrics.errors.labels("key").inc()
        if time.monotonic() - self._reported.get(key, -REPORT_SECONDS) >= REPORT_SECONDS:
            self._reported[key] = time.monotonic()
            logger.error("%s cannot be read: %s", key, error)


def _within(states: list[str], room: int) -> tuple[int, int]:
    """Return how many of the states fit into so many bytes, at least one, and the room that is left."""
    for count, state in enumerate(states):
        if room <= 0:
            return count, room
        room -= len(state)
    return len(states), room
