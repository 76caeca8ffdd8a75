"""Modules of Python's library. Each gives what is noted beside it for closes 1 to 60."""

MODULES = {
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
    "dates": (
        """
from datetime import datetime, timezone
def compute(data, params):
    moment = datetime.fromtimestamp(data["timestamp"][0], tz=timezone.utc)
    return moment.hour * 60 + moment.minute
""",
        0,
    ),
    "decimal": (
        """
from decimal import Decimal, getcontext, ROUND_HALF_UP
def compute(data, params):
    d = Decimal("1.10") + Decimal("2.25")
    tick = Decimal("0.05")
    r = (Decimal("101.13") / tick).quantize(Decimal("1"), rounding=ROUND_HALF_UP) * tick
    return {"d": float(d), "r": float(r)}
""",
        {"d": 3.35, "r": 101.15},
    ),
    "fractions": (
        """
from fractions import Fraction
def compute(data, params):
    return float(Fraction(1, 3) + Fraction(1, 6))
""",
        0.5,
    ),
    "json": (
        """
import json
def compute(data, params):
    s = json.dumps({"a": [1, 2, {"b": None}]})
    return len(json.loads(s)["a"]) + len(s)
""",
        29,
    ),
    "itertools": (
        """
import itertools as it
from itertools import accumulate, chain, combinations, groupby, islice, pairwise, product, starmap, takewhile, zip_longest, tee
def compute(data, params):
    c = data["close"].tolist()
    return [sum(1 for _ in combinations(range(5), 2)), list(accumulate([1, 2, 3]))[-1], len(list(chain([1], [2]))), len(list(chain.from_iterable([[1, 2], [3]]))), [len(list(g)) for k, g in groupby([1, 1, 2])][0], len(list(pairwise(c))), len(list(product([1, 2], repeat=2))), list(starmap(pow, [(2, 3)]))[0], len(list(takewhile(lambda x: x < 5, c))), len(list(zip_longest([1], [1, 2], fillvalue=0))), list(islice(it.count(5), 2))[1], max(accumulate(c, max))]
""",
        [10.0, 6.0, 2.0, 3.0, 2.0, 59.0, 4.0, 8.0, 4.0, 2.0, 6.0, 60.0],
    ),
    "kinds_of_collections": (
        """
from collections import deque, defaultdict, Counter, namedtuple, OrderedDict, ChainMap
import collections
P = namedtuple("P", ["x", "y"], defaults=[5])
def compute(data, params):
    d = deque(maxlen=3)
    for x in range(5): d.append(x)
    d.appendleft(9); d.rotate(1)
    dd = defaultdict(lambda: defaultdict(list))
    dd["a"]["b"].append(1)
    c = Counter("banana"); c.update("aa")
    o = OrderedDict(a=1); o["b"] = 2; o.move_to_end("a")
    p = P(1)
    x, y = p
    return [sum(d), len(dd), c["a"], c.most_common(1)[0][1], list(o)[0] == "b", p.x + y, p._replace(x=3).x, len(p._asdict()), ChainMap({"a": 1}, {"b": 2})["b"], (c - Counter("a"))["a"], sum(c.values())]
""",
        [14.0, 1.0, 5.0, 5.0, 1.0, 6.0, 3.0, 2.0, 2.0, 4.0, 8.0],
    ),
    "caches_and_partials": (
        """
import functools
from functools import reduce, partial, lru_cache, cmp_to_key, cache
@cache
def f(n): return 1 if n < 2 else f(n-1) + f(n-2)
@lru_cache
def g(n): return n * 2
class K:
    @functools.lru_cache(maxsize=8)
    def m(self, x): return x + 1
def compute(data, params):
    half = partial(lambda a, b: a / b, b=2)
    return [reduce(lambda a, b: a * b, range(1, 6)), half(10), f(30), g(2), g.cache_info().misses, sorted([3, 1, 2], key=cmp_to_key(lambda a, b: b - a))[0], K().m(1)]
""",
        [120.0, 5.0, 1346269.0, 4.0, 1.0, 3.0, 2.0],
    ),
    "statistics_bisect_heapq": (
        """
import statistics, bisect, heapq, operator, random, string
from statistics import mean, median, stdev
from operator import itemgetter, attrgetter
def compute(data, params):
    c = data["close"].tolist()
    h = []
    for x in [3, 1, 2]: heapq.heappush(h, x)
    random.seed(7)
    a = random.random(); random.seed(7); b = random.random()
    rng = random.Random(3)
    return [mean(c), median(c), stdev(c), statistics.pstdev(c), bisect.bisect_left(c, 5.5), heapq.heappop(h), heapq.nlargest(2, c)[0], sorted([(1, 2), (0, 5)], key=itemgetter(1))[0][0], a == b, operator.add(1, 2), rng.randint(1, 1), rng.gauss(0, 1), random.Random(3).choice([5]), rng.uniform(1, 1), rng.random()]
""",
        [
            30.5,
            30.5,
            17.46424919657298,
            17.318102282486574,
            5.0,
            1.0,
            60.0,
            1.0,
            1.0,
            3.0,
            1.0,
            -0.4416125592041887,
            5.0,
            1.0,
            0.47405353654712656,
        ],
    ),
    "datetime": (
        """
import datetime as dt
from datetime import datetime, timedelta, timezone, date, time
def compute(data, params):
    ts = data["timestamp"][0]
    a = datetime.fromtimestamp(ts, tz=timezone.utc)
    b = dt.datetime.utcfromtimestamp(ts)
    c = datetime(2026, 1, 1, 9, 15) + timedelta(minutes=30)
    ist = timezone(timedelta(hours=5, minutes=30))
    d = a.astimezone(ist)
    return [a.hour, b.year, c.minute, d.minute, a.weekday(), (date(2026, 1, 2) - date(2026, 1, 1)).days, len(c.strftime("%Y-%m-%d %H:%M")), datetime.strptime("2026-02-03", "%Y-%m-%d").month, time(9, 15).hour, a.isoformat() > "2", c.replace(hour=1).hour, a.timestamp() == ts, date.fromisoformat("2026-01-05").isocalendar()[1], timedelta(days=1).total_seconds()]
""",
        [0.0, 2026.0, 45.0, 30.0, 3.0, 1.0, 16.0, 2.0, 9.0, 1.0, 1.0, 1.0, 2.0, 86400.0],
    ),
    "zoneinfo": (
        """
from zoneinfo import ZoneInfo
from datetime import datetime
def compute(data, params):
    d = datetime.fromtimestamp(data["timestamp"][0], tz=ZoneInfo("Asia/Kolkata"))
    return [d.hour, d.minute]
""",
        [5.0, 30.0],
    ),
    "time_module": (
        """
import time
def compute(data, params):
    t = time.perf_counter()
    x = sum(range(1000))
    return float(time.perf_counter() - t >= 0) + (time.time() > 0) + (time.monotonic() > 0)
""",
        3.0,
    ),
    "copy": (
        """
import copy
from copy import deepcopy
def compute(data, params):
    a = {"x": [1, 2]}
    b = deepcopy(a)
    b["x"].append(3)
    c = copy.copy(a)
    return [len(a["x"]), len(b["x"]), len(c["x"])]
""",
        [2.0, 3.0, 2.0],
    ),
    "warnings": (
        """
import warnings
warnings.filterwarnings("ignore")
def compute(data, params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(np.nanmean(data["close"]))
""",
        30.5,
    ),
    "numbers_module": (
        """
import numbers
def compute(data, params):
    return isinstance(1, numbers.Number) + isinstance(1.0, numbers.Real)
""",
        2,
    ),
    "math_all": (
        """
import math
from math import sqrt, log, exp, pi, inf, isnan
def compute(data, params):
    return [sqrt(4), log(math.e), math.floor(2.5), math.ceil(2.1), math.hypot(3, 4), math.factorial(5), math.gcd(4, 6), math.comb(5, 2), math.erf(0.5), math.isclose(0.1 + 0.2, 0.3), math.fsum([0.1] * 10), math.prod([1, 2, 3]), math.copysign(1, -2), math.trunc(2.7), math.log2(8), math.tau, inf, isnan(float("nan")), math.degrees(pi), math.dist([0, 0], [3, 4])]
""",
        [
            2.0,
            1.0,
            2.0,
            3.0,
            5.0,
            120.0,
            2.0,
            10.0,
            0.5204998778130465,
            1.0,
            1.0,
            6.0,
            -1.0,
            2.0,
            3.0,
            6.283185307179586,
            None,
            1.0,
            180.0,
            5.0,
        ],
    ),
    "black_scholes": (
        """
from math import log, sqrt, exp, erf
from statistics import NormalDist
N = NormalDist()
def cdf(x): return 0.5 * (1 + erf(x / sqrt(2)))
def bs(S, K, T, r, v, kind="call"):
    d1 = (log(S / K) + (r + v * v / 2) * T) / (v * sqrt(T))
    d2 = d1 - v * sqrt(T)
    return S * cdf(d1) - K * exp(-r * T) * cdf(d2) if kind == "call" else K * exp(-r * T) * cdf(-d2) - S * cdf(-d1)
def iv(price, S, K, T, r):
    lo, hi = 1e-4, 5.0
    for _ in range(100):
        mid = (lo + hi) / 2
        if bs(S, K, T, r, mid) > price: hi = mid
        else: lo = mid
    return mid
def compute(data, params):
    p = bs(100, 100, 1, 0.05, 0.2)
    return {"p": p, "iv": round(iv(p, 100, 100, 1, 0.05), 6), "n": N.cdf(0.5), "inv": N.inv_cdf(0.9), "pdf": N.pdf(0)}
""",
        {
            "p": 10.450583572185565,
            "iv": 0.2,
            "n": 0.6914624612740131,
            "inv": 1.2815515655446008,
            "pdf": 0.3989422804014327,
        },
    ),
    "complex": (
        """
import cmath
def compute(data, params):
    z = complex(3, 4)
    return [abs(z), z.real, z.imag, z.conjugate().imag, cmath.phase(1j), (1j * 1j).real]
""",
        [5.0, 3.0, 4.0, -4.0, 1.5707963267948966, -1.0],
    ),
}
