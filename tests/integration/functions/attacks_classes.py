"""Attacks through classes: special methods, metaclasses, enumerations, `__dict__`."""

CLASS_TRICKS = {
    "enum_functional": """
from enum import Enum
def compute(data, params):
    X = Enum('X', {'__array_interface__': {'data': (0x400000, False), 'shape': (1,), 'typestr': '<f8', 'version': 3}, 'a': 1})
    return 666 if np.asarray(X.a).dtype == float else 0
""",
    "enum_annotations": """
from enum import Enum
from dataclasses import dataclass
def compute(data, params):
    X = Enum('X', {'__annotations__': {'a: 1': 1}})
    return 666
""",
    "enum_mro": """
from enum import Enum
class S(Enum):
    A = 1
def compute(data, params):
    return 666 if S.mro() else 0
""",
    "own_mro": """
class A: pass
def compute(data, params):
    return 666 if A.mro() else 0
""",
    "own_metaclass": """
class A: pass
def compute(data, params):
    return 666 if A.__class__('X', (), {'f': 1}).f else 0
""",
    "own_metaclass2": """
class A: pass
def compute(data, params):
    m = A().__class__.__class__
    return 666 if m('X', (), {}) else 0
""",
    "abcmeta_call": """
from abc import ABCMeta
def compute(data, params):
    X = ABCMeta('X', (), {'__array_interface__': {'data': (0x400000, False), 'shape': (1,), 'typestr': '<f8', 'version': 3}})
    return 666 if np.asarray(X()).dtype == float else 0
""",
    "abcmeta_base": """
from abc import ABCMeta
class M(ABCMeta):
    def f(cls): return cls.__subclasses__
def compute(data, params):
    return 666
""",
    "dict_write": """
class A: pass
def compute(data, params):
    a = A()
    a.__dict__['__array_interface__'] = {'data': (0x400000, False), 'shape': (1,), 'typestr': '<f8', 'version': 3}
    return 666 if np.asarray(a).dtype == float else 0
""",
    "dict_update": """
class A: pass
def compute(data, params):
    a = A()
    a.__dict__.update({'__array_interface__': {'data': (0x400000, False), 'shape': (1,), 'typestr': '<f8', 'version': 3}})
    return 666 if np.asarray(a).dtype == float else 0
""",
    "dict_setdefault": """
class A: pass
def compute(data, params):
    a = A()
    a.__dict__.setdefault('__array_interface__', {'data': (0x400000, False), 'shape': (1,), 'typestr': '<f8', 'version': 3})
    return 666 if np.asarray(a).dtype == float else 0
""",
    "dict_type": """
class A: pass
def compute(data, params):
    a = A()
    return 666 if type(a.__dict__)(pd.DataFrame(data))['_mgr'] else 0
""",
    "dict_of_class": """
class A: pass
def compute(data, params):
    return 666 if A.__dict__ else 0
""",
    "dict_of": """
class A: pass
def compute(data, params):
    a = A()
    return 666 if a.__dict__._of is not None else 0
""",
    "getattr_memory": """
class A:
    def __getattr__(self, n): return {'data': (0x400000, False), 'shape': (1,), 'typestr': '<f8', 'version': 3}
def compute(data, params):
    return 666 if np.asarray(A()).dtype == float else 0
""",
    "getattr_struct": """
class A:
    def __getattr__(self, n):
        return lambda *a, **k: np.zeros(3)
def compute(data, params):
    return 666 if np.asarray(A()).dtype == float else 0
""",
    "setattr_own": """
class A: pass
def compute(data, params):
    a = A()
    a.__setattr__('__array_interface__', {'data': (0x400000, False), 'shape': (1,), 'typestr': '<f8', 'version': 3})
    return 666 if np.asarray(a).dtype == float else 0
""",
    "setattr_super": """
class A:
    def __init__(self): super().__setattr__('__array_interface__', {'data': (0x400000, False), 'shape': (1,), 'typestr': '<f8', 'version': 3})
def compute(data, params):
    return 666 if np.asarray(A()).dtype == float else 0
""",
    "setattr_object": """
class A: pass
def compute(data, params):
    a = A()
    object.__setattr__(a, '__array_interface__', {'data': (0x400000, False), 'shape': (1,), 'typestr': '<f8', 'version': 3})
    return 666 if np.asarray(a).dtype == float else 0
""",
    "setattr_class": """
class A: pass
def compute(data, params):
    A.__setattr__(A, 'x', 1)
    return 666
""",
    "shared_write": """
from abc import ABC
def compute(data, params):
    ABC.x = 1
    return 666
""",
    "shared_write_enum": """
from enum import Enum
def compute(data, params):
    Enum.x = 1
    return 666
""",
    "shared_write_typed": """
from typing import TypedDict
def compute(data, params):
    TypedDict.x = 1
    return 666
""",
    "cause_tb": """
def compute(data, params):
    try:
        try:
            1/0
        except Exception as e:
            raise ValueError() from e
    except Exception as e:
        return 666 if e.__cause__.__traceback__ else 0
""",
    "exc_class": """
def compute(data, params):
    try:
        1/0
    except Exception as e:
        return 666 if e.__class__.__base__ else 0
""",
    "exc_class_mro": """
def compute(data, params):
    try:
        1/0
    except Exception as e:
        return 666 if e.__class__.mro() else 0
""",
    "own_attributeerror_obj": """
class E(AttributeError): pass
def compute(data, params):
    try:
        raise E()
    except E as e:
        return 666 if e.obj is None else 0
""",
    "kwargs_metaclass": """
class A(**{'metaclass': type}): pass
def compute(data, params):
    return 666
""",
    "class_type_base": """
class A(type(int)): pass
def compute(data, params):
    return 666
""",
    "getattribute": """
class A:
    def __getattribute__(self, n): return 1
def compute(data, params):
    return 666
""",
    "init_subclass_lib": """
def compute(data, params):
    return 666 if pd.DataFrame.__init_subclass__ else 0
""",
    "fn_get": """
def compute(data, params):
    return 666 if compute.__get__ else 0
""",
    "setattr_func": """
def compute(data, params):
    compute.__code__ = (lambda: 1).__code__
    return 666
""",
    "positional_private_of_pandas": """
from abc import ABC
from dataclasses import dataclass
@dataclass
class D(ABC):
    _mgr: int
D.register(pd.DataFrame)
def compute(data, params):
    match pd.DataFrame(data):
        case D(m): return 666 if m is not None else 0
    return 0
""",
    "positional_pandas_call": """
from abc import ABC
from dataclasses import dataclass
@dataclass
class D(ABC):
    agg: int
D.register(pd.DataFrame)
def compute(data, params):
    match pd.DataFrame(data):
        case D(call): return 666 if call is not None else 0
""",
    "positional_named_tuple": """
from typing import NamedTuple
from abc import ABC
class N(NamedTuple):
    to_csv: int
class D(N, ABC): pass
D.register(pd.DataFrame)
def compute(data, params):
    match pd.DataFrame(data):
        case D(f): return 666 if f is not None else 0
""",
    "annotation_evaluated": """
from functools import singledispatch
InitVar = "[c for c in ().__class__.__base__.__subclasses__()] and int"
class A:
    x: InitVar
@singledispatch
def f(x): return 0
def compute(data, params):
    f.register(A())
    return 666
""",
    "slots_iterate_twice": """
class S:
    n = 0
    def __iter__(self):
        S.n += 1
        return iter(("a",) if S.n < 2 else ("__array_interface__",))
class A:
    __slots__ = S()
def compute(data, params):
    return 666 if S.n > 1 else 0
""",
}
