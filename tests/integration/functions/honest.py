"""Functions as users write them. Each must work, and give what is noted beside it for closes 1, 2, ..., 60."""

HONEST = {
    "mean": ("def compute(data, params):\n    return np.mean(data['close'])\n", 30.5),
    "python_float": ("def compute(data, params):\n    return sum(data['close']) / len(data['close'])\n", 30.5),
    "a_list": ("def compute(data, params):\n    return [x * 2 for x in data['close'][:3]]\n", [2.0, 4.0, 6.0]),
    "an_array": ("def compute(data, params):\n    return data['close'][:2] + params['shift']\n", [6.0, 7.0]),
    "a_series": (
        "def compute(data, params):\n    return pd.Series(data['close']).rolling(2).mean()[:3]\n",
        [None, 1.5, 2.5],
    ),
    "a_dict": (
        "def compute(data, params):\n    c = data['close']\n    return {'last': c[-1], 'two': c[:2], 'n': len(c), 'none': None}\n",
        {"last": 60.0, "two": [1.0, 2.0], "n": 60, "none": None},
    ),
    "nan_is_null": (
        "def compute(data, params):\n    return {'x': np.nan, 'y': [1.0, float('nan')]}\n",
        {"x": None, "y": [1.0, None]},
    ),
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
    "class_with_property": (
        """
class Window:
    def __init__(self, values, n=5):
        self._values = values
        self.n = n
    @property
    def mean(self):
        return float(np.mean(self._values[-self.n:]))
    @mean.setter
    def mean(self, value):
        self._values = [value]
    @staticmethod
    def double(x): return 2 * x
    @classmethod
    def of(cls, values): return cls(values, n=3)
    def __len__(self): return self.n

def compute(data, params):
    w = Window.of(data["close"])
    first = w.mean
    w.n += 1
    w.mean = 4.0
    return {"first": first, "then": w.mean, "len": len(w), "double": Window.double(2)}
""",
        {"first": 59.0, "then": 4.0, "len": 4, "double": 4},
    ),
    "inheritance": (
        """
class Base:
    def __init__(self, x):
        self.x = x
    def value(self):
        return self.x
class Derived(Base):
    def __init__(self, x):
        super().__init__(x)
        self.y = 1
    def value(self):
        return super().value() + self.y
class Old(Base):
    def __init__(self):
        Base.__init__(self, 5)
def compute(data, params):
    return Derived(2).value() + Old().value() + len(Derived(1).__class__.__name__)
""",
        15,
    ),
    "private_names": (
        """
class Account:
    def __init__(self, n):
        self.__n = n
    @property
    def n(self):
        return self.__doubled() - self.__n
    def __doubled(self):
        return 2 * self.__n
    def grow(self):
        self.__n += 1
class Bag(dict):
    def __missing__(self, key):
        return 7
class Stack(list):
    def peek(self):
        return self[-1]
def compute(data, params):
    account = Account(3)
    account.grow()
    stack = Stack([1, 2])
    stack.append(5)
    return [account.n, Bag(a=1)["b"], stack.peek()]
""",
        [4.0, 7.0, 5.0],
    ),
    "generators": (
        """
def pairs(values):
    previous = None
    for value in values:
        if previous is not None:
            yield previous, value
        previous = value
def chained(values):
    yield from pairs(values)
def compute(data, params):
    return sum(b - a for a, b in chained(data["close"]))
""",
        59.0,
    ),
    "exceptions": (
        """
class NoData(ValueError):
    def __init__(self, n):
        super().__init__(f"only {n}")
        self.n = n
def compute(data, params):
    result = {}
    try:
        raise NoData(3)
    except (KeyError, NoData) as error:
        result["n"] = error.n
        result["text"] = len(str(error))
    else:
        result["n"] = -1
    finally:
        result["done"] = True
    try:
        {}["x"]
    except KeyError:
        result["missing"] = 1
    return result
""",
        {"n": 3, "text": 6, "done": True, "missing": 1},
    ),
    "f_strings_and_format": (
        """
def compute(data, params):
    a = f"{data['close'][0]:.2f} {'x':>4} {3!r}"
    b = "{:.1f} {name} {0[1]}".format([1, 2] and 1.25, name="y") if False else "{:.1f}/{n}".format(1.25, n=7)
    c = "%s-%d" % ("z", 3)
    return len(a) + len(b) + len(c)
""",
        19,
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
    "match_statement": (
        """
class Point:
    __match_args__ = ("x", "y")
    def __init__(self, x, y):
        self.x, self.y = x, y
def kind(thing):
    match thing:
        case 0 | 1:
            return 1
        case {"side": "buy", "n": n, **rest}:
            return 10 + n + len(rest)
        case [first, *others] if first > 5:
            return 20 + len(others)
        case Point(x=0, y=y):
            return 30 + y
        case Point(a, b):
            return 40 + a + b
        case str() as text:
            return 50 + len(text)
        case None:
            return 60
        case _:
            return -1
def compute(data, params):
    things = [1, {"side": "buy", "n": 2, "z": 0}, [6, 1, 1], Point(0, 3), Point(1, 1), "abc", None, 2.5]
    return [kind(each) for each in things]
""",
        [1.0, 13.0, 22.0, 33.0, 42.0, 53.0, 60.0, -1.0],
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
    "imports": (
        """
import math
import numpy as np
import pandas as pd
import numpy.linalg as la
from math import sqrt, pi as PI
from collections import deque, defaultdict, Counter, namedtuple
from functools import reduce, lru_cache, partial
from itertools import accumulate, islice
import statistics
Bar = namedtuple("Bar", "open close")
@lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
def compute(data, params):
    q = deque(maxlen=2)
    q.extend(data["close"][:5])
    bar = Bar(1, 2)._replace(close=5)
    return (sqrt(16) + math.floor(2.7) + q[0] + fib(20) + bar.close + reduce(lambda a, b: a + b, [1, 2])
            + statistics.fmean([1, 3]) + la.norm([3.0, 4.0]) + list(accumulate([1, 2]))[-1])
""",
        6793.0,
    ),
    "pandas_frame": (
        """
def compute(data, params):
    df = pd.DataFrame(data)
    df["ret"] = df["close"].pct_change()
    df["up"] = df.ret > 0
    df.loc[df.index[:3], "ret"] = 0.0
    out = df.groupby(df.index // 20)["close"].agg(["mean", "max"])
    out.columns = ["m", "x"]
    return {"mean": out["m"], "max": out.x.to_list(), "up": int(df.up.sum()), "ewm": df.close.ewm(span=10).mean().iloc[-1] > 50}
""",
        {"mean": [10.5, 30.5, 50.5], "max": [20.0, 40.0, 60.0], "up": 59, "ewm": True},
    ),
    "pandas_by_name": (
        """
def compute(data, params):
    df = pd.DataFrame(data)
    out = df.agg({"open": ["mean", "max"], "close": "min"})
    g = df.groupby(df.index % 2).agg(top=("high", "max"), low=pd.NamedAgg("low", np.min))
    return {
        "mean": out.loc["mean", "open"],
        "top": g["top"].tolist(),
        "apply": df["close"].apply(lambda x: x * 2).iloc[0],
        "map": pd.Series([1, 2]).map({1: 10.0, 2: 20.0}).sum(),
        "sqrt": df["close"].transform(np.sqrt).iloc[3],
        "range": df.apply(lambda row: row["high"] - row["low"], axis=1).sum(),
        "pivot": df.assign(k=df.index % 2).pivot_table(index="k", values="close", aggfunc="sum")["close"].tolist(),
        "std": float(df["close"].rolling(3).agg("std").iloc[-1]),
    }
""",
        {
            "mean": 30.5,
            "top": [59.0, 60.0],
            "apply": 2.0,
            "map": 30.0,
            "sqrt": 2.0,
            "range": 0.0,
            "pivot": [900.0, 930.0],
            "std": 1.0,
        },
    ),
    "resample_by_time": (
        """
def compute(data, params):
    s = pd.Series(data["close"], index=pd.to_datetime(data["timestamp"], unit="s", utc=True).tz_convert("Asia/Kolkata"))
    return s.resample("30min").last()
""",
        [30.0, 60.0],
    ),
    "rsi": (
        """
def rsi(close, n):
    delta = np.diff(close)
    up, down = np.where(delta > 0, delta, 0.0), np.where(delta < 0, -delta, 0.0)
    au, ad = up[:n].mean(), down[:n].mean()
    out = np.full(close.shape, np.nan)
    for i in range(n, len(close)):
        if i > n:
            au = (au * (n - 1) + up[i - 1]) / n
            ad = (ad * (n - 1) + down[i - 1]) / n
        out[i] = 100.0 if ad == 0 else 100 - 100 / (1 + au / ad)
    return out
def compute(data, params):
    return rsi(data["close"], int(params.get("n", 14)))[12:16]
""",
        [None, None, 100.0, 100.0],
    ),
    "vwap": (
        """
def compute(data, params):
    typical = (data["high"] + data["low"] + data["close"]) / 3
    return float((typical * data["volume"]).sum() / data["volume"].sum())
""",
        30.5,
    ),
    "sliding_windows": (
        """
def compute(data, params):
    w = np.lib.stride_tricks.sliding_window_view(data["close"], 3)
    return w.max(axis=1)[:2]
""",
        [3.0, 4.0],
    ),
    "linear_regression": (
        """
def compute(data, params):
    y = data["close"]
    slope, intercept = np.polyfit(np.arange(y.size), y, 1)
    return {"slope": round(slope, 6), "r2": round(float(np.corrcoef(np.arange(y.size), y)[0, 1] ** 2), 6)}
""",
        {"slope": 1.0, "r2": 1.0},
    ),
    "linear_algebra": (
        """
def compute(data, params):
    a = np.array([[2.0, 0.0], [0.0, 4.0]])
    return (np.linalg.inv(a) @ a).round(6)
""",
        [[1.0, 0.0], [0.0, 1.0]],
    ),
    "random_with_seed": (
        """
def compute(data, params):
    rng = np.random.default_rng(7)
    return bool(rng.normal(size=10).std() > 0) + 0
""",
        1,
    ),
    "context_manager": (
        """
class Timer:
    def __enter__(self):
        self.n = 1
        return self
    def __exit__(self, kind, error, tb):
        self.n += 1
        return True
def compute(data, params):
    with Timer() as t, np.errstate(divide="ignore"):
        x = 1 / np.zeros(1)
        raise ValueError("kept inside")
    return t.n
""",
        2,
    ),
    "operators_of_a_class": (
        """
class Money:
    __slots__ = ("amount",)
    def __init__(self, amount): self.amount = amount
    def __add__(self, other): return Money(self.amount + other.amount)
    def __radd__(self, other): return self if other == 0 else self + other
    def __lt__(self, other): return self.amount < other.amount
    def __eq__(self, other): return self.amount == other.amount
    def __hash__(self): return hash(self.amount)
    def __repr__(self): return f"Money({self.amount})"
    def __getitem__(self, key): return self.amount
    def __iter__(self):
        yield self.amount
    def __call__(self, x): return x
def compute(data, params):
    m = sum([Money(2), Money(3)])
    return m.amount + len(repr(m)) + m["x"] + list(m)[0] + m(1) + len({Money(1), Money(1)})
""",
        25,
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
    "getattr_and_print": (
        """
class Box: pass
def compute(data, params):
    box = Box()
    setattr(box, "n", 3)
    print("n is", box.n)
    return getattr(box, "n") + getattr(box, "m", 4) + hasattr(box, "n") + (type(box) is Box) + isinstance(box, Box)
""",
        10,
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
    "while_break_else": (
        """
def compute(data, params):
    i = 0
    while True:
        i += 1
        if i % 2:
            continue
        if i > 10:
            break
    for j in range(3):
        if j == 5:
            break
    else:
        i += 100
    assert i > 0, "never"
    return i
""",
        112,
    ),
    "dates": (
        """
from datetime import datetime, timezone
def compute(data, params):
    moment = datetime.fromtimestamp(data["timestamp"][0], tz=timezone.utc)
    return moment.hour * 60 + moment.minute
""",
        0,
    ),
    "a_frame": (
        "def compute(data, params):\n    return pd.DataFrame({'a': [1, 2], 'b': [3.0, None]})\n",
        {"a": [1.0, 2.0], "b": [3.0, None]},
    ),
    "odd_numbers": (
        """
def compute(data, params):
    return {"r": range(3), "l": np.longdouble(1.5), "z": np.array(2.0), "m": pd.array([1, None], dtype="Int64")}
""",
        {"r": [0.0, 1.0, 2.0], "l": 1.5, "z": 2.0, "m": [1.0, None]},
    ),
    "nothing": ("def compute(data, params):\n    return None\n", None),
    "infinite_is_null": ("def compute(data, params):\n    return [float('inf'), 1.0]\n", [None, 1.0]),
    "of_bools": ("def compute(data, params):\n    return data['close'][:2] > 1\n", [0.0, 1.0]),
    "sum_of_params": ("def compute(data, params):\n    return sum(params['levels']) + params['nested']['k']\n", 10),
}
HONEST["annotations"] = (
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
)
PARAMS = {"shift": 5.0, "levels": [1, 2, 3], "nested": {"k": 4}}
