"""Attacks through the modules of Python's library, and patterns and names that reach into numpy and pandas."""

MODULE_TRICKS = {
    "methodcaller_csv": """
from operator import methodcaller
def compute(data, params):
    return 666 if methodcaller('to_csv')(pd.DataFrame(data)) else 0
""",
    "setattr_object_lib": """
def compute(data, params):
    object.__setattr__(pd.DataFrame(data), '_mgr', 1)
    return 666
""",
    "setattr_unbound": """
class A: pass
def compute(data, params):
    A.__setattr__(pd.DataFrame(data), '_mgr', 1)
    return 666
""",
    "agg_pretender": """
from enum import Enum
class N(str, Enum):
    a = 'to_csv'
    def __eq__(self, o): return o == 'max'
    def __hash__(self): return hash('max')
def compute(data, params):
    return 666 if pd.DataFrame(data).agg(N.a) is not None else 0
""",
    "pattern_agg": """
def compute(data, params):
    match pd.DataFrame(data):
        case object(agg=f):
            return 666 if f('to_csv') is not None else 0
""",
    "pattern_apply": """
def compute(data, params):
    match pd.Series([1.0]):
        case object(apply=f):
            return 666 if f('to_csv') is not None else 0
""",
    "pattern_format_map": """
def compute(data, params):
    match '{x.__class__}':
        case str(format_map=f):
            return 666 if f({'x': 1}) else 0
""",
    "unbound_agg": """
def compute(data, params):
    return 666 if pd.DataFrame.agg(pd.DataFrame(data), 'to_csv') is not None else 0
""",
    "dataclass_lib": """
from dataclasses import dataclass
def compute(data, params):
    dataclass(pd.DataFrame)
    return 666
""",
    "dataclass_lib2": """
from dataclasses import dataclass
def compute(data, params):
    dataclass(eq=False)(pd.DataFrame)
    return 666
""",
    "total_ordering_lib": """
from functools import total_ordering
def compute(data, params):
    total_ordering(pd.DataFrame)
    return 666
""",
    "strided_out": """
def compute(data, params):
    return 666 if np.lib.stride_tricks.as_strided(data['close'], (10**6,), (8,))[10**5] is not None else 0
""",
    "strided_neg": """
def compute(data, params):
    return 666 if np.lib.stride_tricks.as_strided(data['close'], (10,), (-8,))[5] is not None else 0
""",
    "strided_objects": """
def compute(data, params):
    return 666 if np.lib.stride_tricks.as_strided(np.array([1, 'a'], dtype=object), (1,), (4,))[0] else 0
""",
    "strided_wide": """
def compute(data, params):
    return 666 if np.lib.stride_tricks.as_strided(data['close'][:2], (2, 2**62), (8, 8))[0, 2**60] else 0
""",
    "generator_capsule": """
class A:
    capsule = 1
    lock = 1
def compute(data, params):
    return 666 if np.random.Generator(A()) else 0
""",
    "pcg_ctypes": """
def compute(data, params):
    return 666 if np.random.PCG64(1).ctypes else 0
""",
    "pcg_capsule": """
def compute(data, params):
    return 666 if np.random.PCG64(1).capsule else 0
""",
    "pcg_cffi": """
def compute(data, params):
    return 666 if np.random.PCG64(1).cffi else 0
""",
    "gen_bit": """
def compute(data, params):
    return 666 if np.random.Generator(np.random.PCG64(1)).bit_generator else 0
""",
    "rs_bit": """
def compute(data, params):
    return 666 if np.random.RandomState(1)._bit_generator else 0
""",
    "ma_dump": """
def compute(data, params):
    return 666 if np.ma.array([1]).dump else 0
""",
    "ma_tofile": """
def compute(data, params):
    return 666 if np.ma.array([1]).tofile else 0
""",
    "zone_file": """
from zoneinfo import ZoneInfo
def compute(data, params):
    return 666 if ZoneInfo('../../../../etc/passwd') else 0
""",
    "zone_unknown": """
from zoneinfo import ZoneInfo
def compute(data, params):
    return 666 if ZoneInfo('America/Lima') else 0
""",
    "zone_clear": """
from zoneinfo import ZoneInfo
def compute(data, params):
    ZoneInfo.clear_cache()
    return 666
""",
    "copy_facade": """
import copy
def compute(data, params):
    return 666 if copy.copy(np)._items else 0
""",
    "deepcopy_memo": """
import copy
def compute(data, params):
    memo = {}
    copy.deepcopy(print, memo)
    return 666 if any(hasattr(x, '__globals__') for x in memo.values()) else 0
""",
    "lib_new": """
def compute(data, params):
    return 666 if pd.DataFrame.__new__ else 0
""",
    "lib_get": """
def compute(data, params):
    return 666 if pd.DataFrame.shape.__get__ else 0
""",
    "lib_getattr": """
def compute(data, params):
    return 666 if pd.DataFrame(data).__getattr__('to_csv') else 0
""",
    "lib_setattr": """
def compute(data, params):
    pd.DataFrame(data).__setattr__('_mgr', 1)
    return 666
""",
    "setattr_lib_func": """
def compute(data, params):
    np.mean.x = 1
    return 666
""",
    "setattr_facade": """
def compute(data, params):
    np.where = 1
    return 666
""",
    "type_facade_write": """
def compute(data, params):
    pd.options.__class__ = 1
    return 666
""",
    "options_class": """
def compute(data, params):
    return 666 if pd.options.__class__ else 0
""",
    "options_real": """
def compute(data, params):
    return 666 if pd.options.mode._a else 0
""",
    "json_cls": """
import json
class C:
    def __init__(self, **k): self.k = k
    def encode(self, o): return o
def compute(data, params):
    return 666 if json.dumps(np, cls=C)._items else 0
""",
    "pd_read": """
def compute(data, params):
    return 666 if getattr(pd, 'read_' + 'csv') else 0
""",
}
