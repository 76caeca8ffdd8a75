"""Strategies and their parts as users write them. Each gives what is noted beside it for closes 1 to 60."""

STRATEGIES = {
    "backtest": (
        """
from dataclasses import dataclass, field
from enum import Enum
from typing import Dict, List, Optional

class Side(str, Enum):
    LONG = "long"
    FLAT = "flat"

    @property
    def weight(self) -> int:
        return {"long": 1, "flat": 0}[self.value]

@dataclass
class Position:
    side: Side = Side.FLAT
    entry: Optional[float] = None
    pnl: float = 0.0
    log: List[float] = field(default_factory=list)

    def enter(self, price: float) -> None:
        if self.side is Side.LONG:
            raise RuntimeError("already in")
        self.side, self.entry = Side.LONG, price

    def leave(self, price: float) -> None:
        self.pnl += price - self.entry
        self.log.append(round(price - self.entry, 2))
        self.side, self.entry = Side.FLAT, None

class Strategy:
    name = "cross"
    def __init__(self, fast: int = 3, slow: int = 8):
        self.fast, self.slow = fast, slow
        self._position = Position()

    def on_bar(self, i: int, closes: np.ndarray) -> None:
        if i < self.slow:
            return
        f, s = closes[i - self.fast:i].mean(), closes[i - self.slow:i].mean()
        match (f > s, self._position.side):
            case (True, Side.FLAT):
                self._position.enter(closes[i])
            case (False, Side.LONG):
                self._position.leave(closes[i])
            case _:
                pass

    def run(self, closes) -> Dict[str, float]:
        for i in range(len(closes)):
            self.on_bar(i, closes)
        if self._position.side == Side.LONG:
            self._position.leave(closes[-1])
        return {"pnl": self._position.pnl, "trades": len(self._position.log), "w": Side.LONG.weight}

def compute(data, params):
    x = data["close"] + 10 * np.sin(data["close"])
    return Strategy(**{k: v for k, v in params.items() if k in ("fast", "slow")}).run(x)
""",
        {"pnl": 0.0, "trades": 0, "w": 1},
    ),
    "order_book": (
        """
import heapq
from collections import defaultdict
from itertools import count

class Book:
    def __init__(self):
        self.bids, self.asks = [], []
        self._ids = count()
        self.filled = defaultdict(float)

    def add(self, side, px, qty):
        own, other, sign = (self.bids, self.asks, -1) if side == "B" else (self.asks, self.bids, 1)
        while qty and other and (other[0][0] * sign >= px * sign * -1 if False else self._crosses(side, px, other)):
            key, i, q = heapq.heappop(other)
            take = min(q, qty)
            qty -= take
            self.filled[abs(key)] += take
            if q > take:
                heapq.heappush(other, (key, i, q - take))
        if qty:
            heapq.heappush(own, (sign * px, next(self._ids), qty))

    @staticmethod
    def _crosses(side, px, other):
        best = abs(other[0][0])
        return px >= best if side == "B" else px <= best

def compute(data, params):
    b = Book()
    for side, px, qty in [("S", 101, 5), ("S", 100, 5), ("B", 100, 3), ("B", 102, 10), ("B", 99, 1)]:
        b.add(side, px, qty)
    return {"filled": sum(b.filled.values()), "bids": len(b.bids), "asks": len(b.asks), "best": abs(b.bids[0][0])}
""",
        {"filled": 10.0, "bids": 2, "asks": 0, "best": 102},
    ),
    "event_stream": (
        """
from collections import deque
from itertools import islice

def bars(data):
    names = ("open", "high", "low", "close")
    yield from (dict(zip(names, row)) for row in zip(*(data[n] for n in names)))

def windows(stream, n):
    buf = deque(islice(stream, n - 1), maxlen=n)
    for item in stream:
        buf.append(item)
        yield tuple(buf)

def compute(data, params):
    total = 0.0
    n = -1
    for n, (a, *_, z) in enumerate(windows(bars(data), 5)):
        total += z["close"] - a["open"]
        if n >= 20:
            break
    else:
        total = -1
    return {"total": total, "n": n}
""",
        {"total": 84.0, "n": 20},
    ),
    "indicator_registry": (
        """
from typing import Callable, Dict
REGISTRY: Dict[str, Callable] = {}

def indicator(name=None, **defaults):
    def register(fn):
        key = name or fn.__name__
        def call(data, **kw):
            return fn(data, **{**defaults, **kw})
        call.__name__ = key
        REGISTRY[key] = call
        return call
    return register

@indicator(n=5)
def sma(data, n):
    c = data["close"]
    return np.convolve(c, np.ones(n), "valid")[-1] / n

@indicator("mom", n=3)
def _momentum(data, n):
    return data["close"][-1] - data["close"][-1 - n]

def compute(data, params):
    return {key: fn(data) for key, fn in sorted(REGISTRY.items())} | {"sma9": REGISTRY["sma"](data, n=9)}
""",
        {"mom": 3.0, "sma": 58.0, "sma9": 56.0},
    ),
    "zigzag_state": (
        """
from enum import IntEnum, auto
class State(IntEnum):
    UP = auto()
    DOWN = auto()
class Zigzag:
    __slots__ = ("pct", "state", "extreme", "pivots")
    def __init__(self, pct): self.pct, self.state, self.extreme, self.pivots = pct, State.UP, None, []
    def push(self, i, x):
        if self.extreme is None:
            self.extreme = (i, x); return
        _, best = self.extreme
        if self.state == State.UP:
            if x > best: self.extreme = (i, x)
            elif x < best * (1 - self.pct):
                self.pivots.append(self.extreme); self.state, self.extreme = State.DOWN, (i, x)
        else:
            if x < best: self.extreme = (i, x)
            elif x > best * (1 + self.pct):
                self.pivots.append(self.extreme); self.state, self.extreme = State.UP, (i, x)
def compute(data, params):
    z = Zigzag(0.05)
    for i, x in enumerate(100 + 20 * np.sin(np.arange(60) / 4)): z.push(i, x)
    return {"idx": [i for i, _ in z.pivots], "px": [round(x, 4) for _, x in z.pivots], "state": z.state}
""",
        {"idx": [6.0, 19.0, 31.0, 44.0], "px": [119.9499, 80.0141, 119.892, 80.0002], "state": 1},
    ),
    "config_validation": (
        """
DEFAULTS = {"length": 14, "mode": "ema", "levels": [30, 70]}
class ConfigError(ValueError): ...
def merged(params):
    unknown = set(params) - set(DEFAULTS) - {"shift", "nested"}
    if unknown:
        raise ConfigError(f"unknown: {', '.join(sorted(unknown))}")
    cfg = {**DEFAULTS, **{k: v for k, v in params.items() if k in DEFAULTS}}
    if not isinstance(cfg["length"], int) or cfg["length"] < 1:
        raise ConfigError("length")
    return cfg
def compute(data, params):
    cfg = merged(params)
    try:
        merged({"lenght": 3})
    except ConfigError as e:
        msg = str(e)
    lo, hi, *_ = cfg["levels"]
    return {"n": cfg["length"], "lo": lo, "hi": hi, "msg": len(msg), "ok": msg.endswith("lenght")}
""",
        {"n": 14, "lo": 1, "hi": 2, "msg": 15, "ok": True},
    ),
    "wave_lookup": (
        """
def compute(data, params):
    close = data["close"]
    n = int(params.get("n", 20))
    if close.size < n or np.isnan(close[-n:]).any():
        return {"score": None}
    mean, sd = close[-n:].mean(), close[-n:].std(ddof=1)
    if not sd:
        return {"score": 0.0}
    z = (close[-1] - mean) / sd
    label = "hot" if z > 1.5 else "cold" if z < -1.5 else "flat"
    return {"score": z, "is_hot": label == "hot", "code": {"hot": 1, "flat": 0, "cold": -1}[label]}
""",
        {"score": 1.6057930839841814, "is_hot": True, "code": 1},
    ),
    "json_params_shapes": (
        """
def walk(node, path=()):
    match node:
        case dict():
            for k, v in node.items():
                yield from walk(v, (*path, k))
        case list() | tuple():
            for i, v in enumerate(node):
                yield from walk(v, (*path, str(i)))
        case _:
            yield ".".join(path), node
def compute(data, params):
    return dict(walk(params))
""",
        {"shift": 5.0, "levels.0": 1, "levels.1": 2, "levels.2": 3, "nested.k": 4},
    ),
    "complex_class_hierarchy": (
        """
from abc import ABC, abstractmethod
from functools import cached_property
class Leg(ABC):
    def __init__(self, strike, qty=1):
        self._strike, self.qty = strike, qty
    @property
    def strike(self): return self._strike
    @abstractmethod
    def payoff(self, s): ...
    def __mul__(self, n): return type(self)(self._strike, self.qty * n)
    __rmul__ = __mul__
    def __neg__(self): return self * -1
    def __add__(self, other): return Structure([self, *getattr(other, "legs", [other])])
    def __repr__(self): return f"{type(self).__name__}({self._strike:g} x {self.qty:+d})"
class Call(Leg):
    def payoff(self, s): return self.qty * np.maximum(s - self.strike, 0)
class Put(Leg):
    def payoff(self, s): return self.qty * np.maximum(self.strike - s, 0)
class Structure:
    def __init__(self, legs): self.legs = list(legs)
    def __add__(self, other): return Structure([*self.legs, *getattr(other, "legs", [other])])
    def __iter__(self): return iter(self.legs)
    def __len__(self): return len(self.legs)
    def __getitem__(self, i): return self.legs[i]
    @cached_property
    def strikes(self): return sorted({leg.strike for leg in self})
    def payoff(self, s): return sum(leg.payoff(s) for leg in self)
def compute(data, params):
    condor = -Put(95) + Put(90) + -Call(105) + 1 * Call(110)
    s = np.arange(85, 116, 5.0)
    print(condor[0], len(condor))
    return {"pay": condor.payoff(s), "k": condor.strikes, "r": len(repr(condor[0]))}
""",
        {"pay": [-5.0, -5.0, 0.0, 0.0, 0.0, -5.0, -5.0], "k": [90.0, 95.0, 105.0, 110.0], "r": 12},
    ),
}
