"""Exceptions, generators, patterns and blocks. Each gives what is noted beside it for closes 1 to 60."""

FLOW = {
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
    "exceptions_of_own_classes": (
        '''
class EngineError(Exception):
    """Base."""
class Bad(EngineError):
    def __init__(self, msg, code=5):
        super().__init__(msg)
        self.code = code
    def __str__(self): return f"bad {self.args[0]}"
def f(k):
    try:
        if k == 0: raise Bad("x")
        if k == 1: raise KeyError("k")
        if k == 2: return 7
    except Bad as e:
        return e.code + len(str(e)) + len(e.args)
    except (KeyError, IndexError) as e:
        try:
            raise RuntimeError("wrapped") from e
        except RuntimeError as r:
            return len(str(r)) + len(repr(e))
    else:
        return 1
    finally:
        pass
def compute(data, params):
    try:
        int("abc")
    except ValueError as e:
        m = len(str(e))
    try:
        raise EngineError
    except Exception as e:
        n = type(e).__name__
    return [f(0), f(1), f(2), f(3), m, len(n)]
''',
        [11.0, 20.0, 7.0, 1.0, 45.0, 11.0],
    ),
    "exception_cause": (
        """
def compute(data, params):
    try:
        try:
            1/0
        except ZeroDivisionError as e:
            raise ValueError("x") from e
    except ValueError as e:
        return isinstance(e.__cause__, ZeroDivisionError) + 0
""",
        1,
    ),
    "generators_that_receive": (
        """
def ema(n):
    k = 2 / (n + 1)
    v = None
    while True:
        x = yield v
        v = x if v is None else v + k * (x - v)
def countdown(n):
    while n:
        got = yield n
        n -= 1
    return "done"
def outer():
    r = yield from countdown(3)
    yield len(r)
def compute(data, params):
    g = ema(5)
    next(g)
    out = [g.send(x) for x in data["close"][:5]]
    g.close()
    h = countdown(2)
    got = list(h)
    try:
        k = countdown(1); next(k); next(k)
    except StopIteration as e:
        v = e.value
    t = countdown(3); next(t)
    try:
        t.throw(ValueError("x"))
    except ValueError:
        got.append(99)
    return out + list(outer()) + got + [len(v)]
""",
        [
            1.0,
            1.3333333333333333,
            1.8888888888888888,
            2.5925925925925926,
            3.3950617283950617,
            3.0,
            2.0,
            1.0,
            4.0,
            2.0,
            1.0,
            99.0,
            4.0,
        ],
    ),
    "try_finally_loop": (
        """
def compute(data, params):
    out = []
    for i in range(5):
        try:
            if i == 1: continue
            if i == 3: break
            out.append(i)
        finally:
            out.append(100 + i)
    else:
        out.append(-1)
    return out
""",
        [0.0, 100.0, 101.0, 2.0, 102.0, 103.0],
    ),
    "assert_msg": (
        """
def compute(data, params):
    try:
        assert 1 == 2, "no"
    except AssertionError as e:
        return len(str(e))
""",
        2,
    ),
    "match_more": (
        """
from dataclasses import dataclass
class Tick:
    __match_args__ = ("price", "size")
    def __init__(self, price, size): self.price = price; self.size = size
def k(x):
    match x:
        case int(n) if n > 100: return 1
        case float() | int(): return 2
        case "a" | "b" as s: return 3
        case [] : return 4
        case [x, y]: return 5
        case [x, *_, z]: return 6
        case {"type": "tick", "px": float(px)}: return px
        case Tick(price=p) if p > 5: return 8
        case Tick(p, s): return 9
        case (None | True | False): return 10
        case -1.5: return 11
        case _: return 0
def compute(data, params):
    return [k(v) for v in (101, 1.0, "a", [], [1, 2], [1, 2, 3], {"type": "tick", "px": 7.5}, Tick(6, 1), Tick(1, 1), None, -1.5, {1})]
""",
        [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.5, 8.0, 9.0, 10.0, 2.0, 0.0],
    ),
    "contextlib": (
        """
from contextlib import contextmanager, suppress
@contextmanager
def scope(log):
    log.append(1)
    try:
        yield log
    finally:
        log.append(2)
def compute(data, params):
    log = []
    with scope(log) as l:
        l.append(5)
    with suppress(ZeroDivisionError):
        1 / 0
    return log
""",
        [1.0, 5.0, 2.0],
    ),
    "iter_sentinel": (
        """
def compute(data, params):
    xs = [1, 2, 0, 5]
    return list(iter(lambda: xs.pop(0), 0))
""",
        [1.0, 2.0],
    ),
    "main_guard": (
        """
def compute(data, params):
    return 1
if __name__ == "__main__":
    import os
    print(compute({}, {}))
""",
        1,
    ),
}
