"""numpy's facade: what computes, and not what reads, writes or looks at memory."""

from typing import Any

import numpy as np

from signals.functions.inside.stand_ins import Facade, Ignored, IgnoredBlock

NAMES = """
False_ True_ abs absolute acos acosh add all allclose amax amin angle any append apply_along_axis apply_over_axes arange
arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argpartition argsort argwhere around array
array2string array_equal array_equiv array_repr array_split array_str asarray asanyarray ascontiguousarray
asfortranarray asin asinh astype atan atan2 atanh atleast_1d atleast_2d atleast_3d average bartlett base_repr
binary_repr bincount bitwise_and bitwise_count bitwise_not bitwise_or bitwise_xor blackman block bool bool_
broadcast_arrays broadcast_shapes broadcast_to busday_count busday_offset byte c_ can_cast cbrt ceil choose clip
column_stack common_type complex128 complex64 complexfloating compress concat concatenate conj conjugate convolve copy
copysign copyto corrcoef correlate cos cosh count_nonzero cov cross cumprod cumsum cumulative_prod cumulative_sum
datetime64 datetime_as_string deg2rad degrees delete diag diag_indices diag_indices_from diagflat diagonal diff digitize
divide divmod dot double dsplit dstack dtype e ediff1d einsum empty empty_like equal errstate euler_gamma exp exp2
expand_dims expm1 extract eye fabs fill_diagonal finfo fix flatnonzero flip fliplr flipud float16 float32 float64
float_power floating floor floor_divide fmax fmin fmod format_float_positional format_float_scientific frexp frombuffer
fromfunction fromiter frompyfunc full full_like gcd generic geomspace get_printoptions geterr gradient greater
greater_equal half hamming hanning heaviside histogram histogram2d histogram_bin_edges hsplit hstack hypot i0 identity
iinfo imag index_exp indices inexact inf inner insert int16 int32 int64 int8 int_ intc integer interp intersect1d intp
invert is_busday isclose iscomplex iscomplexobj isdtype isfinite isin isinf isnan isnat isneginf isposinf isreal
isrealobj isscalar issubdtype iterable ix_ kaiser kron lcm ldexp left_shift less less_equal lexsort linspace log log10
log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logspace longdouble longlong mask_indices
matmul matrix_transpose matvec max maximum may_share_memory mean median meshgrid mgrid min min_scalar_type minimum mod
modf moveaxis multiply nan nan_to_num nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmedian nanmin
nanpercentile nanprod nanquantile nanstd nansum nanvar ndarray ndenumerate ndim ndindex negative newaxis nextafter
nonzero not_equal number object_ ogrid ones ones_like outer packbits pad partition percentile permute_dims pi piecewise
place poly poly1d polyadd polyder polydiv polyfit polyint polymul polysub polyval positive pow power prod promote_types
ptp put put_along_axis putmask quantile r_ rad2deg radians ravel ravel_multi_index real real_if_close reciprocal
remainder repeat require reshape resize result_type right_shift rint roll rollaxis roots rot90 round row_stack s_
searchsorted select setdiff1d seterr setxor1d shape shares_memory short sign signbit signedinteger sin sinc single sinh
size sort sort_complex spacing split sqrt square squeeze stack std str_ subtract sum swapaxes take take_along_axis tan
tanh tensordot tile timedelta64 trace transpose trapezoid tri tril tril_indices tril_indices_from trim_zeros triu
triu_indices triu_indices_from true_divide trunc ubyte ufunc uint uint16 uint32 uint64 uint8 union1d unique unique_all
unique_counts unique_inverse unique_values unpackbits unravel_index unsignedinteger unstack unwrap vander var vdot
vecdot vecmat vectorize vsplit vstack where zeros zeros_like
"""
_LINALG = """
cholesky cond cross det diagonal eig eigh eigvals eigvalsh inv lstsq matmul matrix_norm matrix_power matrix_rank
matrix_transpose multi_dot norm outer pinv qr slogdet solve svd svdvals tensordot tensorinv tensorsolve trace vecdot
vector_norm LinAlgError
"""
_FFT = (
    "fft fft2 fftfreq fftn fftshift hfft ifft ifft2 ifftn ifftshift ihfft irfft irfft2 irfftn rfft rfft2 rfftfreq rfftn"
)
_RANDOM = """
default_rng seed rand randn randint random random_sample choice shuffle permutation normal uniform standard_normal
lognormal exponential gamma beta binomial poisson chisquare standard_t laplace logistic multivariate_normal gumbel
weibull pareto geometric triangular vonmises Generator RandomState PCG64 MT19937 Philox SeedSequence
"""
_MASKED = """
MaskedArray array masked masked_array masked_equal masked_greater masked_greater_equal masked_inside masked_invalid
masked_less masked_less_equal masked_not_equal masked_outside masked_where filled getmask getmaskarray is_masked
average compressed concatenate count cumsum max mean median min sum std var where
"""
_POLYNOMIAL = """
polyadd polycompanion polyder polydiv polyfit polyfromroots polyint polymul polypow polyroots polysub polyval polyvander
"""
_EXCEPTIONS = "AxisError ComplexWarning DTypePromotionError RankWarning TooHardError VisibleDeprecationWarning"


def as_strided(x: Any, shape: Any = None, strides: Any = None, subok: bool = False, writeable: bool = True) -> Any:
    """Return a view of an array like numpy's as_strided, that lies within the array's own memory."""
    array = np.asarray(x)
    lengths = array.shape if shape is None else tuple(int(each) for each in np.atleast_1d(shape))
    steps = array.strides if strides is None else tuple(int(each) for each in np.atleast_1d(strides))
    if len(lengths) != len(steps) or any(each < 0 for each in lengths) or array.dtype.hasobject:
        raise ValueError("as_strided needs an array of numbers, and as many strides as lengths")
    if 0 in lengths:
        return np.empty(lengths, array.dtype)
    lowest, past = np.lib.array_utils.byte_bounds(array)
    begin = array.ctypes.data
    moves = [(length - 1) * step for length, step in zip(lengths, steps, strict=True)]
    first = begin + sum(each for each in moves if each < 0)
    last = begin + sum(each for each in moves if each > 0) + array.itemsize
    if first < lowest or last > past:
        raise ValueError("as_strided would leave the array's memory; use np.lib.stride_tricks.sliding_window_view")
    return np.lib.stride_tricks.as_strided(array, lengths, steps, writeable=writeable and array.flags.writeable)


def of(module: Any, names: str) -> dict[str, Any]:
    """Return these names of a module, as far as this version of it has them."""
    return {name: getattr(module, name) for name in names.split() if hasattr(module, name)}


def make_numpy() -> Facade:
    windows = of(np.lib.stride_tricks, "sliding_window_view broadcast_to") | {"as_strided": as_strided}
    polynomial = of(np.polynomial, "Polynomial Chebyshev Legendre Hermite HermiteE Laguerre")
    polynomial["polynomial"] = Facade("numpy.polynomial.polynomial", of(np.polynomial.polynomial, _POLYNOMIAL))
    return Facade(
        "numpy",
        of(np, NAMES)
        | {
            "linalg": Facade("numpy.linalg", of(np.linalg, _LINALG)),
            "fft": Facade("numpy.fft", of(np.fft, _FFT)),
            "random": Facade("numpy.random", of(np.random, _RANDOM)),
            "polynomial": Facade("numpy.polynomial", polynomial),
            "ma": Facade("numpy.ma", of(np.ma, _MASKED)),
            "exceptions": Facade("numpy.exceptions", of(np.exceptions, _EXCEPTIONS)),
            "typing": Facade("numpy.typing", {"NDArray": np.ndarray, "ArrayLike": object}),
            "lib": Facade("numpy.lib", {"stride_tricks": Facade("numpy.lib.stride_tricks", windows)}),
            "emath": Facade("numpy.emath", of(np.emath, "arccos arcsin arctanh log log10 log2 logn power sqrt")),
            "printoptions": IgnoredBlock,
            "set_printoptions": Ignored(),
        },
    )
