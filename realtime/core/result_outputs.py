"""Where the results of an underlying's instruments go: topics, lists and texts."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from realtime.core.names import Names
from realtime.core.result_states import encode_indicators
from realtime.core.topic_grammar import results_topic
from signals.configs.core.results import ConfiguredResult
from timeframes.core.keys import parse_key


@dataclass(frozen=True, slots=True)
class ResultOutput:
    """`rounds`: states by topic; a later round has newer ones. `computed`: states by symbol. `texts`: by key."""

    rounds: list[dict[str, bytes]] = field(default_factory=list)
    computed: dict[str, list[bytes]] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)

    def add(self, result: ConfiguredResult, state: bytes, names: Names) -> None:
        """Add a result, which is newer than those before."""
        topic = results_topic(result.configuration, result.instrument_key)
        if not self.rounds or topic in self.rounds[-1]:
            self.rounds.append({})
        self.rounds[-1][topic] = state
        self.computed.setdefault(parse_key(result.instrument_key).symbol, []).append(state)
        if (text := encode_indicators(result)) is not None:
            self.texts[names.ta_results(result.instrument_key, result.interval, result.frequency)] = text


def output_of(results: Iterable[tuple[ConfiguredResult, bytes]], names: Names) -> ResultOutput:
    output = ResultOutput()
    for result, state in results:
        output.add(result, state, names)
    return output
