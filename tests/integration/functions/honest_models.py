"""Pricing, statistics and portfolios as users write them. Each gives what is noted beside it for closes 1 to 60."""

MODELS = {
    "monte_carlo": (
        """
def compute(data, params):
    rng = np.random.default_rng(params.get("seed", 42))
    s0, k, t, r, v = 100.0, 105.0, 0.5, 0.03, 0.25
    z = rng.standard_normal((2000, 50))
    dt = t / 50
    paths = s0 * np.exp(np.cumsum((r - v**2 / 2) * dt + v * np.sqrt(dt) * z, axis=1))
    payoff = np.maximum(paths[:, -1] - k, 0)
    asian = np.maximum(paths.mean(axis=1) - k, 0)
    disc = np.exp(-r * t)
    return {"euro": disc * payoff.mean(), "asian": disc * asian.mean(), "se": payoff.std(ddof=1) / np.sqrt(payoff.size)}
""",
        {"euro": 5.415842421426601, "asian": 2.396373516442762, "se": 0.23494403644097223},
    ),
    "binomial_tree": (
        """
def compute(data, params):
    def american_put(s, k, t, r, v, n):
        dt = t / n
        u = np.exp(v * np.sqrt(dt)); d = 1 / u
        q = (np.exp(r * dt) - d) / (u - d)
        st = s * u ** np.arange(n, -n - 1, -2)
        val = np.maximum(k - st, 0)
        for _ in range(n):
            st = st[:-1] * d
            val = np.maximum(k - st, np.exp(-r * dt) * (q * val[:-1] + (1 - q) * val[1:]))
        return val[0]
    return american_put(100, 100, 1.0, 0.05, 0.2, 100)
""",
        6.082354409142454,
    ),
    "pca": (
        """
def compute(data, params):
    rng = np.random.default_rng(0)
    x = np.column_stack([data["close"], data["close"] ** 2, rng.normal(size=len(data["close"]))])
    x = (x - x.mean(0)) / x.std(0)
    w, v = np.linalg.eigh(np.cov(x.T))
    order = np.argsort(w)[::-1]
    return {"explained": w[order] / w.sum(), "loadings": np.abs(v[:, order[:2]])}
""",
        {
            "explained": [0.6754871573275266, 0.31430740855302614, 0.010205434119447281],
            "loadings": [
                [0.6890545346535049, 0.15445430793648468],
                [0.6873276384074105, 0.17045818570724008],
                [0.22974891894138147, 0.9731843986035008],
            ],
        },
    ),
    "pairs": (
        """
def compute(data, params):
    y = pd.Series(data["close"]) + np.sin(np.arange(len(data["close"])))
    x = pd.Series(data["close"])
    X = np.c_[np.ones(len(x)), x]
    beta, *_ = np.linalg.lstsq(X, y, rcond=None)
    resid = y - X @ beta
    z = (resid - resid.rolling(20).mean()) / resid.rolling(20).std()
    lag = resid.shift(1).dropna()
    d = resid.diff().dropna()
    theta = np.polyfit(lag, d, 1)[0]
    half = -np.log(2) / theta if theta < 0 else np.inf
    return {"beta": beta, "z": z.iloc[-1], "half_life": half, "signal": int(np.select([z.iloc[-1] > 2, z.iloc[-1] < -2], [-1, 1], 0))}
""",
        {
            "beta": [0.02570590925253419, 1.000216931557148],
            "z": 0.8230291194805035,
            "half_life": 1.5406612590895996,
            "signal": 0,
        },
    ),
    "kmeans": (
        """
def compute(data, params):
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 1, 30), rng.normal(10, 1, 30)])[:, None]
    c = x[rng.choice(len(x), 2, replace=False)]
    for it in range(50):
        lab = np.argmin(((x[:, None, :] - c[None]) ** 2).sum(-1), axis=1)
        new = np.array([x[lab == k].mean(0) if (lab == k).any() else c[k] for k in range(2)])
        if np.allclose(new, c):
            break
        c = new
    return sorted(c.ravel().tolist())
""",
        [-0.06610335892774025, 9.968371860884467],
    ),
    "newton_iv": (
        """
import math
from functools import lru_cache

SQRT2PI = math.sqrt(2 * math.pi)

@lru_cache(maxsize=1024)
def pdf(x): return math.exp(-x * x / 2) / SQRT2PI
def cdf(x): return 0.5 * math.erfc(-x / math.sqrt(2))

class NoConvergence(ArithmeticError):
    def __init__(self, steps):
        super().__init__(f"no root after {steps} steps")
        self.steps = steps

def price(s, k, t, r, v):
    d1 = (math.log(s / k) + (r + 0.5 * v * v) * t) / (v * math.sqrt(t))
    return s * cdf(d1) - k * math.exp(-r * t) * cdf(d1 - v * math.sqrt(t)), s * pdf(d1) * math.sqrt(t)

def implied(target, s, k, t, r, *, tol=1e-10, most=50):
    v = 0.2
    for step in range(most):
        p, vega = price(s, k, t, r, v)
        if abs(p - target) < tol:
            return v, step
        if vega < 1e-12:
            raise NoConvergence(step)
        v = max(1e-6, v - (p - target) / vega)
    raise NoConvergence(most)

def compute(data, params):
    out = []
    for k in (80, 100, 130):
        try:
            v, steps = implied(price(100, k, 0.5, 0.02, 0.35)[0], 100, k, 0.5, 0.02)
        except NoConvergence as e:
            out.append(float(e.steps))
        except (ValueError, ZeroDivisionError):
            out.append(None)
        else:
            out.append(round(v, 8))
    return out
""",
        [0.35, 0.35, 0.35],
    ),
    "portfolio": (
        """
def compute(data, params):
    rng = np.random.default_rng(5)
    r = rng.normal(0.001, 0.02, (250, 4)) @ np.diag([1, 2, 0.5, 1])
    mu, cov = r.mean(0), np.cov(r, rowvar=False)
    inv = np.linalg.inv(cov)
    ones = np.ones(4)
    minvar = inv @ ones / (ones @ inv @ ones)
    risk = lambda w: float(np.sqrt(w @ cov @ w) * np.sqrt(252))
    sharpe = mu @ minvar / np.sqrt(minvar @ cov @ minvar) * np.sqrt(252)
    eq = np.cumprod(1 + r @ minvar)
    dd = (eq / np.maximum.accumulate(eq) - 1).min()
    var95 = -np.percentile(r @ minvar, 5)
    return {"w": minvar, "risk": risk(minvar), "sharpe": sharpe, "dd": dd, "var": var95, "cvar": -(r @ minvar)[(r @ minvar) <= -var95].mean()}
""",
        {
            "w": [0.15609093066333812, 0.022375315819616038, 0.6846475806939892, 0.1368861728230566],
            "risk": 0.12617821294204448,
            "sharpe": 1.4054328327877608,
            "dd": -0.07341808998306609,
            "var": 0.012291921991007496,
            "cvar": 0.016174966438012757,
        },
    ),
    "garch": (
        """
def compute(data, params):
    r = np.diff(np.log(data["close"]))
    omega, alpha, beta = 1e-6, 0.1, 0.85
    s2 = np.empty_like(r); s2[0] = r.var()
    for t in range(1, len(r)):
        s2[t] = omega + alpha * r[t-1]**2 + beta * s2[t-1]
    ll = -0.5 * np.sum(np.log(2*np.pi) + np.log(s2) + r**2 / s2)
    return {"vol": np.sqrt(s2[-1] * 252), "ll": ll}
""",
        {"vol": 0.2626607141999885, "ll": 76.61844935156928},
    ),
    "markov": (
        """
from collections import Counter, defaultdict
def compute(data, params):
    moves = ["U" if d > 0 else "D" for d in np.diff(np.sin(data["close"]))]
    trans = defaultdict(Counter)
    for a, b in zip(moves, moves[1:]):
        trans[a][b] += 1
    prob = {f"{a}{b}": n / sum(row.values()) for a, row in trans.items() for b, n in row.items()}
    entropy = -sum(p * math.log2(p) for p in prob.values() if p)
    return prob | {"H": entropy}
""",
        {
            "UD": 0.3448275862068966,
            "UU": 0.6551724137931034,
            "DD": 0.6896551724137931,
            "DU": 0.3103448275862069,
            "H": 1.8229347276679095,
        },
    ),
    "merge_asof_quotes": (
        """
def compute(data, params):
    bars = pd.DataFrame({"t": pd.to_datetime(data["timestamp"], unit="s"), "close": data["close"]})
    quotes = pd.DataFrame({"t": bars["t"].iloc[::7] + pd.Timedelta(seconds=5), "iv": np.linspace(0.1, 0.2, len(bars.iloc[::7]))})
    m = pd.merge_asof(bars, quotes, on="t", direction="backward", tolerance=pd.Timedelta("10min"))
    m["iv"] = m["iv"].ffill().bfill()
    m["bucket"] = pd.cut(m["close"], bins=[-np.inf, 20, 40, np.inf], labels=["lo", "mid", "hi"])
    m["q"] = pd.qcut(m["close"], 4, labels=False)
    by = m.groupby("bucket", observed=True)["iv"].mean()
    return {"iv": by.to_numpy(), "q": m["q"].value_counts().sort_index().tolist(), "last": m.loc[m.index[-1], "iv"]}
""",
        {
            "iv": [0.11062500000000001, 0.14562500000000003, 0.18125000000000005],
            "q": [15.0, 15.0, 15.0, 15.0],
            "last": 0.2,
        },
    ),
    "multi_symbol_frame": (
        """
def compute(data, params):
    df = pd.concat({"A": pd.Series(data["close"]), "B": pd.Series(data["close"] * 2 + np.cos(data["close"]))}, axis=1)
    rets = df.pct_change().dropna()
    long = rets.stack().rename("ret").reset_index()
    long.columns = ["t", "sym", "ret"]
    stats = long.groupby("sym")["ret"].agg(mean="mean", sd="std", n="count")
    stats["sharpe"] = stats["mean"] / stats["sd"]
    ranked = stats.sort_values("sharpe", ascending=False)
    wide = long.pivot_table(index="t", columns="sym", values="ret")
    corr = wide.corr().loc["A", "B"]
    roll = wide["A"].rolling(10).corr(wide["B"]).iloc[-1]
    return {"best": float(ranked.index[0] == "A"), "corr": corr, "roll": roll, "n": ranked["n"].to_list(), "beta": wide.cov().loc["A", "B"] / wide["B"].var()}
""",
        {
            "best": 0.0,
            "corr": 0.8265900114198858,
            "roll": 0.09417744128855773,
            "n": [59.0, 59.0],
            "beta": 1.1728121597121772,
        },
    ),
}
