"""The states of indicators that wait to be published."""

from collections.abc import Mapping
from functools import lru_cache

from realtime.core.indicator_states import IndicatorState, closes_indicators, encode_state
from realtime.ticks.core.live_series import LiveSeries
from timeframes.core.grid import default_anchor, instant

Rounds = dict[str, list[dict[str, bytes]]]


class IndicatorOutbox:
    """`rounds`: states by underlying and topic; a later round has newer ones."""

    def __init__(self) -> None:
        self.rounds: Rounds = {}

    def add(
        self,
        series: LiveSeries,
        time: int,
        values: Mapping[str, Mapping[str, float]],
        reasons: Mapping[str, str],
        *,
        complete: bool,
    ) -> None:
        """A forming bar's state takes the place of one that waits; a complete one stays."""
        wanted, begin = series.wanted, _text(time)
        state = IndicatorState(
            instrument_key=wanted.instrument_key,
            timeframe=wanted.timeframe,
            anchor=default_anchor(series.exchange).value,
            time=begin,
            values=values,
            reasons=reasons,
            complete=complete,
        )
        self._put(series.underlying, series.topic, encode_state(state))

    def _put(self, underlying: str, topic: str, state: bytes) -> None:
        rounds = self.rounds.setdefault(underlying, [])
        place = len(rounds)
        while place and topic not in rounds[place - 1]:
            place -= 1
        if place and not closes_indicators(topic.encode(), rounds[place - 1][topic]):
            rounds[place - 1][topic] = state
            return
        if place == len(rounds):
            rounds.append({})
        rounds[place][topic] = state

    def take(self) -> Rounds:
        rounds, self.rounds = self.rounds, {}
        return rounds

    def forget(self, underlying: str) -> None:
        self.rounds.pop(underlying, None)

    def clear(self) -> None:
        self.rounds = {}


@lru_cache(4096)
def _text(time: int) -> str:
    return instant(time).isoformat()
