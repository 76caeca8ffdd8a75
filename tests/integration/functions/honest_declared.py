"""Classes that Python writes a part of: dataclasses, enumerations, abstract and generic ones; and every operator. Each gives what is noted beside it for closes 1 to 60."""

DECLARED = {
    "dataclass": (
        """
from dataclasses import dataclass, field
@dataclass
class Trade:
    price: float
    qty: int = 1
    tags: list = field(default_factory=list)
    @property
    def notional(self): return self.price * self.qty
def compute(data, params):
    t = Trade(10.0, 3)
    u = Trade(price=2.0)
    u.tags.append(1)
    return {"n": t.notional, "eq": Trade(1.0) == Trade(1.0), "tags": len(u.tags) + len(t.tags), "r": len(repr(t))}
""",
        {"n": 30.0, "eq": True, "tags": 1, "r": 33},
    ),
    "dataclass_frozen": (
        """
from dataclasses import dataclass, replace, asdict, astuple, fields
import dataclasses
@dataclass(frozen=True, order=True)
class Level:
    price: float
    size: float = 0.0
@dataclasses.dataclass(slots=True, kw_only=True)
class Opt:
    a: int
    b: int = 2
    def __post_init__(self): self.a += 1
def compute(data, params):
    a, b = Level(1.0), Level(2.0, 5.0)
    failed = 0
    try:
        a.price = 3.0
    except dataclasses.FrozenInstanceError:
        failed = 1
    c = replace(a, price=9.0)
    return [sorted([b, a])[0].price, c.price, len(asdict(b)), failed, len({a, b, Level(1.0)}), Opt(a=1).a, astuple(b)[1], len(fields(a))]
""",
        [1.0, 9.0, 2.0, 1.0, 2.0, 2.0, 5.0, 2.0],
    ),
    "enum": (
        """
from enum import Enum, IntEnum, auto
class Side(Enum):
    BUY = 1
    SELL = -1
    @property
    def sign(self): return self.value
class Level(IntEnum):
    LOW = auto()
    HIGH = auto()
def compute(data, params):
    side = Side["SELL"]
    match side:
        case Side.BUY: x = 1
        case Side.SELL: x = 2
    return [side.sign, Side(1).value, len(list(Side)), x, Level.HIGH, int(Level.LOW), Side.BUY is Side.BUY, len(Side.BUY.name)]
""",
        [-1.0, 1.0, 2.0, 2.0, 2.0, 1.0, 1.0, 3.0],
    ),
    "abc": (
        """
from abc import ABC, abstractmethod
class Indicator(ABC):
    @abstractmethod
    def update(self, x): ...
class Ema(Indicator):
    def __init__(self, n):
        self.k = 2 / (n + 1)
        self.v = None
    def update(self, x):
        self.v = x if self.v is None else self.v + self.k * (x - self.v)
        return self.v
def compute(data, params):
    e = Ema(10)
    bad = 0
    try:
        Indicator()
    except TypeError:
        bad = 1
    return [e.update(x) for x in data["close"]][-1] + bad
""",
        56.500032460271385,
    ),
    "generic_class": (
        """
from typing import Generic, TypeVar
T = TypeVar("T")
class Stack(Generic[T]):
    def __init__(self) -> None:
        self.items: list[T] = []
    def push(self, item: T) -> None: self.items.append(item)
    def pop(self) -> T: return self.items.pop()
def compute(data, params):
    s = Stack()
    s.push(1); s.push(2)
    return s.pop()
""",
        2,
    ),
    "typing_more": (
        """
from typing import NamedTuple, TypedDict, Protocol, Tuple, TypeVar, Generic, Deque, DefaultDict, Type, cast, TYPE_CHECKING, overload
from collections.abc import Iterable, Mapping, Sequence, Callable
if TYPE_CHECKING:
    import nothing
T = TypeVar("T")
class Bar(NamedTuple):
    open: float
    close: float = 2.0
    def body(self): return self.close - self.open
def compute(data, params):
    b = Bar(1.0)
    xs: Sequence[float] = [1, 2]
    return [b.body(), b.close, isinstance(xs, Sequence), isinstance({}, Mapping), len(b._fields), cast(float, 3.0)]
""",
        [1.0, 2.0, 1.0, 1.0, 2.0, 3.0],
    ),
    "cached_property": (
        """
from functools import cached_property, total_ordering, wraps, singledispatch
@total_ordering
class V:
    def __init__(self, x): self.x = x
    def __eq__(self, o): return self.x == o.x
    def __lt__(self, o): return self.x < o.x
    __hash__ = None
    @cached_property
    def sq(self): return self.x ** 2
def compute(data, params):
    return [V(3).sq, V(1) <= V(2), V(2) >= V(3)]
""",
        [9.0, 1.0, 0.0],
    ),
    "attrgetter": (
        """
from operator import attrgetter, methodcaller
class T:
    def __init__(self, p): self.p = p
    def dbl(self): return self.p * 2
def compute(data, params):
    return [t.p for t in sorted([T(3), T(1)], key=attrgetter("p"))] + list(map(methodcaller("dbl"), [T(2)]))
""",
        [1.0, 3.0, 4.0],
    ),
    "dunder_all_ops": (
        """
class Vec:
    def __init__(self, x, y): self.x, self.y = x, y
    def __add__(self, o): return Vec(self.x + o.x, self.y + o.y)
    def __sub__(self, o): return Vec(self.x - o.x, self.y - o.y)
    def __mul__(self, k): return Vec(self.x * k, self.y * k)
    __rmul__ = __mul__
    def __neg__(self): return Vec(-self.x, -self.y)
    def __abs__(self): return (self.x**2 + self.y**2) ** 0.5
    def __bool__(self): return bool(self.x or self.y)
    def __getitem__(self, i): return (self.x, self.y)[i]
    def __setitem__(self, i, v):
        if i == 0: self.x = v
        else: self.y = v
    def __delitem__(self, i): self[i] = 0
    def __len__(self): return 2
    def __contains__(self, v): return v in (self.x, self.y)
    def __iter__(self): return iter((self.x, self.y))
    def __eq__(self, o): return isinstance(o, Vec) and tuple(self) == tuple(o)
    def __hash__(self): return hash((self.x, self.y))
    def __matmul__(self, o): return self.x * o.x + self.y * o.y
    def __iadd__(self, o):
        self.x += o.x; self.y += o.y
        return self
    def __call__(self): return self.x
    def __float__(self): return float(abs(self))
    def __int__(self): return int(abs(self))
    def __round__(self, n=0): return round(abs(self), n)
    def __repr__(self): return f"Vec({self.x!r}, {self.y!r})"
    def __str__(self): return f"<{self.x}, {self.y}>"
    def __format__(self, spec): return format(abs(self), spec)
    def __lt__(self, o): return abs(self) < abs(o)
    def __truediv__(self, k): return Vec(self.x / k, self.y / k)
    def __floordiv__(self, k): return Vec(self.x // k, self.y // k)
    def __mod__(self, k): return Vec(self.x % k, self.y % k)
    def __pow__(self, k): return Vec(self.x ** k, self.y ** k)
    def __divmod__(self, k): return (self // k, self % k)
    def __reversed__(self): return iter((self.y, self.x))
    def __trunc__(self): return 1
    def __ceil__(self): return 2
    def __floor__(self): return 3
    def __complex__(self): return complex(self.x, self.y)
    def __index__(self): return 1
    def __rpow__(self, o): return o ** self.x
    def __rdivmod__(self, o): return 1
    def __ipow__(self, o): return self
    def __ifloordiv__(self, o): return self
    def __imod__(self, o): return self
    def __iand__(self, o): return self
    def __ior__(self, o): return self
    def __ixor__(self, o): return self
    def __ilshift__(self, o): return self
    def __irshift__(self, o): return self
    def __imatmul__(self, o): return self
    def __rand__(self, o): return 1
    def __ror__(self, o): return 1
    def __rxor__(self, o): return 1
    def __rlshift__(self, o): return 1
    def __rrshift__(self, o): return 1
    def __rmatmul__(self, o): return 1
    def __length_hint__(self): return 2
def compute(data, params):
    v = Vec(3, 4)
    v += Vec(0, 0)
    v[0] += 0
    w = 2 * v - -v
    return [abs(v), w.x, bool(Vec(0, 0)), 3 in v, v @ v, float(v), int(v), len(str(v)), len(f"{v:.2f}"), v(), len({v, Vec(3, 4)}), sum(v), sorted([w, v])[0].x, list(reversed(v))[0], math.floor(v), [10, 20][v]]
""",
        [5.0, 9.0, 0.0, 1.0, 25.0, 5.0, 5.0, 6.0, 4.0, 3.0, 1.0, 7.0, 3.0, 4.0, 3.0, 20.0],
    ),
}
