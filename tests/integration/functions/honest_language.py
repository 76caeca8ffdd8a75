"""Functions, loops, names and numbers. Each gives what is noted beside it for closes 1 to 60."""

LANGUAGE = {
    "closure_nonlocal": (
        """
def compute(data, params):
    total = 0.0
    def add(x):
        nonlocal total
        total += x
    for x in data["close"]:
        add(x)
    return total
""",
        1830.0,
    ),
    "items_in_place": (
        """
def compute(data, params):
    x = np.zeros(3)
    x[0] += 1
    x[1:] -= 2
    counts = {}
    for word in ("a", "b", "a"):
        counts[word] = counts.get(word, 0) + 1
    counts["b"] *= 5
    del counts["a"]
    y = [1, 2, 3]
    y[-1] **= 2
    return {"x": x, "b": counts["b"], "y": y}
""",
        {"x": [1.0, -2.0, -2.0], "b": 5, "y": [1.0, 2.0, 9.0]},
    ),
    "comprehensions": (
        """
def compute(data, params):
    c = data["close"]
    squares = {int(x): x * x for x in c[:3]}
    odd = {int(x) % 2 for x in c}
    nested = [[i * j for j in range(3)] for i in range(2)]
    gen = max(x for x in c if x % 7 == 0)
    return {"s": squares[3], "odd": len(odd), "nested": nested, "gen": gen}
""",
        {"s": 9.0, "odd": 2, "nested": [[0.0, 0.0, 0.0], [0.0, 1.0, 2.0]], "gen": 56.0},
    ),
    "unpacking": (
        """
def f(*args, scale=1, **kwargs):
    return sum(args) * scale + len(kwargs)
def compute(data, params):
    first, *middle, last = data["close"]
    (a, b), c = (1, 2), 3
    for i, (x, y) in enumerate(zip(middle, middle[1:])):
        pass
    return first + last + len(middle) + a + b + c + f(*[1, 2], **{"scale": 2, "other": 1}) + i
""",
        188.0,
    ),
    "lambda_sorted_walrus": (
        """
def compute(data, params):
    rows = sorted([(3, "a"), (1, "b")], key=lambda row: row[0])
    total = 0
    while (n := len(rows)) > 0:
        total += n
        rows.pop()
    return total if (k := 5) > 3 else k
""",
        3,
    ),
    "globals_and_defaults": (
        """
PERIODS: tuple = (5, 10)
STATE = {"calls": 0}
def helper(values: np.ndarray, n: int = 5) -> float:
    total: float
    total = 0.0
    x: int = 3
    return float(values[-n:].mean()) + total * x
def compute(data: dict, params: dict) -> dict:
    STATE["calls"] += 1
    return {**{f"ma{n}": helper(data["close"], n) for n in PERIODS}, "calls": STATE["calls"]}
""",
        {"ma5": 58.0, "ma10": 55.5, "calls": 1},
    ),
    "nested_functions_and_recursion": (
        """
def compute(data, params):
    def walk(n):
        return 1 if n == 0 else walk(n - 1) + 1
    def make(k):
        return lambda x: x * k
    triple, double = make(3), make(2)
    return walk(100) + triple(2) + double(2)
""",
        111,
    ),
    "annotations": (
        """
from __future__ import annotations
from typing import Dict, List, Optional
def helper(x: Optional[float], *rest: float, flag: bool = False, **kw: Dict[str, float]) -> List[float]:
    found: List[float] = [x]
    later: "Undefined.Name"
    return found
class Holder:
    size: int = 3
    name: str
def compute(data: "dict[str, np.ndarray]", params) -> List[float]:
    return helper(1.0) + [Holder.size]
""",
        [1.0, 3.0],
    ),
    "decorators": (
        '''
from functools import wraps
def logged(prefix):
    def deco(f):
        @wraps(f)
        def inner(*args, **kwargs):
            return f(*args, **kwargs) + len(prefix) + len(f.__name__) + len(inner.__name__)
        return inner
    return deco
@logged("ab")
def add(a, b=1):
    """Adds."""
    return a + b
def compute(data, params):
    return add(1, b=2)
''',
        11,
    ),
    "memoize": (
        """
def memoize(f):
    cache = {}
    def inner(*a):
        if a not in cache: cache[a] = f(*a)
        return cache[a]
    return inner
@memoize
def fib(n): return n if n < 2 else fib(n-1) + fib(n-2)
def compute(data, params):
    return fib(60)
""",
        1548008755920,
    ),
    "global_stmt": (
        """
COUNT = 0
def bump():
    global COUNT
    COUNT += 1
    return COUNT
def compute(data, params):
    bump(); bump()
    return COUNT
""",
        2,
    ),
    "star_expr": (
        """
def f(a, /, b, *, c=1, **kw): return a + b + c + sum(kw.values())
def compute(data, params):
    a, *b = [1, 2, 3]
    *c, d = (4, 5)
    m = {**{"x": 1}, "y": 2} | {"z": 3}
    l = [*b, *c]
    x = y = 2
    x, y = y, x + 1
    (p, q), [r, *s] = (1, 2), [3, 4, 5]
    return f(1, 2, c=3, d=4) + sum(l) + len(m) + f(*[1, 2], **{"c": 5}) + y + p + q + r + len(s)
""",
        41,
    ),
    "lambda_default": (
        """
fs = [lambda x, i=i: x * i for i in range(3)]
def compute(data, params):
    return [f(10) for f in fs]
""",
        [0.0, 10.0, 20.0],
    ),
    "walrus_comp": (
        """
def compute(data, params):
    r = [y for x in data["close"][:5] if (y := x * 2) > 4]
    while (n := len(r)) > 1: r.pop()
    return [n] + r
""",
        [1.0, 6.0],
    ),
    "attr_aug": (
        """
class S: pass
def compute(data, params):
    s = S(); s.n = 1; s.n += 2; s.l = [1]; s.l += [2]; s.d = {}
    s.d["k"] = 1; s.d["k"] += 5
    s.n **= 2; s.n //= 2; s.n %= 3; s.n |= 4; s.n <<= 1
    del s.l
    return [s.n, s.d["k"], hasattr(s, "l")]
""",
        [10.0, 6.0, 0.0],
    ),
    "chained_cmp": (
        """
def compute(data, params):
    a = 5
    return (1 < a <= 5 != 6) + (a if a > 3 else 0) + (not a) + (a is not None) + (a in (5, 6)) + (3 not in [1])
""",
        9,
    ),
    "private_underscore": (
        """
_CACHE = {}
def _helper(x): return x + 1
class _Impl:
    _n = 3
    def _m(self): return self._n
def compute(data, params):
    _ = 5
    for _ in range(3): pass
    __x = 4
    return _helper(1) + _Impl()._m() + _ + __x
""",
        11,
    ),
    "del_vars": (
        """
def compute(data, params):
    a = 1; b = [1, 2, 3]
    del a
    try: a
    except (NameError, UnboundLocalError): b.append(4)
    del b[0]
    return b
""",
        [2.0, 3.0, 4.0],
    ),
    "ellipsis_pass": (
        """
def stub(): ...
def compute(data, params):
    if stub() is None: pass
    return 1 if ... is Ellipsis else 0
""",
        1,
    ),
    "bitops_ints": (
        """
def compute(data, params):
    return [5 & 3, 5 | 3, 5 ^ 3, ~5, 1 << 4, 256 >> 2, -7 // 2, -7 % 3, 2 ** 10, 7 / 2, 0x1F, 0b11, 1_000, 10**18, (10).bit_length(), (2.5).is_integer(), (2.5).as_integer_ratio()[0], float.fromhex("0x1p3"), int(3.9), bool([]), float("1e3")]
""",
        [
            1.0,
            7.0,
            6.0,
            -6.0,
            16.0,
            64.0,
            -4.0,
            2.0,
            1024.0,
            3.5,
            31.0,
            3.0,
            1000.0,
            1e18,
            4.0,
            0.0,
            5.0,
            8.0,
            3.0,
            0.0,
            1000.0,
        ],
    ),
    "builtins_misc": (
        """
def compute(data, params):
    xs = [3, 1, 2]
    it = iter(xs)
    return {"next": next(it), "dflt": next(iter([]), 9), "rev": list(reversed(xs)), "sorted": sorted(xs, reverse=True), "min": min(xs, key=lambda x: -x), "max": max(1, 2, 3), "mind": min([], default=4),
      "divmod": divmod(7, 3), "pow": pow(2, 5, 7), "round": round(2.567, 2), "any": any(xs), "all": all([]), "enum": [i for i, _ in enumerate(xs, 1)], "zip": [a + b for a, b in zip(xs, xs)],
      "map": list(map(lambda a, b: a * b, xs, xs)), "filter": list(filter(None, [0, 1, 2])), "sum": sum([[1], [2]], []), "hash": hash("a") == hash("a"), "callable": callable(len), "isinst": isinstance(1, (int, str)),
      "iss": issubclass(bool, int), "bin": len(bin(5)), "hex": len(hex(255)), "abs": abs(-3), "slice": xs[slice(0, 2)], "id": id(xs) == id(xs), "repr": len(repr(xs)), "ascii": len(ascii("é")), "fs": len(frozenset([1, 1])),
      "typ": type(1) is int, "typ2": type(xs) == list, "strict": len(list(zip([1], [2], strict=True)))}
""",
        {
            "next": 3,
            "dflt": 9,
            "rev": [2.0, 1.0, 3.0],
            "sorted": [3.0, 2.0, 1.0],
            "min": 3,
            "max": 3,
            "mind": 4,
            "divmod": [2.0, 1.0],
            "pow": 4,
            "round": 2.57,
            "any": True,
            "all": True,
            "enum": [1.0, 2.0, 3.0],
            "zip": [6.0, 2.0, 4.0],
            "map": [9.0, 1.0, 4.0],
            "filter": [1.0, 2.0],
            "sum": [1.0, 2.0],
            "hash": True,
            "callable": True,
            "isinst": True,
            "iss": True,
            "bin": 5,
            "hex": 4,
            "abs": 3,
            "slice": [3.0, 1.0],
            "id": True,
            "repr": 9,
            "ascii": 6,
            "fs": 1,
            "typ": True,
            "typ2": True,
            "strict": 1,
        },
    ),
}
