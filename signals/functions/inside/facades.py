"""np, pd, math and the few other modules of functions: allow-lists of what computes and touches nothing else."""

import bisect
import builtins
import cmath
import collections
import datetime
import functools
import heapq
import itertools
import math
import operator
import random
import statistics
import typing
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from signals.functions.inside import guards
from signals.functions.inside.by_name import checking_names, closed_by_name
from signals.functions.inside.classes import Facade, UserType
from signals.functions.inside.wire import MOST_PRINTED

_NUMPY = """
abs absolute acos acosh add all allclose amax amin angle any append apply_along_axis apply_over_axes arange arccos
arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin argpartition argsort argwhere around array array_equal
array_equiv array_split asarray asanyarray ascontiguousarray asfortranarray asin asinh atan atan2 atanh atleast_1d
atleast_2d atleast_3d average bartlett bincount bitwise_and bitwise_count bitwise_not bitwise_or bitwise_xor blackman
block bool bool_ broadcast_arrays broadcast_shapes broadcast_to c_ cbrt ceil choose clip column_stack complex128
complex64 compress concat concatenate conj conjugate convolve copy copysign copyto corrcoef correlate cos cosh
count_nonzero cov cross cumprod cumsum cumulative_prod cumulative_sum datetime64 deg2rad degrees delete diag
diag_indices diagflat diagonal diff digitize divide divmod dot double dsplit dstack dtype e ediff1d einsum empty
empty_like equal errstate euler_gamma exp exp2 expand_dims expm1 extract eye fabs fill_diagonal finfo fix flatnonzero
flip fliplr flipud float16 float32 float64 float_power floating floor floor_divide fmax fmin fmod frexp frombuffer
fromfunction fromiter frompyfunc full full_like gcd generic geomspace gradient greater greater_equal hamming hanning
heaviside histogram histogram2d histogram_bin_edges hsplit hstack hypot i0 identity iinfo imag indices inf inner
insert int16 int32 int64 int8 int_ integer interp intersect1d invert isclose iscomplex iscomplexobj isfinite isin
isinf isnan isneginf isposinf isreal isrealobj isscalar issubdtype ix_ kaiser kron lcm ldexp less less_equal lexsort
linspace log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logspace
mask_indices matmul matrix_transpose matvec max maximum mean median meshgrid mgrid min minimum mod modf moveaxis
multiply nan nan_to_num nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod
nanquantile nanstd nansum nanvar ndarray ndenumerate ndim ndindex negative newaxis nextafter nonzero not_equal number
ogrid ones ones_like outer packbits pad partition percentile permute_dims pi piecewise place poly poly1d polyadd
polyder polydiv polyfit polyint polymul polysub polyval positive pow power prod promote_types ptp put put_along_axis
putmask quantile r_ rad2deg radians ravel ravel_multi_index real reciprocal remainder repeat reshape resize
result_type right_shift left_shift rint roll rollaxis roots rot90 round row_stack s_ searchsorted select setdiff1d
setxor1d shape sign signbit signedinteger sin sinc sinh size sort sort_complex spacing split sqrt square squeeze stack
std str_ subtract sum swapaxes take take_along_axis tan tanh tensordot tile timedelta64 trace transpose trapezoid tri
tril tril_indices trim_zeros triu triu_indices true_divide trunc uint16 uint32 uint64 uint8 union1d unique unique_all
unique_counts unique_inverse unique_values unpackbits unravel_index unsignedinteger unstack unwrap vander var vdot
vecdot vectorize vsplit vstack where zeros zeros_like float32 longdouble isnat busday_count busday_offset is_busday
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
weibull pareto geometric triangular vonmises
"""
_PANDAS = """
BooleanDtype Categorical CategoricalDtype CategoricalIndex DataFrame DateOffset DatetimeIndex DatetimeTZDtype
Float32Dtype Float64Dtype Grouper Index Int16Dtype Int32Dtype Int64Dtype Int8Dtype Interval IntervalIndex MultiIndex
NA NaT NamedAgg Period PeriodIndex RangeIndex Series StringDtype Timedelta TimedeltaIndex Timestamp UInt8Dtype array
bdate_range concat cut date_range factorize from_dummies get_dummies infer_freq interval_range isna isnull lreshape
melt merge merge_asof merge_ordered notna notnull period_range pivot qcut timedelta_range to_datetime to_numeric
to_timedelta unique wide_to_long
"""
_OFFSETS = "BDay BusinessDay Day Hour Minute Second MonthBegin MonthEnd QuarterEnd QuarterBegin Week YearBegin YearEnd"
_TYPING = """
Any Callable Dict Generator Iterable Iterator List Literal Mapping Optional Sequence Set Tuple Union Final ClassVar
"""
_STATISTICS = """
NormalDist correlation covariance fmean geometric_mean harmonic_mean linear_regression mean median median_grouped
median_high median_low mode multimode pstdev pvariance quantiles stdev variance StatisticsError
"""
_ITERTOOLS = """
accumulate batched chain combinations combinations_with_replacement compress count cycle dropwhile filterfalse groupby
islice pairwise permutations product repeat starmap takewhile tee zip_longest
"""
_OPERATOR = """
abs add and_ concat contains countOf eq floordiv ge getitem gt iadd imul index indexOf inv invert isub itemgetter
itruediv le lshift lt matmul mod mul ne neg not_ or_ pos pow rshift sub truediv truth xor
"""
_BUILTINS = """
ArithmeticError AssertionError AttributeError BaseException Ellipsis Exception FloatingPointError False ImportError
IndexError KeyError LookupError MemoryError NameError None NotImplemented NotImplementedError OverflowError
RecursionError RuntimeError StopIteration SyntaxError True TypeError UnboundLocalError UnicodeError ValueError Warning
ZeroDivisionError UserWarning RuntimeWarning DeprecationWarning abs all any ascii bin bool bytearray bytes callable
chr classmethod complex dict divmod enumerate filter float format frozenset hash hex id int isinstance issubclass iter
len list map max min next object oct ord pow property range repr reversed round set slice sorted staticmethod str sum
super tuple zip
"""


def _of(module: ModuleType, names: str | Iterable[str]) -> dict[str, Any]:
    """Return these names of a module, as far as this version of it has them."""
    listed = names.split() if isinstance(names, str) else names
    return {name: getattr(module, name) for name in listed if hasattr(module, name)}


def _public(module: ModuleType) -> dict[str, Any]:
    return {name: each for name, each in vars(module).items() if name[0] != "_" and not isinstance(each, ModuleType)}


def _wraps(wrapped: Any) -> Callable[[Any], Any]:
    """functools.wraps copies any attribute by name; this one copies none."""
    return lambda wrapper: wrapper


def _numpy() -> Facade:
    windows = _of(np.lib.stride_tricks, "sliding_window_view broadcast_to")
    return Facade(
        "numpy",
        _of(np, _NUMPY)
        | {
            "linalg": Facade("numpy.linalg", _of(np.linalg, _LINALG)),
            "fft": Facade("numpy.fft", _of(np.fft, _FFT)),
            "random": Facade("numpy.random", _of(np.random, _RANDOM)),
            "polynomial": Facade("numpy.polynomial", _of(np.polynomial, "Polynomial Chebyshev Legendre Hermite")),
            "lib": Facade("numpy.lib", {"stride_tricks": Facade("numpy.lib.stride_tricks", windows)}),
        },
    )


def _pandas() -> Facade:
    by_name = {name: checking_names(getattr(pd, name)) for name in ("pivot_table", "crosstab")}
    return Facade(
        "pandas", _of(pd, _PANDAS) | by_name | {"offsets": Facade("pandas.offsets", _of(pd.offsets, _OFFSETS))}
    )


def make_facades() -> dict[str, Facade]:
    closed_by_name.update(set(dir(np)) - set(_NUMPY.split()))
    return {
        "numpy": _numpy(),
        "pandas": _pandas(),
        "math": Facade("math", _public(math)),
        "cmath": Facade("cmath", _public(cmath)),
        "statistics": Facade("statistics", _of(statistics, _STATISTICS)),
        "itertools": Facade("itertools", _of(itertools, _ITERTOOLS)),
        "functools": Facade(
            "functools", _of(functools, "cache cmp_to_key lru_cache partial reduce") | {"wraps": _wraps}
        ),
        "collections": Facade("collections", _of(collections, "Counter OrderedDict defaultdict deque namedtuple")),
        "operator": Facade("operator", _of(operator, _OPERATOR)),
        "bisect": Facade("bisect", _of(bisect, "bisect bisect_left bisect_right insort insort_left insort_right")),
        "heapq": Facade(
            "heapq", _of(heapq, "heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest")
        ),
        "random": Facade("random", _of(random, "Random choice gauss randint random sample seed shuffle uniform")),
        "datetime": Facade("datetime", _of(datetime, "date datetime time timedelta timezone")),
        "typing": Facade("typing", _of(typing, _TYPING)),
    }


class Printed:
    """What a function prints, up to a limit."""

    def __init__(self) -> None:
        self.text = ""

    def print(self, *values: Any, sep: Any = " ", end: Any = "\n", **_: Any) -> None:
        if len(self.text) < MOST_PRINTED:
            line = (" " if sep is None else str(sep)).join(str(each)[:MOST_PRINTED] for each in values[:100])
            self.text = (self.text + line + ("\n" if end is None else str(end)))[:MOST_PRINTED]

    def take(self) -> str:
        text, self.text = self.text, ""
        return text


def make_names(facades: dict[str, Facade], printed: Printed) -> dict[str, Any]:
    """Return the names that a function finds, to be copied for each call."""
    safe = _of(builtins, _BUILTINS)
    safe |= {"True": True, "False": False, "None": None, "__build_class__": builtins.__build_class__}
    safe |= {
        "__import__": guards.importer(facades),
        "getattr": guards.safe_getattr,
        "setattr": guards.safe_setattr,
        "delattr": guards.safe_delattr,
        "hasattr": guards.safe_hasattr,
        "type": guards.safe_type,
        "print": printed.print,
    }
    return {
        "__builtins__": safe,
        "__name__": "function",
        "__metaclass__": UserType,
        "_getattr_": guards.getattr_,
        "_write_": guards.write_,
        "np": facades["numpy"],
        "pd": facades["pandas"],
        "math": facades["math"],
    }
