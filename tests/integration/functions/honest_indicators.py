"""Indicators as users write them. Each gives what is noted beside it for closes 1 to 60."""

INDICATORS = {
    "supertrend": (
        """
import numpy as np
import pandas as pd

def true_range(df: pd.DataFrame) -> pd.Series:
    prev = df["close"].shift(1)
    return pd.concat([df["high"] - df["low"], (df["high"] - prev).abs(), (df["low"] - prev).abs()], axis=1).max(axis=1)

def compute(data, params):
    df = pd.DataFrame({k: data[k] for k in ("open", "high", "low", "close", "volume")})
    n, mult = params.get("n", 10), params.get("mult", 3.0)
    atr = true_range(df).ewm(alpha=1 / n, adjust=False).mean()
    hl2 = (df.high + df.low) / 2
    upper, lower = (hl2 + mult * atr).to_numpy(), (hl2 - mult * atr).to_numpy()
    close = df.close.to_numpy()
    trend = np.ones(len(df), dtype=int)
    for i in range(1, len(df)):
        if close[i] > upper[i - 1]:
            trend[i] = 1
        elif close[i] < lower[i - 1]:
            trend[i] = -1
        else:
            trend[i] = trend[i - 1]
            if trend[i] > 0 and lower[i] < lower[i - 1]:
                lower[i] = lower[i - 1]
            if trend[i] < 0 and upper[i] > upper[i - 1]:
                upper[i] = upper[i - 1]
    line = np.where(trend > 0, lower, upper)
    return {"line": line[-5:], "trend": trend[-5:], "atr": float(atr.iloc[-1])}
""",
        {
            "line": [53.00912975816651, 54.00821678234986, 55.00739510411488, 56.006655593703385, 57.005990034333045],
            "trend": [1.0, 1.0, 1.0, 1.0, 1.0],
            "atr": 0.998003321888984,
        },
    ),
    "kalman": (
        '''
class Kalman1D:
    """Local level model."""
    def __init__(self, q: float, r: float):
        self.q, self.r = q, r
        self.x = None
        self.p = 1.0

    def step(self, z: float) -> float:
        if self.x is None:
            self.x = z
        self.p += self.q
        k = self.p / (self.p + self.r)
        self.x += k * (z - self.x)
        self.p *= 1 - k
        return self.x

def compute(data, params):
    kf = Kalman1D(q=1e-3, r=0.5)
    return np.fromiter((kf.step(z) for z in data["close"]), dtype=float, count=len(data["close"]))[-3:]
''',
        [39.18323891162122, 40.05858099039776, 40.938676667648046],
    ),
    "session_vwap": (
        """
def compute(data, params):
    df = pd.DataFrame(data)
    df.index = pd.to_datetime(df.pop("timestamp"), unit="s", utc=True).dt.tz_convert("Asia/Kolkata")
    df["session"] = df.index.date
    df["tp"] = df[["high", "low", "close"]].mean(axis=1)
    g = df.groupby("session", group_keys=False)
    df["vwap"] = (df.tp * df.volume).groupby(df.session).cumsum() / g["volume"].cumsum()
    bars = df.resample("15min", label="right", closed="right").agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}).dropna()
    first = df.between_time("05:30", "05:45")["high"].max()
    return {"vwap": df["vwap"].iloc[-1], "bars": len(bars), "hi": bars["high"].iloc[1], "first": first, "weekday": int(df.index.dayofweek[0])}
""",
        {"vwap": 30.5, "bars": 5, "hi": 16.0, "first": 16.0, "weekday": 3},
    ),
    "heikin_ashi": (
        """
def compute(data, params):
    o, h, l, c = (data[k].copy() for k in ("open", "high", "low", "close"))
    hc = (o + h + l + c) / 4
    ho = np.empty_like(o)
    ho[0] = (o[0] + c[0]) / 2
    for i in range(1, o.size):
        ho[i] = (ho[i - 1] + hc[i - 1]) / 2
    return pd.DataFrame({"open": ho, "high": np.maximum.reduce([h, ho, hc]), "low": np.minimum.reduce([l, ho, hc]), "close": hc}).tail(3)
""",
        {
            "open": [56.0, 57.0, 58.0],
            "high": [58.0, 59.0, 60.0],
            "low": [56.0, 57.0, 58.0],
            "close": [58.0, 59.0, 60.0],
        },
    ),
    "atr_trailing": (
        """
def compute(data, params):
    h, l, c = map(np.asarray, (data["high"] + 1, data["low"] - 1, data["close"]))
    pc = np.r_[np.nan, c[:-1]]
    tr = np.nanmax(np.vstack([h - l, np.abs(h - pc), np.abs(l - pc)]), axis=0)
    def wilder(x, n):
        out = np.full_like(x, np.nan)
        out[n - 1] = x[:n].mean()
        for i in range(n, x.size):
            out[i] = (out[i - 1] * (n - 1) + x[i]) / n
        return out
    atr = wilder(tr, 14)
    stop = c - 2 * atr
    trail = pd.Series(stop).cummax()
    return {"stop": trail[-3:], "atr": atr[-1], "hit": bool((c < trail.to_numpy()).any())}
""",
        {"stop": [54.0, 55.0, 56.0], "atr": 2.0, "hit": False},
    ),
    "rolling_regression": (
        """
def compute(data, params):
    y = data["close"] ** 1.1
    n = 10
    w = np.lib.stride_tricks.sliding_window_view(y, n)
    t = np.arange(n) - (n - 1) / 2
    slope = (w * t).sum(1) / (t**2).sum()
    r2 = np.array([np.corrcoef(t, row)[0, 1] ** 2 for row in w])
    out = np.full((y.size, 2), np.nan)
    out[n - 1:, 0] = slope
    out[n - 1:, 1] = r2
    return {"slope": out[-3:, 0], "r2": out[-3:, 1]}
""",
        {
            "slope": [1.6375503554119921, 1.640590347662064, 1.6435803913120957],
            "r2": [0.9999943966819194, 0.9999946008896644, 0.9999947941262814],
        },
    ),
    "volume_profile": (
        """
def compute(data, params):
    price, vol = data["close"], data["volume"]
    hist, edges = np.histogram(price, bins=12, weights=vol)
    poc = edges[hist.argmax()]
    order = np.argsort(hist)[::-1]
    cum = np.cumsum(hist[order])
    area = np.sort(order[: np.searchsorted(cum, 0.7 * cum[-1]) + 1])
    return {"poc": poc, "val": edges[area[0]], "vah": edges[area[-1] + 1]}
""",
        {"poc": 1.0, "val": 15.75, "vah": 60.0},
    ),
    "fft_cycle": (
        """
def compute(data, params):
    n = np.arange(64)
    x = np.sin(2 * np.pi * n / 16)
    spec = np.abs(np.fft.rfft(x - x.mean()))
    f = np.fft.rfftfreq(x.size)
    k = int(spec[1:].argmax()) + 1
    return {"period": 1 / f[k], "power": (spec ** 2).sum()}
""",
        {"period": 16.0, "power": 1024.0},
    ),
    "hurst": (
        """
def compute(data, params):
    x = np.log(data["close"])
    lags = range(2, 20)
    tau = [np.sqrt(np.std(np.subtract(x[lag:], x[:-lag]))) for lag in lags]
    return np.polyfit(np.log(list(lags)), np.log(tau), 1)[0] * 2.0
""",
        0.5053052447494504,
    ),
}
