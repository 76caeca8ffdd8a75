"""What one micro-batch produces: ticks to store and states to publish."""

from collections import defaultdict
from dataclasses import dataclass, field

from moneyness.core.records import ChainRecords
from realtime.ticks.core.applied_ticks import AppliedTicks
from realtime.ticks.core.configured_records import ConfiguredRecords
from realtime.ticks.core.plans import Plan
from realtime.ticks.core.tick import Tick
from realtime.ticks.core.unfinished import Key, Unfinished


@dataclass(slots=True)
class CycleResult:
    ticks: list[Tick] = field(default_factory=list)
    raw: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))  # by instrument key
    computed: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))  # by symbol
    topics: dict[str, dict[str, bytes]] = field(default_factory=lambda: defaultdict(dict))  # by underlying, by topic
    bars: dict[str, list[dict[str, bytes]]] = field(default_factory=dict)  # states of bars by underlying, in rounds
    results: dict[str, list[dict[str, bytes]]] = field(default_factory=dict)  # of configurations, in the same form
    drained: dict[str, int] = field(default_factory=dict)  # by underlying: how many waiting results are among these
    indicators: dict[str, list[dict[str, bytes]]] = field(default_factory=dict)  # their states, likewise
    ta_results: dict[str, dict[str, bytes]] = field(default_factory=dict)  # strings by underlying, by key
    applied: list[AppliedTicks] = field(default_factory=list)  # the ticks without the suspect ones, as columns
    failures: list[tuple[str, Exception]] = field(default_factory=list)  # of computations and chains, by name
    priced: int = 0
    records: ChainRecords = field(default_factory=ChainRecords)  # rows to keep of evaluations
    evaluated: int = 0  # chains
    configured: ConfiguredRecords = field(default_factory=ConfiguredRecords)  # rows to keep of configurations
    left_out: int = 0  # configurations that had no turn
    heavy: list[tuple[Plan, Tick]] = field(default_factory=list)  # what workers compute
    unfinished: dict[Key, Unfinished] = field(default_factory=dict)  # heavy work of a back-test
    unfinished_bytes: int = 0  # of the bars that it holds
