"""Classes as users write them. Each gives what is noted beside it for closes 1 to 60."""

CLASSES = {
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
    "slots": (
        """
class P:
    __slots__ = ("x", "y")
    def __init__(self, x, y):
        self.x = x
        self.y = y
def compute(data, params):
    p = P(1, 2)
    try:
        p.z = 1
    except AttributeError:
        return p.x + p.y
""",
        3,
    ),
    "multiple_inheritance": (
        """
class A:
    def who(self): return ["A"]
class B(A):
    def who(self): return ["B"] + super().who()
class C(A):
    def who(self): return ["C"] + super().who()
class D(B, C):
    def who(self): return ["D"] + super().who()
def compute(data, params):
    return len("".join(D().who())) + isinstance(D(), A) + issubclass(D, C)
""",
        6,
    ),
    "class_attrs": (
        """
class Cfg:
    n = 5
    table = {i: i * i for i in range(3)}
    def __init__(self): self.n2 = Cfg.n * 2
    @classmethod
    def scale(cls, k):
        cls.n = k
        return cls()
    def __enter__(self): return self
    def __exit__(self, *exc): return False
def compute(data, params):
    c = Cfg.scale(7)
    Cfg.extra = 3
    with c as cc:
        return cc.n2 + Cfg.extra + c.table[2] + len(type(c).__name__) + len(self_name(c))
def self_name(o): return o.__class__.__name__
""",
        27,
    ),
    "nested_classes": (
        """
class Outer:
    class Inner:
        v = 3
        def __init__(self, o): self.o = o
    def make(self): return Outer.Inner(self)
    def make2(self): return self.Inner(self)
def compute(data, params):
    return Outer().make().v + Outer().make2().v
""",
        6,
    ),
    "static_factory": (
        """
class Shape:
    kinds = {}
    @staticmethod
    def register(name):
        def deco(cls):
            Shape.kinds[name] = cls
            return cls
        return deco
@Shape.register("sq")
class Sq(Shape):
    def area(self): return 4
def compute(data, params): return Shape.kinds["sq"]().area()
""",
        4,
    ),
    "iterator_class": (
        """
class Window:
    def __init__(self, xs, n): self.xs, self.n, self.i = xs, n, 0
    def __iter__(self): return self
    def __next__(self):
        if self.i + self.n > len(self.xs): raise StopIteration
        self.i += 1
        return self.xs[self.i - 1:self.i - 1 + self.n]
def compute(data, params): return [w.mean() for w in Window(data["close"], 5)][:3]
""",
        [3.0, 4.0, 5.0],
    ),
    "singleton_new": (
        """
class One:
    _inst = None
    def __new__(cls):
        if cls._inst is None: cls._inst = super().__new__(cls)
        return cls._inst
def compute(data, params): return One() is One()
""",
        True,
    ),
    "tuple_new": (
        """
class Px(float):
    def __new__(cls, v): return super().__new__(cls, round(v, 2))
def compute(data, params): return Px(1.2345) * 1
""",
        1.23,
    ),
    "user_dict_list_subclass": (
        """
class Grid(dict):
    def __missing__(self, k):
        self[k] = v = []
        return v
    def add(self, k, x):
        self[k].append(x)
class Series2(list):
    def mean(self): return sum(self) / len(self)
    def __init__(self, *a):
        super().__init__(*a)
        self.tag = 1
class D2(dict):
    def __setitem__(self, k, v):
        super().__setitem__(k, v * 2)
    def __getitem__(self, k):
        return super().__getitem__(k) + 1
    def get2(self, k): return dict.get(self, k)
def compute(data, params):
    g = Grid()
    g.add("a", 1); g.add("a", 2)
    d = D2()
    d["x"] = 5
    s = Series2([1, 2, 3])
    return {"g": g["a"], "m": s.mean(), "d": d["x"], "d2": d.get2("x"), "t": s.tag}
""",
        {"g": [1.0, 2.0], "m": 2.0, "d": 11, "d2": 10, "t": 1},
    ),
    "dict_attr": (
        """
class C:
    def __init__(self, **kw):
        for k, v in kw.items(): setattr(self, k, v)
    def total(self): return sum(self.__dict__.values())
def compute(data, params):
    return C(a=1, b=2).total()
""",
        3,
    ),
    "init_subclass": (
        """
class Base:
    registry = {}
    def __init_subclass__(cls, **kw):
        super().__init_subclass__(**kw)
        Base.registry[cls.__name__] = cls
class X(Base): pass
class Y(Base): pass
def compute(data, params):
    return len(Base.registry)
""",
        2,
    ),
    "getattr_dunder": (
        """
class Lazy:
    def __init__(self): self._d = {"a": 1}
    def __getattr__(self, name):
        if name in self._d: return self._d[name]
        raise AttributeError(name)
def compute(data, params):
    return Lazy().a
""",
        1,
    ),
    "descriptor": (
        """
class Positive:
    def __set_name__(self, owner, name): self.name = "_" + name
    def __get__(self, obj, owner=None): return getattr(obj, self.name)
    def __set__(self, obj, value):
        if value <= 0: raise ValueError(f"must be positive")
        setattr(obj, self.name, value)
class Order:
    qty = Positive()
    def __init__(self, q): self.qty = q
def compute(data, params):
    o = Order(5)
    try:
        o.qty = -1
    except ValueError:
        return o.qty
""",
        5,
    ),
}
