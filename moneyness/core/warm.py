"""Loads what an evaluation of chains needs, so that no tick, request or task waits for it."""

from signals.greeks.core import engine


def warm() -> None:
    """Compile the kernels of Greeks and chains, or load them from numba's cache, and call those of Greeks once.

    Kernels of chains are compiled, or loaded, as their modules are imported.
    """
    engine.warm()
    from moneyness.core import evaluate_chain  # noqa: F401 - scipy too
