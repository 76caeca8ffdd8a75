# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, attr-defined"
"""exp, log and erfcx without branches or table look-ups, so that loops over them become vector code.

Each is within about two units in the last place on the domain it states; outside it the answer is meaningless, and the
callers check the domain. Coefficients: kernel_constants.py.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from . import kernel_constants as constants
from .kernel_compile import inlined, polynomial

SQRT_HALF = 0.7071067811865476
SQRT_2 = 1.4142135623730951
SQRT_HALF_PI = 1.2533141373155003
INV_SQRT_PI = 0.5641895835477563
INV_SQRT_2PI = 0.3989422804014327

_LOG2_E = 1.4426950408889634
_LN_2_HIGH = 6.93147180369123816490e-01  # ln(2) = high + low; high has 21 trailing zero bits, so k * high is exact
_LN_2_LOW = 1.90821492927058770002e-10
_ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it leaves the nearest integer in the low bits of the mantissa
_MANTISSA = 0x000FFFFFFFFFFFFF
_EXPONENT_OF_ONE = 0x3FF0000000000000
_EXPONENT_OF_2_52 = 0x4330000000000000
_TWO_52_PLUS_BIAS = 4503599627371519.0  # 2^52 + 1023

_exp_polynomial = polynomial(constants.EXP)
_log_polynomial = polynomial(constants.LOG)
_erfcx_polynomial = polynomial(constants.ERFCX)
_ERFCX_SCALE = constants.ERFCX_SCALE


@intrinsic
def _bits_of(typing_context: Any, x: Any) -> Any:  # pragma: no cover - compiling
    def generate(
        context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any
    ) -> ir.Value:  # pragma: no cover - compiling
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def _float_of(typing_context: Any, bits: Any) -> Any:  # pragma: no cover - compiling
    def generate(
        context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any
    ) -> ir.Value:  # pragma: no cover - compiling
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


@inlined
def exp(x):  # pragma: no cover - compiled
    """e**x for -708 <= x <= 709, clamped to these ends: x = k ln(2) + r, 2**k by the exponent bits."""
    x = min(max(x, -708.0), 709.0)
    shifted = x * _LOG2_E + _ROUND
    k = shifted - _ROUND
    r = (x - k * _LN_2_HIGH) - k * _LN_2_LOW
    return _exp_polynomial(r) * _float_of((_bits_of(shifted) + 1023) << 52)


@inlined
def log(x):  # pragma: no cover - compiled
    """ln(x) for positive, normal, finite x: x = 2**e m with m in [sqrt(1/2), sqrt(2)), ln(m) = 2 atanh((m-1)/(m+1))."""
    bits: Any = _bits_of(x)
    m = _float_of((bits & _MANTISSA) | _EXPONENT_OF_ONE)
    e = _float_of(((bits >> 52) & 0x7FF) | _EXPONENT_OF_2_52) - _TWO_52_PLUS_BIAS
    upper_half = m > SQRT_2
    m = 0.5 * m if upper_half else m
    e = e + 1.0 if upper_half else e
    f = (m - 1.0) / (m + 1.0)
    return e * _LN_2_HIGH + (f * _log_polynomial(f * f) + e * _LN_2_LOW)


@inlined
def erfcx(z):  # pragma: no cover - compiled
    """exp(z**2) erfc(z) for z >= 0, finite: (1 + 2z) erfcx(z) is smooth in (z - 3.75)/(z + 3.75) up to infinity."""
    above = z + _ERFCX_SCALE
    below = 1.0 + 2.0 * z
    inverse = 1.0 / (above * below)  # one division for two quotients
    return _erfcx_polynomial((z - _ERFCX_SCALE) * (below * inverse)) * (above * inverse)
