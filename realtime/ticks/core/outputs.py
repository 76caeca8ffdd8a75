"""Which output of an underlying the states of a batch go to."""

from collections.abc import Iterator, Mapping, Sequence

from realtime.core.names import Names
from realtime.core.topic_grammar import is_evaluated

Output = tuple[str, tuple[str, str, str], Sequence[Mapping[str, bytes]]]
"""An underlying, its stream and hashes (`Names.output`), and states by topic in rounds: a later one has newer ones."""


def outputs_of(names: Names, topics: Mapping[str, Mapping[str, bytes]]) -> Iterator[Output]:
    """Divide states, by underlying and topic, among outputs: those of evaluations have one of their own.

    They are large: among ticks they would leave the clients of ticks a shorter time to resume.
    """
    for underlying, states in topics.items():
        evaluated = {topic: state for topic, state in states.items() if is_evaluated(topic)}
        others = states
        if evaluated:
            others = {topic: state for topic, state in states.items() if topic not in evaluated}
            yield underlying, names.chains_output(underlying), [evaluated]
        if others:
            yield underlying, names.output(underlying), [others]
