"""Loads what evaluations of chains and indicators need, so that no tick, request or task waits for it."""

from signals.greeks.core import engine
from signals.indicators.core import warm as indicators


def warm() -> None:
    """Compile the kernels of Greeks, chains and indicators, or load them from numba's cache. Call those of Greeks once.

    Kernels of chains are compiled, or loaded, as their modules are imported.
    """
    engine.warm()
    from moneyness.core import evaluate_chain  # noqa: F401 - scipy too

    indicators.warm()
