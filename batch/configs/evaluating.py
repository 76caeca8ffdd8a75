"""Compute what the runs of a group ask for. What several have in common is computed once."""

from collections.abc import Sequence

from batch.configs.core.findings import Finding
from batch.configs.kinds import functions, greeks, indicators
from batch.configs.kinds.units import Budget

KINDS = (greeks, indicators, functions)


def evaluate(findings: Sequence[Finding], budget: Budget) -> None:
    """Fill the findings. Each kind fails alone, with a reason for each value. Raises what `run_unit` does."""
    for kind in KINDS:
        kind.evaluate(findings, budget)
