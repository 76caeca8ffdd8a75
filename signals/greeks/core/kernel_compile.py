# mypy: disable-error-code="no-untyped-call, attr-defined"
"""How kernel functions are compiled: inlined pieces, cached entry points, full-width vectors, Horner and Estrin chains.

numba's on-disk cache notices changes in the file of an entry point only, not in the files it inlines from. Here the
contents of all kernel files are part of the cache key, so that an edited kernel is never served from a stale cache.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core.caching import FunctionCache
from numba.extending import intrinsic

# Fused multiply-add is the only liberty the compiler gets: NaN, infinities, signed zeros and order keep their meaning.
FASTMATH = {"contract"}

# Division by zero gives an infinity as in numpy, not an exception, which would forbid vectorisation.
inlined: Any = njit(fastmath=FASTMATH, error_model="numpy", forceinline=True, nogil=True)
block: Any = njit(fastmath=FASTMATH, error_model="numpy", nogil=True)

KERNEL_SOURCES = sorted(Path(__file__).parent.glob("kernel*.py"))
SOURCES_DIGEST = hashlib.sha256(b"".join(path.read_bytes() for path in KERNEL_SOURCES)).hexdigest()


class _SourcesKeyedCache(FunctionCache):
    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), SOURCES_DIGEST)


def cached_entry(signature: str) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function for one signature at import, or load it from numba's cache (NUMBA_CACHE_DIR)."""

    def compile_or_load(function: Callable[..., Any]) -> Any:
        dispatcher = njit(fastmath=FASTMATH, error_model="numpy", nogil=True)(function)
        dispatcher._cache = _SourcesKeyedCache(function)
        dispatcher.compile(signature)
        dispatcher.disable_compile()
        return dispatcher

    return compile_or_load


@intrinsic
def full_width_vectors(typing_context: Any) -> Any:  # pragma: no cover - compiling
    """Called in a function: its loops may use the widest registers of the CPU.

    LLVM keeps to 256 bits on many AVX-512 processors; for this kernel 512 bits are a quarter faster.
    """

    def generate(
        context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any
    ) -> ir.Value:  # pragma: no cover - compiling
        # llvmlite's own `add` knows only the attributes without a value
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


def polynomial(coefficients: tuple[float, ...]) -> Any:
    """Compiled evaluation of sum(coefficients[i] * x**i), as four interleaved Horner chains in x**4.

    One Horner chain would make every step wait for the one before; four keep the multipliers busy.
    """

    @intrinsic
    def evaluate(typing_context: Any, x: Any) -> Any:  # pragma: no cover - compiling
        def generate(
            context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any
        ) -> ir.Value:  # pragma: no cover - compiling
            def chain(terms: tuple[float, ...], variable: ir.Value) -> ir.Value:
                total = ir.Constant(ir.DoubleType(), terms[-1])
                for term in reversed(terms[:-1]):
                    product = builder.fmul(total, variable, flags=("contract",))
                    total = builder.fadd(product, ir.Constant(ir.DoubleType(), term), flags=("contract",))
                return total

            def combine(low: ir.Value, high: ir.Value, variable: ir.Value) -> ir.Value:
                return builder.fadd(builder.fmul(high, variable, flags=("contract",)), low, flags=("contract",))

            (value,) = arguments
            if len(coefficients) < 8:
                return chain(coefficients, value)
            square = builder.fmul(value, value)
            return combine(chain(coefficients[0::2], square), chain(coefficients[1::2], square), value)

        return types.float64(types.float64), generate

    return evaluate
