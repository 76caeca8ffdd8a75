"""The modules that functions may import: allow-lists of what computes and touches nothing else."""

import abc
import bisect
import cmath
import collections
import collections.abc
import contextlib
import copy
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import heapq
import inspect
import itertools
import json
import math
import numbers
import operator
import random
import re
import statistics
import string
import time
import types
import typing
import zoneinfo
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from signals.functions.inside.by_name import closed_by_name
from signals.functions.inside.classes import AbstractClass, AbstractType, EnumerationType, UserType, is_users, shared
from signals.functions.inside.facades_numpy import NAMES as NUMPY_NAMES
from signals.functions.inside.facades_numpy import make_numpy, of
from signals.functions.inside.facades_pandas import make_pandas
from signals.functions.inside.guards import safe_getattr
from signals.functions.inside.names import is_plain
from signals.functions.inside.stand_ins import Facade, Ignored, IgnoredBlock

_TYPING = """
Annotated Any AnyStr Callable ClassVar DefaultDict Deque Dict Final FrozenSet Generator Generic Hashable Iterable
Iterator List Literal Mapping MutableMapping MutableSequence NamedTuple NewType NoReturn Never Optional Sequence Self
Set Sized SupportsFloat SupportsInt Tuple Type TypeAlias TypeVar Union cast
"""
_ABSTRACT = """
Callable Collection Container Generator Hashable ItemsView Iterable Iterator KeysView Mapping MutableMapping
MutableSequence MutableSet Reversible Sequence Set Sized ValuesView
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
abs add and_ concat contains countOf delitem eq floordiv ge getitem gt iadd imul index indexOf inv invert is_ is_not
isub itemgetter itruediv le lshift lt matmul mod mul ne neg not_ or_ pos pow rshift setitem sub truediv truth xor
"""
_RANDOM = """
Random betavariate choice choices expovariate gammavariate gauss getrandbits lognormvariate normalvariate
paretovariate randint random randrange sample seed shuffle triangular uniform weibullvariate
"""
_DECIMAL = """
Context Decimal DecimalException DivisionByZero Inexact InvalidOperation Overflow ROUND_CEILING ROUND_DOWN ROUND_FLOOR
ROUND_HALF_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP ROUND_05UP Rounded Underflow getcontext localcontext setcontext
"""
_RE = """
A ASCII DOTALL I IGNORECASE M MULTILINE Match Pattern S VERBOSE X compile error escape findall finditer fullmatch match
search split sub subn
"""
_DATACLASSES = "FrozenInstanceError InitVar KW_ONLY MISSING asdict astuple field fields is_dataclass replace"
_STRING = """
Template ascii_letters ascii_lowercase ascii_uppercase capwords digits hexdigits octdigits printable punctuation
whitespace
"""
_TIME = "gmtime monotonic monotonic_ns perf_counter perf_counter_ns process_time strftime time time_ns"


def _public(module: ModuleType) -> dict[str, Any]:
    return {name: each for name, each in vars(module).items() if name[0] != "_" and not isinstance(each, ModuleType)}


def _wraps(wrapped: Any) -> Callable[[Any], Any]:
    """functools.wraps copies any attribute by name; this one copies the names and the docstring."""

    def named(wrapper: Any) -> Any:
        if isinstance(wrapped, FunctionType) and isinstance(wrapper, FunctionType):
            wrapper.__name__, wrapper.__qualname__ = wrapped.__name__, wrapped.__qualname__
            wrapper.__doc__ = wrapped.__doc__
        return wrapper

    return named


def _attrgetter(*names: str) -> Callable[[Any], Any]:
    def get(thing: Any) -> Any:
        found = [functools.reduce(safe_getattr, str.split(each, "."), thing) for each in names]
        return found[0] if len(found) == 1 else tuple(found)

    return get


def _methodcaller(name: str, /, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
    return lambda thing: safe_getattr(thing, name)(*args, **kwargs)


def _own_class(kind: Any) -> Any:
    """Refuse what changes a class where the class is a library's."""
    if not is_users(kind):
        raise TypeError("only own classes can be decorated in functions")
    return kind


def _dataclass(kind: Any = None, /, **options: Any) -> Any:
    """Make a dataclass. Patterns read without a guard, and no field by its place where a guard closes a name."""
    if kind is None:
        return lambda kind: _dataclass(kind, **options)
    names = {name for each in _own_class(kind).__mro__ if is_users(each) for name in inspect.get_annotations(each)}
    if not all(map(is_plain, names)):
        options["match_args"] = False
    return dataclasses.dataclass(**options)(kind)


def _singledispatch(call: Any) -> Any:
    """functools.singledispatch evaluates an annotation that is a text; this one is told the class."""
    dispatching: Any = functools.singledispatch(call)
    register = dispatching.register

    def register_for(kind: Any, call: Any = None) -> Any:
        if not isinstance(kind, type | types.UnionType):
            raise TypeError("register() needs the class: @size.register(list)")
        return register(kind, call)

    dispatching.register = register_for
    return dispatching


def _shared(kind: Any) -> Any:
    """Return a class for users to inherit from, and not to change."""
    shared.add(kind)
    return kind


def _same(thing: Any) -> Any:
    return thing


def _typing() -> Facade:
    own = {
        "TYPE_CHECKING": False,
        "Protocol": _shared(AbstractType("Protocol", (typing.Generic,), {})),
        "TypedDict": _shared(UserType("TypedDict", (dict,), {"__init_subclass__": lambda **keywords: None})),
        **dict.fromkeys(("final", "overload", "runtime_checkable"), _same),
    }
    return Facade("typing", of(typing, _TYPING) | own)


def _enum() -> Facade:
    kinds = (enum.Enum, enum.IntEnum, enum.StrEnum, enum.Flag, enum.IntFlag)
    roots = {each.__name__: types.new_class(each.__name__, (each,), {"metaclass": EnumerationType}) for each in kinds}
    return Facade("enum", of(enum, "auto unique") | {name: _shared(each) for name, each in roots.items()})


def _collections() -> Facade:
    return Facade(
        "collections",
        of(collections, "ChainMap Counter OrderedDict defaultdict deque namedtuple")
        | {"abc": Facade("collections.abc", of(collections.abc, _ABSTRACT))},
    )


def _functools() -> Facade:
    own = {
        "singledispatch": _singledispatch,
        "total_ordering": lambda kind: functools.total_ordering(_own_class(kind)),
        "wraps": _wraps,
    }
    names = "cache cached_property cmp_to_key lru_cache partial partialmethod reduce"
    return Facade("functools", of(functools, names) | own)


def _simple() -> dict[str, Facade]:
    """Return the facades that are no more than a list of a module's names."""
    lists = {
        bisect: "bisect bisect_left bisect_right insort insort_left insort_right",
        contextlib: "ExitStack closing contextmanager nullcontext suppress",
        copy: "copy deepcopy",
        datetime: "MAXYEAR MINYEAR UTC date datetime time timedelta timezone tzinfo",
        decimal: _DECIMAL,
        fractions: "Fraction",
        heapq: "heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest",
        itertools: _ITERTOOLS,
        json: "JSONDecodeError dumps loads",
        numbers: "Complex Integral Number Rational Real",
        random: _RANDOM,
        re: _RE,
        statistics: _STATISTICS,
        string: _STRING,
        time: _TIME,
        zoneinfo: "ZoneInfo ZoneInfoNotFoundError",
    }
    return {module.__name__: Facade(module.__name__, of(module, names)) for module, names in lists.items()}


@functools.cache
def make_facades() -> dict[str, Facade]:
    """Return the facades by name. The zygote makes them, and every function's process shares them."""
    closed_by_name.update(set(dir(np)) - set(NUMPY_NAMES.split()))
    ignored = dict.fromkeys(("filterwarnings", "simplefilter", "resetwarnings", "warn"), Ignored())
    own = {
        "abc": Facade(
            "abc", of(abc, "abstractmethod") | {"ABC": _shared(AbstractType("ABC", (), {})), "ABCMeta": AbstractClass}
        ),
        "cmath": Facade("cmath", _public(cmath)),
        "collections": _collections(),
        "dataclasses": Facade("dataclasses", of(dataclasses, _DATACLASSES) | {"dataclass": _dataclass}),
        "enum": _enum(),
        "functools": _functools(),
        "math": Facade("math", _public(math)),
        "numpy": make_numpy(),
        "operator": Facade(
            "operator", of(operator, _OPERATOR) | {"attrgetter": _attrgetter, "methodcaller": _methodcaller}
        ),
        "pandas": make_pandas(),
        "typing": _typing(),
        "warnings": Facade("warnings", ignored | {"catch_warnings": IgnoredBlock}),
    }
    return own | _simple()
