"""More of what users write, by several hands: private fields, tables of texts, state, generators, errors.

Each gives what is noted beside it for closes 1 to 60.
"""

MORE = {
    "dataclass_private_fields": (
        """
from dataclasses import dataclass, field
@dataclass(slots=True)
class Book:
    name: str
    _qty: float = 0.0
    _log: list = field(default_factory=list)
    def add(self, q): self._qty += q; self._log.append(q); return self
@dataclass
class Node:
    kind: str
    query: str = "x"
    __depth: int = 3
    def deep(self): return self.__depth
def compute(data, params):
    b = Book("a").add(2).add(3)
    match Node("n"):
        case Node(kind=k): z = len(k)
    return [b._qty, len(b._log), z, Node("q").deep()]
""",
        [5.0, 2.0, 1.0, 3.0],
    ),
    "crosstab_of_texts": (
        """
def compute(data, params):
    df = pd.DataFrame({"side": np.where(data["close"] % 2 > 0, "buy", "sell"), "zone": pd.cut(data["close"], 3), "c": data["close"]})
    a = pd.crosstab(df["side"], df["zone"]); b = pd.crosstab(df["side"], df["zone"].cat.codes, values=df["c"], aggfunc="mean")
    row = next(pd.DataFrame({"a b": [1.0], "c": [2.0]}).itertuples())
    g = df.groupby("side")["c"].agg(["mean", "max", lambda s: s.iloc[0]]); d = df.groupby("side").agg({"c": ["min", "sum"]})
    return {"a": a.to_numpy(), "b": b.to_numpy(), "r": [row._1, row.c, row.Index], "g": g.to_numpy(), "d": d.to_numpy()}
""",
        {
            "a": [[10.0, 10.0, 10.0], [10.0, 10.0, 10.0]],
            "b": [[10.0, 30.0, 50.0], [11.0, 31.0, 51.0]],
            "r": [1.0, 2.0, 0.0],
            "g": [[30.0, 59.0, 1.0], [31.0, 60.0, 2.0]],
            "d": [[1.0, 900.0], [2.0, 930.0]],
        },
    ),
    "np_rare": (
        """
def compute(data, params):
    with np.printoptions(precision=2): print(data["close"][:2])
    a = np.eye(3); a[np.diag_indices_from(a)] = 2
    return {"e": np.emath.sqrt(4.0), "t": np.True_, "d": a, "dt": np.isdtype(np.dtype("f8"), "real floating"), "o": np.array([1, "a"], dtype=np.object_).size, "ix": a[np.index_exp[0, :]], "i": isinstance(np.float64(1), np.inexact)}
""",
        {
            "e": 2.0,
            "t": True,
            "d": [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]],
            "dt": True,
            "o": 2,
            "ix": [2.0, 0.0, 0.0],
            "i": True,
        },
    ),
    "pd_dtypes": (
        """
def compute(data, params):
    months = pd.Series(pd.period_range("2026-01", periods=2, freq="M"))
    return {"s": pd.Series([1, 2], dtype=pd.UInt16Dtype()).sum(), "p": isinstance(months.dtype, pd.PeriodDtype)}
""",
        {"s": 3, "p": True},
    ),
    "attrs_on_frames": (
        """
def compute(data, params):
    df = pd.DataFrame(data).iloc[:10].copy()
    df.columns = [c.upper() for c in df.columns]; df.index.name = "i"; df["CLOSE"].name
    s = df["CLOSE"]; s.name = "px"; s.index = pd.RangeIndex(5, 15); df.columns.name = "f"; df.attrs["src"] = "x"
    df.index = pd.MultiIndex.from_arrays([df.index // 5, df.index % 5], names=["a", "b"]); df.index.names = ["x", "y"]
    x = df.xs(0, level="x")["CLOSE"].sum(); u = df["CLOSE"].unstack("y"); l = df.loc[pd.IndexSlice[0, 1:3], "CLOSE"]; sw = df.swaplevel().sort_index().loc[(2, 1), "CLOSE"]
    g = df.groupby(level="x")["CLOSE"].transform("mean"); cc = df.groupby("x")["CLOSE"].cumcount(); sh = df.groupby("x")["CLOSE"].shift(1); fn = df.groupby("x", group_keys=False)["CLOSE"].apply(lambda z: z - z.iloc[0]); ag = df.groupby("x").agg(lo=("CLOSE", "min"), rng=("CLOSE", lambda z: z.max() - z.min())); flt = df.groupby("x").filter(lambda z: z["CLOSE"].mean() > 4)
    st = pd.Series(["a_1", "b_2"]).str.split("_", expand=True)[1].astype(int); mp = pd.Series([1, 2, 3]).map({1: 10, 2: 20}).fillna(-1); wh = s.where(s > 3, 0).mask(s > 8, 99)
    return {"x": x, "u": u.to_numpy(), "l": l, "sw": sw, "g": g, "cc": cc, "sh": sh, "fn": fn, "ag": ag["rng"], "flt": len(flt), "st": st, "mp": mp, "wh": wh, "pipe": s.pipe(lambda z, k: z * k, k=2).sum(), "ap": df[["HIGH", "LOW"]].apply(lambda r: r["HIGH"] - r["LOW"], axis=1).sum(), "ex": pd.Series([[1, 2], [3]]).explode().astype(float), "is": s.isin([1, 2]).sum(), "bt": s.between(2, 4).sum(), "sk": s.skew(), "ku": s.kurt(), "ac": s.autocorr(), "q": s.quantile([.1, .9]), "cm": s.combine_first(s * 2).sum(), "al": s.align(s.iloc[:3], join="inner")[0].size, "rx": s.reindex(range(3, 8)), "isna": s.isna().any(), "mode": s.mode().iloc[0], "cor": df[["OPEN", "CLOSE"]].corr().iloc[0, 1]}
""",
        {
            "x": 15.0,
            "u": [[1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]],
            "l": [2.0, 3.0, 4.0],
            "sw": 8.0,
            "g": [3.0, 3.0, 3.0, 3.0, 3.0, 8.0, 8.0, 8.0, 8.0, 8.0],
            "cc": [0.0, 1.0, 2.0, 3.0, 4.0, 0.0, 1.0, 2.0, 3.0, 4.0],
            "sh": [None, 1.0, 2.0, 3.0, 4.0, None, 6.0, 7.0, 8.0, 9.0],
            "fn": [0.0, 1.0, 2.0, 3.0, 4.0, 0.0, 1.0, 2.0, 3.0, 4.0],
            "ag": [4.0, 4.0],
            "flt": 5,
            "st": [1.0, 2.0],
            "mp": [10.0, 20.0, -1.0],
            "wh": [0.0, 0.0, 0.0, 4.0, 5.0, 6.0, 7.0, 8.0, 99.0, 99.0],
            "pipe": 110.0,
            "ap": 0.0,
            "ex": [1.0, 2.0, 3.0],
            "is": 2,
            "bt": 3,
            "sk": 0.0,
            "ku": -1.1999999999999997,
            "ac": 1.0,
            "q": [1.9, 9.1],
            "cm": 55.0,
            "al": 3,
            "rx": [None, None, 1.0, 2.0, 3.0],
            "isna": False,
            "mode": 1.0,
            "cor": 1.0,
        },
    ),
    "trailing_stop_state": (
        """
class Stop:
    def __init__(self, pct=0.05):
        self.pct, self.peak, self.hit = pct, -float("inf"), False
        self.history: list[float] = []
    def __call__(self, px):
        if self.hit: return True
        self.peak = max(self.peak, px)
        self.history += [self.peak * (1 - self.pct)]
        self.hit = px <= self.history[-1]
        return self.hit
    def __len__(self): return len(self.history)
    def __getitem__(self, i): return self.history[i]
    def __contains__(self, x): return x in self.history
    def __iter__(self): return iter(self.history)
    def __bool__(self): return bool(self.hit)
    def __eq__(self, other): return isinstance(other, Stop) and self.pct == other.pct
    def __hash__(self): return hash(self.pct)
def compute(data, params):
    s = Stop(pct=params.get("pct", .1))
    xs = np.concatenate([data["close"], data["close"][::-1]])
    for i, px in enumerate(xs):
        if s(px): break
    else:
        i = -1
    return {"i": i, "n": len(s), "last": s[-1], "sl": sum(s[2:5]), "in": s[0] in s, "b": bool(s), "eq": s == Stop(.1), "set": len({s, Stop(.1), Stop(.2)}), "max": max(s)}
""",
        {"i": 66, "n": 67, "last": 54.0, "sl": 10.8, "in": True, "b": True, "eq": True, "set": 2, "max": 54.0},
    ),
    "generator_pipeline": (
        """
def ticks(closes):
    for i, c in enumerate(closes):
        got = yield i, c
        if got == "stop":
            return "stopped"
def averaged(src, n):
    buf = []
    for i, c in src:
        buf.append(c)
        if len(buf) > n: buf.pop(0)
        if len(buf) == n: yield i, sum(buf) / n
def outer(closes):
    r = yield from ticks(closes)
    yield r
def echo():
    total = 0
    try:
        while True:
            x = yield total
            if x is None: break
            total += x
    finally:
        total = -1
def compute(data, params):
    g = ticks(data["close"])
    first = next(g)
    try:
        g.send("stop")
    except StopIteration as s:
        v = s.value
    e = echo(); next(e)
    a = e.send(3); b = e.send(4); e.close()
    g2 = ticks(data["close"]); next(g2)
    try:
        g2.throw(ValueError("x"))
    except ValueError as err:
        thrown = str(err)
    return {"last": list(averaged(ticks(data["close"]), 5))[-1], "v": len(v), "ab": a + b, "o": len(list(outer(data["close"]))), "th": len(thrown)}
""",
        {"last": [59.0, 58.0], "v": 7, "ab": 10, "o": 61, "th": 1},
    ),
    "errors_of_many_kinds": (
        """
class Bad(ValueError):
    def __init__(self, msg, *, code=0):
        super().__init__(msg); self.code = code
    def __str__(self): return f"[{self.code}] {self.args[0]}"
class Worse(Bad): pass
def risky(n):
    try:
        if n == 0: raise Worse("zero", code=7)
        if n == 1: return [][1]
        if n == 2: return {}["k"]
        if n == 3: assert n == 4, "n is not 4"
        if n == 4: return int("x")
        if n == 5: raise RuntimeError("wrapped") from ZeroDivisionError("inner")
        if n == 6: return None.foo
        if n == 7: return 1 + "a"
        if n == 8: return undefined_name
        if n == 9: return math.sqrt(-1)
    except Worse as e: return len(str(e)) + e.code
    except (IndexError, KeyError) as e: return 50 + len(str(e))
    except AssertionError as e: return len(e.args[0])
    except ValueError as e: return len(repr(e))
    except RuntimeError as e: return len(str(e.__cause__)) + len(type(e.__cause__).__name__)
    except (AttributeError, TypeError, NameError) as e: return len(f"{type(e).__name__}: {e}")
    except Exception: raise
    else: return -1
    finally: seen.append(n)
seen = []
def compute(data, params):
    r = [risky(i) for i in range(10)]
    for k in range(3):
        try:
            if k == 1: continue
            if k == 2: break
        finally: seen.append(100 + k)
    try:
        try: 1 / 0
        except ZeroDivisionError: raise KeyError("a")
    except KeyError as e: r.append(len(type(e.__context__).__name__))
    try: raise
    except RuntimeError: r.append(5)
    return r + seen
""",
        [
            15.0,
            73.0,
            53.0,
            10.0,
            57.0,
            22.0,
            56.0,
            61.0,
            47.0,
            31.0,
            17.0,
            5.0,
            0.0,
            1.0,
            2.0,
            3.0,
            4.0,
            5.0,
            6.0,
            7.0,
            8.0,
            9.0,
            100.0,
            101.0,
            102.0,
        ],
    ),
    "strategies_by_key": (
        """
from abc import ABC, abstractmethod
from typing import Protocol, TypeVar, Generic, NamedTuple, Literal, Union, Any, Iterable
from enum import Enum, IntEnum, auto, Flag
T = TypeVar("T")
class Dir(Enum):
    LONG = 1; SHORT = -1; FLAT = 0
    @classmethod
    def of(cls, x): return cls(int(x > 0) - int(x < 0))
    def __neg__(self): return Dir(-self.value)
class Perm(Flag):
    R = auto(); W = auto()
class Trade(NamedTuple):
    px: float
    side: Dir = Dir.LONG
    @property
    def signed(self): return self.px * self.side.value
class Base(ABC):
    registry: dict[str, type] = {}
    def __init_subclass__(cls, key=None, **kw):
        super().__init_subclass__(**kw)
        Base.registry[key or cls.__name__.lower()] = cls
    @abstractmethod
    def signal(self, w) -> Dir: ...
    def run(self, xs, n=3):
        return [self.signal(xs[i - n:i]) for i in range(n, len(xs))]
class Mom(Base, key="mom"):
    def signal(self, w): return Dir.of(w[-1] - w[0])
class Rev(Mom):
    def signal(self, w): return -super().signal(w)
class Stack(Generic[T]):
    def __init__(self) -> None: self.items: list[T] = []
    def push(self, x: T) -> "Stack[T]":
        self.items.append(x); return self
def compute(data, params):
    try:
        Base()
        bad = 0
    except TypeError: bad = 1
    out = {k: sum(d.value for d in v().run(data["close"])) for k, v in Base.registry.items()}
    return out | {"bad": bad, "t": Trade(5.0, Dir.SHORT).signed, "f": (Perm.R | Perm.W).value, "in": Perm.R in (Perm.R | Perm.W), "n": len(Dir), "names": len("".join(d.name for d in Dir)), "get": Dir["FLAT"].value, "st": len(Stack[int]().push(1).push(2).items), "is": Dir(1) is Dir.LONG, "d": Trade(1.0)._asdict()["px"]}
""",
        {
            "mom": 57,
            "rev": -57,
            "bad": 1,
            "t": -5.0,
            "f": 3,
            "in": True,
            "n": 3,
            "names": 13,
            "get": 0,
            "st": 2,
            "is": True,
            "d": 1.0,
        },
    ),
}
