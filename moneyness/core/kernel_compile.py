# mypy: disable-error-code="no-untyped-call, attr-defined"
"""How the kernels of chains are compiled: as those of Greeks, or not at all where numba is switched off.

A kernel file holds all pieces of its entry points, or takes them from signals: numba's cache knows of no others.
"""

from collections.abc import Callable
from typing import Any

from numba import config, njit

from signals.greeks.core.kernel_compile import cached_entry

piece: Any = njit(error_model="numpy", nogil=True)


def entry(signature: str) -> Callable[[Callable[..., Any]], Any]:
    """Compile for one signature at import, or load what was compiled before."""
    if config.DISABLE_JIT:
        return lambda function: function
    return cached_entry(signature)
