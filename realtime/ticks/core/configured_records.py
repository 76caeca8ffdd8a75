"""What is kept of configurations that run with ticks: results, and how their values were made."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from realtime.ticks.core.configured_units import Computed
from realtime.ticks.core.plans import EXTERNAL, FUNCTIONS, GREEKS, INDICATORS, Plan
from signals.configs.core.results import ConfiguredResult
from signals.functions.core.registry import internal_function


@dataclass(frozen=True, slots=True)
class KindRecord:
    """The values of one kind that a configuration has given at one moment. `result`: one of those."""

    kind: str
    result: ConfiguredResult
    computation_version: str
    instruments: int
    values: int
    missing: int
    milliseconds: float


@dataclass(slots=True)
class ConfiguredRecords:
    results: list[ConfiguredResult] = field(default_factory=list)
    kinds: list[KindRecord] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.results)

    def add(self, more: "ConfiguredRecords") -> None:
        self.results += more.results
        self.kinds += more.kinds


def seconds_taken(computed: Mapping[str, Computed]) -> dict[str, float]:
    """Return how long computations took, by name without their series. Once a cycle: many configurations ask."""
    found: defaultdict[str, float] = defaultdict(float)
    for name, each in computed.items():
        found[name.partition(" on ")[0]] += each.taken
    return found


def records_of(
    plan: Plan, results: list[ConfiguredResult], taken: Mapping[str, float], versions: Mapping[str, str]
) -> ConfiguredRecords:
    """Return the rows of one configuration's results. `versions`: of what computes each kind; functions have theirs.

    `taken`: by `seconds_taken`.
    """
    found = ConfiguredRecords(results)
    ours = [internal_function(each.function, FUNCTIONS) for each in plan.document.functions]
    functions = {
        FUNCTIONS: ",".join(f"{each.name}@{each.version}" for each in ours),
        EXTERNAL: ",".join(each.function for each in plan.document.external_functions),
    }
    names = {GREEKS: [], INDICATORS: [str(spec) for spec, _ in plan.indicators.values()],
             FUNCTIONS: [each.key for each in plan.functions], EXTERNAL: []}  # fmt: skip
    for kind, own in names.items():
        own += [f"{kind}.{label}" for heavy, label in plan.heavy if heavy == kind]
        numbers = [number for result in results for number in _numbers(result.values.get(kind, {}).values())]
        if not numbers:
            continue
        missing = sum(number is None or number != number for number in numbers)
        found.kinds.append(
            KindRecord(
                kind=kind,
                result=results[-1],
                computation_version=versions.get(kind) or functions[kind],
                instruments=len(results),
                values=len(numbers) - missing,
                missing=missing,
                milliseconds=1000 * sum(taken.get(name, 0.0) for name in set(own)),
            )
        )
    return found


def _numbers(labels: Iterable[object]) -> Iterable[float | None]:
    for each in labels:
        if isinstance(each, Mapping):
            yield from each.values()
        else:
            yield each if isinstance(each, float | int) else None
