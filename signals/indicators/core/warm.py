"""Loads what indicators need, so that no tick, request or task waits for it."""


def warm() -> None:
    """Compile the kernels of indicators, or load them from numba's cache, and import the library."""
    from signals.indicators.core import kernels, kernels_fused, kernels_paths  # noqa: F401
    from signals.indicators.core.library import pandas_ta

    pandas_ta()
