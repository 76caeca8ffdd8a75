"""Measure users' functions in the sandbox: a warm call, and 1,000 instruments through one function.

python -m bench.functions
"""

import os
import time

import numpy as np

from signals.functions.core.registry import INTERNAL, complete
from signals.functions.running import run_internal, unavailable
from signals.functions.samples import sample_bars
from signals.functions.sandbox.process import FunctionProcess, Limits
from signals.functions.sandbox.starter import Zygote

INSTRUMENTS, BARS = 1_000, 500
MOST_WARM_US, MOST_BATCH_MS = 300.0, 250.0
SOURCE = """
def compute(data, params):
    close = data["close"]
    n = params["length"]
    mean = np.convolve(close, np.ones(n) / n, "valid")
    deviation = float(close[-n:].std())
    return {"mean": float(mean[-1]), "score": (float(close[-1]) - float(mean[-1])) / deviation}
"""


def warm_call_us(process: FunctionProcess, data: dict[str, np.ndarray]) -> float:
    """Return the median of warm calls, one at a time: columns out, the result back."""
    taken = []
    for _ in range(3_000):
        begun = time.perf_counter()
        outcome = process.call(data, {"length": 20})
        taken.append(time.perf_counter() - begun)
        assert outcome.error is None, outcome.reason
    return float(np.median(taken)) * 1e6


def batch_seconds(process: FunctionProcess, data: dict[str, np.ndarray]) -> float:
    """Return the best of some runs of all instruments, each with columns of its own, through one function."""
    calls = [{name: column * (1 + place / 1e4) for name, column in data.items()} for place in range(INSTRUMENTS)]
    best = np.inf
    for _ in range(7):
        begun = time.perf_counter()
        outcomes = list(process.call_many(calls, {"length": 20}))
        best = min(best, time.perf_counter() - begun)
        assert len(outcomes) == INSTRUMENTS and all(each.error is None for each in outcomes)
    return best


def run() -> dict[str, float]:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "signalsite.settings")
    if reason := unavailable():
        print(f"functions of users do not run here: {reason}")
        return {}
    data = sample_bars(BARS)
    begun = time.perf_counter()
    zygote = Zygote()
    started = time.perf_counter()
    with FunctionProcess(SOURCE, Limits(), zygote) as process:
        forked = time.perf_counter()
        warm, batch = warm_call_us(process, data), batch_seconds(process, data)
    zygote.close()
    layers = zygote.layers
    print(f"the sandbox: user {layers.uid}, Landlock {layers.landlock}, namespaces {layers.namespaces}")
    first, own = 1e3 * (started - begun), 1e3 * (forked - started)
    print(f"start of the first process {first:.0f} ms, of a function's {own:.0f} ms")
    print(f"a warm call of {BARS} bars: {warm:.0f} us ({_verdict(warm <= MOST_WARM_US)}, at most {MOST_WARM_US:.0f})")
    print(
        f"{INSTRUMENTS:,} instruments of {BARS} bars: {1e3 * batch:.0f} ms "
        f"({_verdict(1e3 * batch <= MOST_BATCH_MS)}, at most {MOST_BATCH_MS:.0f})"
    )
    ours = {name: _internal_us(name, data) for name in INTERNAL}
    print(f"internal functions: {min(ours.values()):.0f} to {max(ours.values()):.0f} us a call of {BARS} bars")
    return {
        "functions.warm_call_us": warm,
        "functions.us_per_instrument": 1e6 * batch / INSTRUMENTS,
        "functions.internal_us": max(ours.values()),
    }


def _internal_us(name: str, data: dict[str, np.ndarray]) -> float:
    function = INTERNAL[name]
    params, columns = complete(function, {}, "params"), {**data, "benchmark": data["close"][::-1]}
    begun = time.perf_counter()
    for _ in range(50):
        run_internal(function, columns, params)
    return (time.perf_counter() - begun) / 50 * 1e6


def _verdict(good: bool) -> str:
    return "as required" if good else "TOO SLOW"


if __name__ == "__main__":
    run()
