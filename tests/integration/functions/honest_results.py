"""What functions do with columns, and what they return. Each gives what is noted beside it for closes 1 to 60."""

RESULTS = {
    "mean": (
        """
def compute(data, params):
    return np.mean(data['close'])
""",
        30.5,
    ),
    "python_float": (
        """
def compute(data, params):
    return sum(data['close']) / len(data['close'])
""",
        30.5,
    ),
    "a_list": (
        """
def compute(data, params):
    return [x * 2 for x in data['close'][:3]]
""",
        [2.0, 4.0, 6.0],
    ),
    "an_array": (
        """
def compute(data, params):
    return data['close'][:2] + params['shift']
""",
        [6.0, 7.0],
    ),
    "a_series": (
        """
def compute(data, params):
    return pd.Series(data['close']).rolling(2).mean()[:3]
""",
        [None, 1.5, 2.5],
    ),
    "a_dict": (
        """
def compute(data, params):
    c = data['close']
    return {'last': c[-1], 'two': c[:2], 'n': len(c), 'none': None}
""",
        {"last": 60.0, "two": [1.0, 2.0], "n": 60, "none": None},
    ),
    "nan_is_null": (
        """
def compute(data, params):
    return {'x': np.nan, 'y': [1.0, float('nan')]}
""",
        {"x": None, "y": [1.0, None]},
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
    "a_frame": (
        """
def compute(data, params):
    return pd.DataFrame({'a': [1, 2], 'b': [3.0, None]})
""",
        {"a": [1.0, 2.0], "b": [3.0, None]},
    ),
    "odd_numbers": (
        """
def compute(data, params):
    return {"r": range(3), "l": np.longdouble(1.5), "z": np.array(2.0), "m": pd.array([1, None], dtype="Int64")}
""",
        {"r": [0.0, 1.0, 2.0], "l": 1.5, "z": 2.0, "m": [1.0, None]},
    ),
    "nothing": (
        """
def compute(data, params):
    return None
""",
        None,
    ),
    "infinite_is_null": (
        """
def compute(data, params):
    return [float('inf'), 1.0]
""",
        [None, 1.0],
    ),
    "of_bools": (
        """
def compute(data, params):
    return data['close'][:2] > 1
""",
        [0.0, 1.0],
    ),
    "sum_of_params": (
        """
def compute(data, params):
    return sum(params['levels']) + params['nested']['k']
""",
        10,
    ),
    "tuple_result": (
        """
def compute(data, params): return (1.0, 2.0)
""",
        [1.0, 2.0],
    ),
    "np_scalar_results": (
        """
def compute(data, params):
    return {"f32": np.float32(1.5), "i": np.int64(3), "b": np.bool_(True), "nan": np.float64("nan"), "u8": np.uint8(3), "dict_arr": np.array([1, 2], dtype=np.int32), "boolarr": np.array([True, False]), "empty": [], "big": 10**20, "neg": -0.0, "none": None, "list_none": [None, 1, True], "tup": (1, np.float64(2))}
""",
        {
            "f32": 1.5,
            "i": 3,
            "b": True,
            "nan": None,
            "u8": 3,
            "dict_arr": [1.0, 2.0],
            "boolarr": [1.0, 0.0],
            "empty": [],
            "big": 1e20,
            "neg": -0.0,
            "none": None,
            "list_none": [None, 1.0, 1.0],
            "tup": [1.0, 2.0],
        },
    ),
    "datetime64_result": (
        """
def compute(data, params):
    return pd.Series([1.0, 2.0], index=pd.to_datetime(["2026-01-01", "2026-01-02"]))
""",
        [1.0, 2.0],
    ),
    "set_result": (
        """
def compute(data, params): return {"a": sorted({3, 1})}
""",
        {"a": [1.0, 3.0]},
    ),
    "keys_dot": (
        """
def compute(data, params): return {"ema.20": 1, "a b": 2, "é": 3, "x-y": 4}
""",
        {"ema.20": 1, "a b": 2, "é": 3, "x-y": 4},
    ),
    "int_keys_result": (
        """
def compute(data, params): return {n: float(data["close"][-n:].mean()) for n in (5, 10)}
""",
        {"5": 58.0, "10": 55.5},
    ),
    "compute_lambda": (
        """
compute = lambda data, params: data["close"].sum()
""",
        1830.0,
    ),
    "compute_callable_object": (
        """
class F:
    def __call__(self, data, params): return 1
compute = F()
""",
        1,
    ),
    "compute_defaults": (
        """
def compute(data, params=None, *, n=3): return n
""",
        3,
    ),
    "compute_kwargs": (
        """
def compute(*args, **kw): return len(args)
""",
        2,
    ),
    "partial_compute": (
        """
from functools import partial
def _c(n, data, params): return n
compute = partial(_c, 4)
""",
        4,
    ),
    "decorated_compute": (
        """
def deco(f):
    def g(data, params): return f(data, params) + 1
    return g
@deco
def compute(data, params): return 1
""",
        2,
    ),
    "slices": (
        """
def compute(data, params):
    x = list(range(10))
    x[2:4] = [20, 30, 40]
    x[::2] = [0] * len(x[::2])
    del x[-1]
    x[1:3] += [7]
    del x[0:2]
    a = np.arange(10.0)
    a[a > 5] = 0
    a[1:3] *= 10
    a[::-1][0] += 3
    b = np.arange(12).reshape(3, 4)
    b[1, :] = 0
    b[:, 1] -= 1
    b[[0, 2], 0] = 9
    return {"x": x, "a": a, "b": b, "c": b[..., -1], "d": b[b > 5], "e": a[None, :].shape[0]}
""",
        {
            "x": [0.0, 7.0, 30.0, 0.0, 4.0, 0.0, 6.0, 0.0, 8.0],
            "a": [0.0, 10.0, 20.0, 3.0, 4.0, 5.0, 0.0, 0.0, 0.0, 3.0],
            "b": [[9.0, 0.0, 2.0, 3.0], [0.0, -1.0, 0.0, 0.0], [9.0, 8.0, 10.0, 11.0]],
            "c": [3.0, 0.0, 11.0],
            "d": [9.0, 9.0, 8.0, 10.0, 11.0],
            "e": 1,
        },
    ),
}
