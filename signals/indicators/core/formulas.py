"""The indicators that kernels compute. Each formula is that of pandas_ta (docs/indicators.md has what differs).

A formula takes a run, the bars and the parameters, and returns its outputs in the order of their names in pandas_ta.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from signals.indicators.core.run import Run, Series

Bars = Mapping[str, Series]
Params = Mapping[str, Any]
Formula = Callable[[Run, Bars, Params], Sequence[Series]]


@dataclass(frozen=True, slots=True)
class Kernel:
    """`names`: the outputs, as a format of the parameters. `only`: values of parameters that the formula is for; with
    others the library computes. `ordered`: two parameters, the smaller first, as the library swaps them. `same`: the
    parameter whose value another has that is not given.
    """

    formula: Formula
    names: tuple[str, ...]
    only: Mapping[str, Any] = field(default_factory=dict)
    ordered: tuple[str, str] | None = None
    same: Mapping[str, str] = field(default_factory=dict)

    def serves(self, params: Params) -> bool:
        return all(params.get(name) == value for name, value in self.only.items())

    def completed(self, params: Params) -> Params:
        found = {**params, **{name: params[other] for name, other in self.same.items() if params[name] is None}}
        if self.ordered is not None:
            low, high = self.ordered
            found[low], found[high] = sorted((params[low], params[high]))
        return found

    def outputs(self, params: Params) -> tuple[str, ...]:
        values = self.completed(params)
        return tuple(name.format_map(values) for name in self.names)


KERNELS: dict[str, Kernel] = {}


def kernel(
    *names: str, ordered: tuple[str, str] | None = None, same: Mapping[str, str] | None = None, **only: Any
) -> Callable[[Formula], Formula]:
    def add(formula: Formula) -> Formula:
        KERNELS[formula.__name__] = Kernel(formula, names, only, ordered, same or {})
        return formula

    return add


def typical(bars: Bars) -> Series:
    """Return (high + low + close) / 3."""
    return (bars["high"] + bars["low"] + bars["close"]) / 3.0
