"""Where the results of an underlying's instruments go: topics, lists and texts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from realtime.core.names import Names
from realtime.core.result_states import encode_indicators
from realtime.core.topic_grammar import results_topic
from signals.configs.core.results import ConfiguredResult
from timeframes.core.keys import parse_key


@dataclass(frozen=True, slots=True)
class ResultOutput:
    """`rounds`: states by topic; a later round has newer ones. `computed`: states by symbol. `texts`: by key.

    `newest`: the times of the scheduled results that are published, by topic and by key of a text. `public`: whose
    results every user may read; of all others only the topics are written.
    """

    newest: dict[str, datetime]
    public: int | None
    rounds: list[dict[str, bytes]] = field(default_factory=list)
    computed: dict[str, list[bytes]] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)

    def add(self, result: ConfiguredResult, state: bytes, names: Names) -> None:
        """Add a result. A scheduled one that is older than what is published is left out: it was published late."""
        topic = topic_of(result)
        if not self._is_newest(topic, result):
            return
        if not self.rounds or topic in self.rounds[-1]:
            self.rounds.append({})
        self.rounds[-1][topic] = state
        if result.owner_id != self.public:
            return
        self.computed.setdefault(parse_key(result.instrument_key).symbol, []).append(state)
        key, text = text_key(result, names), encode_indicators(result)
        if text is not None and self._is_newest(key, result):
            self.texts[key] = text

    def _is_newest(self, where: str, result: ConfiguredResult) -> bool:
        if result.run is None:  # of a tick: at most one is under way
            return True
        if where in self.newest and result.time < self.newest[where]:
            return False
        self.newest[where] = result.time
        return True


def output_of(
    results: Iterable[tuple[ConfiguredResult, bytes]],
    names: Names,
    *,
    public: int | None,
    newest: Mapping[str, datetime],
) -> ResultOutput:
    output = ResultOutput(dict(newest), public)
    for result, state in results:
        output.add(result, state, names)
    return output


def topic_of(result: ConfiguredResult) -> str:
    return results_topic(result.configuration, result.instrument_key)


def text_key(result: ConfiguredResult, names: Names) -> str:
    return names.ta_results(result.instrument_key, result.interval, result.frequency)
