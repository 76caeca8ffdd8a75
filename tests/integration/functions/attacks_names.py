"""Attacks through names: texts that pretend, formats, modules behind modules, names that the guards use."""

NAME_TRICKS = {
    "attrgetter": """
from operator import attrgetter
def compute(data, params):
    return 666 if attrgetter('__class__.__base__')(1) else 0
""",
    "attrgetter_class": """
from operator import attrgetter
def compute(data, params):
    return 666 if attrgetter('__class__')(1) else 0
""",
    "methodcaller": """
from operator import methodcaller
def compute(data, params):
    return 666 if methodcaller('__subclasses__')(int) else 0
""",
    "methodcaller_format": """
from operator import methodcaller
def compute(data, params):
    return 666 if methodcaller('format', 1)('{0.__class__}') else 0
""",
    "setattr_pretender": """
from enum import Enum
class N(str, Enum):
    a = '__array_interface__'
class A: pass
def compute(data, params):
    a = A()
    setattr(a, N.a, {'data': (0x400000, False), 'shape': (1,), 'typestr': '<f8', 'version': 3})
    return 666
""",
    "getattr_pretender": """
from enum import Enum
class N(str, Enum):
    a = '__class__'
def compute(data, params):
    return 666 if getattr(1, N.a) else 0
""",
    "format_pretender": """
from enum import Enum
class N(str, Enum):
    a = '{0.__class__}'
def compute(data, params):
    return 666 if N.a.format(1) else 0
""",
    "format_map_pretender": """
from enum import Enum
class N(str, Enum):
    a = '{x.__class__}'
def compute(data, params):
    return 666 if N.a.format_map({'x': 1}) else 0
""",
    "format_unbound_enum": """
from enum import Enum
class N(str, Enum):
    a = '{0.__class__}'
def compute(data, params):
    return 666 if N.format('{0.__class__}', 1) else 0
""",
    "format_super": """
from enum import Enum
class N(str, Enum):
    a = '{0.__class__}'
    def f(self): return super().format(1)
def compute(data, params):
    return 666 if len(N.a.f()) > 15 else 0
""",
    "strenum_format": """
from enum import StrEnum
class N(StrEnum):
    a = '{0.__class__}'
def compute(data, params):
    return 666 if N.a.format(1) else 0
""",
    "format_map_str": """
def compute(data, params):
    return 666 if str.format_map('{x.__class__}', {'x': 1}) else 0
""",
    "format_map_getattr": """
def compute(data, params):
    return 666 if getattr('{x.__class__}', 'format_map')({'x': 1}) else 0
""",
    "template_class": """
from string import Template
def compute(data, params):
    Template.delimiter = '%'
    return 666
""",
    "contextmanager_frame": """
from contextlib import contextmanager
@contextmanager
def f():
    yield 1
def compute(data, params):
    return 666 if f().gen.gi_frame else 0
""",
    "singledispatch_wrapped": """
from functools import singledispatch
@singledispatch
def f(x): return 1
def compute(data, params):
    return 666 if f.__wrapped__.__globals__ else 0
""",
    "cached_wrapped": """
from functools import cache
@cache
def f(x): return 1
def compute(data, params):
    return 666 if f.__wrapped__ else 0
""",
    "partial_func": """
from functools import partial
def compute(data, params):
    return 666 if partial(compute).func.__globals__ else 0
""",
    "forward_ref": """
import typing
def compute(data, params):
    return 666 if typing.get_type_hints else 0
""",
    "forward_ref2": """
import typing
def compute(data, params):
    return 666 if typing.ForwardRef('1')._evaluate else 0
""",
    "generic_origin": """
from typing import List
def compute(data, params):
    return 666 if List[int].__origin__.__subclasses__ else 0
""",
    "generic_mro": """
from typing import List
def compute(data, params):
    return 666 if List[int].mro() else 0
""",
    "class_cell": """
class A:
    def f(self): return __class__
def compute(data, params):
    return 666 if A().f() else 0
""",
    "name_metaclass": """
def compute(data, params):
    return 666 if __metaclass__ else 0
""",
    "name_build_class": """
def compute(data, params):
    return 666 if __build_class__ else 0
""",
    "name_file": """
def compute(data, params):
    return 666 if __file__ else 0
""",
    "name_loader": """
def compute(data, params):
    return 666 if __loader__ else 0
""",
    "redefine_import": """
def __import__(*a): return 1
def compute(data, params):
    return 666
""",
    "redefine_builtins": """
__builtins__ = {}
def compute(data, params):
    return 666
""",
    "del_builtins": """
del __builtins__
def compute(data, params):
    return 666
""",
    "name_rewrite": """
__name__ = 'os'
import dataclasses
@dataclasses.dataclass
class A:
    x: int = 1
def compute(data, params):
    return 666 if hasattr(A, 'system') else 0
""",
    "mangle": """
class os:
    def f(self): return self.__class
def compute(data, params):
    return 666 if os().f() else 0
""",
    "mangle_guard": """
class getattr:
    def f(self): return __x
def compute(data, params):
    return 666 if getattr().f() else 0
""",
    "reduce_getattr3": """
from functools import reduce
def compute(data, params):
    return 666 if reduce(getattr, ['f', '__globals__'], compute) else 0
""",
    "warn_sys": """
import warnings
def compute(data, params):
    return 666 if warnings.sys else 0
""",
    "re_sys": """
import re
def compute(data, params):
    return 666 if re.enum.sys else 0
""",
    "dataclasses_sys": """
import dataclasses
def compute(data, params):
    return 666 if dataclasses.sys else 0
""",
    "contextlib_os": """
import contextlib
def compute(data, params):
    return 666 if contextlib.os else 0
""",
    "stat_random": """
from statistics import random
def compute(data, params):
    return 666
""",
    "enum_sys": """
from enum import sys
def compute(data, params):
    return 666
""",
    "collections_sys": """
import collections
def compute(data, params):
    return 666 if collections._sys else 0
""",
    "typing_sys": """
import typing
def compute(data, params):
    return 666 if typing.sys.modules else 0
""",
    "list_changes_while_used": """
def compute(data, params):
    df = pd.DataFrame(data)[["close"]]
    l = ["max", "min"]
    def first(s):
        l[1] = "__sizeof__"
        return 0.0
    l[0] = first
    r = df.agg(l)
    return 666 if r.iloc[1, 0] > 99 else 0
""",
    "dict_changes_while_used": """
def compute(data, params):
    df = pd.DataFrame(data)[["open", "close"]]
    d = {}
    def first(s):
        d["close"] = "__sizeof__"
        return 0.0
    d["open"] = first; d["close"] = "max"
    r = df.agg(d)
    return 666 if (r > 99).any() else 0
""",
    "nested_list_changes": """
def compute(data, params):
    df = pd.DataFrame(data)[["open", "close"]]; inner = ["max", "min"]
    def first(s):
        inner[1] = "__sizeof__"
        return 0.0
    inner[0] = first
    r = df.agg({"open": inner})
    return 666 if (r > 99).any().any() else 0
""",
}
