"""Attacks on the language: frames, format strings, classes, published CVEs, modules."""

from tests.integration.functions.attacks import body

ESCAPES = {
    # frame walks
    "subclasses": body("return 666 if ().__class__.__base__.__subclasses__() else 0"),
    "generator_frame": body("g = (x for x in [1])\nreturn 666 if g.gi_frame.f_back.f_globals else 0"),
    "generator_frame_by_getattr": body("g = (x for x in [1])\nreturn 666 if getattr(g, 'gi_' + 'frame') else 0"),
    "generator_code": body("g = (x for x in [1])\nreturn 666 if g.gi_code else 0"),
    "cve_2023_37271": body(
        "def f():\n    return [x for x in (g.gi_frame for g in gs)]\ngs = []\ng = (f() for _ in [1])\ngs.append(g)\nreturn 666 if next(g) else 0"
    ),
    "yield_from_frame": body("def g():\n    yield from [1]\nh = g()\nnext(h)\nreturn 666 if h.gi_yieldfrom else 0"),
    "traceback_frame": body(
        "try:\n    1 / 0\nexcept Exception as error:\n    return 666 if error.__traceback__.tb_frame else 0"
    ),
    "traceback_by_getattr": body(
        "try:\n    1 / 0\nexcept Exception as error:\n    return 666 if getattr(error, '__traceback' + '__') else 0"
    ),
    "traceback_by_exit": """
class C:
    def __enter__(self): return self
    def __exit__(self, kind, error, tb):
        self.frame = tb.tb_frame
        return True
def compute(data, params):
    c = C()
    with c:
        1 / 0
    return 666 if c.frame else 0
""",
    "coroutine": "async def f():\n    pass\ndef compute(data, params):\n    return 666 if f().cr_frame else 0\n",
    "function_globals": body("return 666 if compute.__globals__ else 0"),
    "function_code": body("return 666 if compute.__code__ else 0"),
    "function_builtins": body("return 666 if compute.__builtins__ else 0"),
    "closure_cells": body("x = 1\ndef f(): return x\nreturn 666 if f.__closure__ else 0"),
    "mro": body("return 666 if int.mro() else 0"),
    "type_of_type": body("return 666 if type(int)('X', (), {'__del__': 1}) else 0"),
    "metaclass_of_user": """
class A: pass
def compute(data, params):
    made = type(type(A()))('X', (A,), {'__array_interface__': {'data': (0, False), 'shape': (1,), 'typestr': '<f8', 'version': 3}})
    return 666 if made else 0
""",
    "type_of_function": body("return 666 if type(lambda: 0)(1, {}) else 0"),
    "type_of_facade": body("return 666 if type(np) else 0"),
    "metaclass_keyword": "class M(type): pass\ndef compute(data, params):\n    return 666\n",
    "class_metaclass": "class A(metaclass=print): pass\ndef compute(data, params):\n    return 666\n",
    "subclass_str": "class S(str):\n    def __eq__(self, o): return True\ndef compute(data, params):\n    return 666\n",
    "array_interface_in_a_body": """
class A:
    __array_interface__ = {'data': (4096, False), 'shape': (1,), 'typestr': '<f8', 'version': 3}
def compute(data, params):
    return 666 if np.asarray(A()) is not None else 0
""",
    "class_assignment": "class A: pass\nclass B: pass\ndef compute(data, params):\n    a = A()\n    a.__class__ = B\n    return 666\n",
    "reduce": "class A:\n    def __reduce__(self): return (print, ())\ndef compute(data, params):\n    return 666\n",
    "finalizer": "class A:\n    def __del__(self): pass\ndef compute(data, params):\n    return 666\n",
    # format strings
    "format_attribute": body("return 666 if '{0.__class__}'.format(1) else 0"),
    "format_item_attribute": body("return 666 if '{0[0].__class__.__mro__}'.format([1]) else 0"),
    "format_by_getattr": body("return 666 if getattr('{0.__class__}', 'format')(1) else 0"),
    "format_map": body("return 666 if '{x.__class__}'.format_map({'x': 1}) else 0"),
    "format_unbound": body("return 666 if str.format('{0.__class__}', 1) else 0"),
    "format_mapped": body("return 666 if list(map(str.format, ['{0.__class__}'], [1])) else 0"),
    "format_in_a_specification": body("return 666 if '{0:{1.__class__}}'.format(1, 2) else 0"),
    "format_by_a_pattern": body("match '{0.__class__}':\n    case str(format=f):\n        return 666 if f(1) else 0"),
    "format_by_equality": """
class E:
    def __eq__(self, other):
        self.got = other
        return True
def compute(data, params):
    e = E()
    match e:
        case str.format:
            return 666 if e.got('{0.__class__}', 1) else 0
""",
    "format_of_a_series": body("return 666 if len(pd.Series(['{0.__class__}']).map(str.format)[0]) > 20 else 0"),
    "cve_2023_41039": body("return 666 if type('')('{0.__class__}').format(1) else 0"),
    # published, and the interpreter's own
    "cve_2024_47532": body(
        "try:\n    'x'.nothing\nexcept AttributeError as error:\n    return 666 if error.obj else 0"
    ),
    "cve_2024_47532_formatter": "import string\n"
    + body("return 666 if string.Formatter().format('{0.__class__}', 1) else 0"),
    "cve_2024_47532_get_field": "from string import Formatter\n"
    + body("return 666 if Formatter().get_field('0.__class__', [1], {}) else 0"),
    "cve_2025_22153": body(
        "try:\n    raise ExceptionGroup('x', [ValueError()])\nexcept* ValueError as e:\n    return 666"
    ),
    "name_error_obj": body(
        "try:\n    np.load\nexcept AttributeError as error:\n    return 666 if getattr(error, 'obj') else 0"
    ),
    "guards_by_name": body("_getattr_ = lambda o, n: 1\nreturn 666"),
    "guards_as_argument": "def compute(data, params, _write_=None):\n    return 666\n",
    "guards_global": body("global _getattr_\nreturn 666"),
    "guards_imported": "import math as _getattr_\ndef compute(data, params):\n    return 666\n",
    "guards_caught": body("try:\n    1 / 0\nexcept Exception as _write_:\n    return 666"),
    "guards_matched": body("match 1:\n    case _getattr_:\n        return 666"),
    "guards_starred": body("match [1]:\n    case [*_getattr_]:\n        return 666"),
    "guards_rest": body("match {}:\n    case {**_getattr_}:\n        return 666"),
    "guards_walrus": body("(_getattr_ := 1)\nreturn 666"),
    "guards_in_a_loop": body("for _getattr_ in [1]:\n    pass\nreturn 666"),
    "guards_unpacked": body("_getattr_, x = 1, 2\nreturn 666"),
    "guards_as_a_class": "class _getattr_: pass\ndef compute(data, params):\n    return 666\n",
    "guards_deleted": body("del _getattr_\nreturn 666"),
    "builtins_name": body("return 666 if __builtins__ else 0"),
    "class_pattern_dunder": body("match 1:\n    case object(__class__=c):\n        return 666"),
    "class_pattern_frame": body("g = (x for x in [1])\nmatch g:\n    case object(gi_frame=f):\n        return 666"),
    "match_args": "class A:\n    __match_args__ = ('__class__',)\ndef compute(data, params):\n    match A():\n        case A(c):\n            return 666\n",
    "annotation_code": "def compute(data, params) -> (666).__class__.__base__:\n    return 666 if compute.__annotations__ else 0\n",
    "decorator_gadget": "@(lambda f: f.__globals__)\ndef compute(data, params):\n    return 666\n",
    "default_gadget": "def compute(data, params, x=().__class__):\n    return 666\n",
    "fstring_attribute": body("return 666 if f'{().__class__}' else 0"),
    "fstring_nested": body("return 666 if f\"{f'{().__class__}'}\" else 0"),
    "lambda_attribute": body("return 666 if (lambda x: x.__class__)(1) else 0"),
    "comprehension_attribute": body("return 666 if [x.__class__ for x in [1]] else 0"),
    "store_dunder": "class A: pass\ndef compute(data, params):\n    A.__getattr__ = lambda s, n: 1\n    return 666 if A().x else 0\n",
    "setattr_dunder": "class A: pass\ndef compute(data, params):\n    setattr(A, '__getattr__', lambda s, n: 1)\n    return 666 if A().x else 0\n",
    "setattr_on_numpy": body("np.mean = 1\nreturn 666"),
    "setattr_on_pandas_class": body("pd.DataFrame.mean = 1\nreturn 666"),
    "subclass_exception_slots": "class E(Exception):\n    __slots__ = ('__dict__',)\n    def __getattribute__(self, n): return 1\ndef compute(data, params):\n    return 666\n",
    "slot_of_memory": "class A:\n    __slots__ = ('__array_interface__',)\ndef compute(data, params):\n    return 666\n",
    "property_getter": "class A:\n    @property\n    def x(self): return 1\ndef compute(data, params):\n    return 666 if A.x.fget.__globals__ else 0\n",
    "super_object": "class A:\n    def f(self): return super().__subclasses__\ndef compute(data, params):\n    return 666 if A().f() else 0\n",
    "super_reduce": "class A:\n    def f(self): return super().__reduce_ex__(2)\ndef compute(data, params):\n    return 666 if A().f() else 0\n",
    # module graphs and builtins
    **{
        f"builtin_{name}": body(f"return 666 if {name} else 0")
        for name in (
            "eval",
            "exec",
            "compile",
            "open",
            "input",
            "globals",
            "locals",
            "vars",
            "dir",
            "breakpoint",
            "help",
            "memoryview",
            "exit",
            "quit",
            "copyright",
            "license",
            "SystemExit",
            "KeyboardInterrupt",
            "__import__",
            "__loader__",
            "__spec__",
            "__debug__ and __file__",
            "credits",
            "GeneratorExit",
            "ExceptionGroup",
        )
    },
    **{
        f"import_{name}": f"import {name}\n" + body("return 666")
        for name in (
            "os",
            "sys",
            "subprocess",
            "socket",
            "ctypes",
            "builtins",
            "importlib",
            "pickle",
            "io",
            "inspect",
            "gc",
            "threading",
            "signal",
            "shutil",
            "pathlib",
            "types",
            "code",
            "marshal",
            "_thread",
            "numpy.ctypeslib",
            "numpy.f2py",
            "numpy.testing",
            "pandas.io",
            "pandas.core",
            "numpy._core",
            "logging",
            "multiprocessing",
            "asyncio",
        )
    },
    **{
        f"from_{module}_{name}": f"from {module} import {name}\n" + body("return 666")
        for module, name in (
            ("numpy", "load"),
            ("numpy", "ctypeslib"),
            ("numpy", "lib.npyio"),
            ("numpy", "_core"),
            ("numpy", "*"),
            ("pandas", "read_csv"),
            ("pandas", "io"),
            ("pandas", "core"),
            ("math", "__loader__"),
            ("functools", "update_wrapper"),
            ("enum", "EnumType"),
            ("dataclasses", "make_dataclass"),
            ("contextlib", "redirect_stdout"),
            ("re", "enum"),
            ("json", "load"),
            ("time", "sleep"),
            ("collections", "UserDict"),
            ("typing", "get_type_hints"),
            ("random", "SystemRandom"),
            ("random", "_os"),
            ("statistics", "sys"),
            ("datetime", "sys"),
            ("heapq", "__builtins__"),
            ("typing", "sys"),
            (".", "x"),
        )
    },
    "module_by_attribute": body("return 666 if np.lib.npyio else 0"),
    "module_os_by_random": "import random\n" + body("return 666 if random._os else 0"),
    "wraps_gadget": "import functools\n"
    + body(
        "def f(): pass\ng = functools.wraps(compute, assigned=('__globals__',))(f)\nreturn 666 if getattr(g, '__globals__') else 0"
    ),
    "partial_of_getattr": "from functools import partial\n"
    + body("return 666 if partial(getattr, 1)('__class__') else 0"),
    "reduce_of_getattr": "from functools import reduce\n"
    + body("return 666 if reduce(getattr, ['__class__', '__base__'], 1) else 0"),
    "namedtuple_gadget": "from collections import namedtuple\n"
    + body("return 666 if namedtuple('X', '__class__ y') else 0"),
    "namedtuple_class": "from collections import namedtuple\n"
    + body("return 666 if namedtuple('X', 'a')._make.__func__ else 0"),
    "getattr_with_a_pretender": """
class N:
    def __eq__(self, other): return False
    def __hash__(self): return 1
def compute(data, params):
    return 666 if getattr(1, N()) else 0
""",
    "itemgetter_of_builtins": "from operator import itemgetter\n"
    + body("return 666 if itemgetter('__import__')(compute.__globals__) else 0"),
}
