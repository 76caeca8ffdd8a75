# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, attr-defined"
"""The compiled entry points for American options: values at a volatility, and the volatility of a value.

Inputs are those of kernel_american.py, one element for each option; `american.py` prepares them. `result` has the rows
f, f_lm, f_lm_lm, f_s, f_ab and 1.0 where exercise is due; `american_implied` puts s in front.

Volatility: Newton's method on f(s) = target with the exact slope, inside a bracket. Each step moves the boundary along
its tangent first, so a few iterations settle it. An option that has converged rests until its block has.
"""

import math

import numpy as np

from .kernel_american import (
    DA,
    DB,
    FS,
    HS,
    LANES,
    LEFT,
    LM,
    NODES,
    ONCE,
    RS,
    SCRATCH,
    SMALLEST,
    A,
    B,
    F,
    H,
    S,
    guess_block,
    iterate_block,
    price_block,
)
from .kernel_compile import block, cached_entry

GROUP = 8  # doubles in one AVX-512 register
MOST_STEPS = 60
FAR = 0.1  # a step of s after which the boundary is iterated as often as from the first guess
NEAR = 1e-6  # relative: the step that ends the search
FLAT = 1e-14

_V = "f8[::1]"
_TABLES = "i8, i8, f8[::1], f8[::1], f8[::1], f8[:,:,::1], f8[::1], f8[::1], f8[:,::1]"


@block
def load_block(first, count, lanes, lm, a, b, da, db, scratch):  # pragma: no cover - compiled
    """Copy options into the scratch rows. The last one is repeated up to `lanes`."""
    for i in range(lanes):
        at = first + min(i, count - 1)
        scratch[LM + i] = lm[at]
        scratch[A + i] = a[at]
        scratch[B + i] = b[at]
        scratch[DA + i] = da[at]
        scratch[DB + i] = db[at]


@block
def keep_block(first, count, row, result, scratch):  # pragma: no cover - compiled
    for each in range(6):
        for i in range(count):
            result[row + each, first + i] = scratch[F + each * LANES + i]


@block
def move_block(lanes, new, done, scratch):  # pragma: no cover - compiled
    """Move s to `new` and the boundary along its tangent, for the options that are not done."""
    for j in range(NODES):
        for i in range(lanes):
            h = scratch[H + j * LANES + i]
            moved = h + scratch[HS + j * LANES + i] * (new[i] - scratch[S + i])
            scratch[H + j * LANES + i] = h if done[i] > 0.0 else min(max(moved, 0.25 * h), 4.0 * h)
    for i in range(lanes):
        s = scratch[S + i] if done[i] > 0.0 else new[i]
        scratch[S + i] = s
        scratch[RS + i] = 1.0 / s


@block
def step_from(f, slope, target, lm):  # pragma: no cover - compiled
    """Newton's step, NaN if there is none: out of the money for the logarithm of the value, which bends less."""
    if lm > 0.0:
        return math.log(f / target) * f / slope if slope > SMALLEST and f > SMALLEST else math.nan
    return (f - target) / slope if slope > FLAT else math.nan


@cached_entry(f"void({_V}, {_V}, {_V}, {_V}, {_V}, {_V}, {_TABLES}, f8[:,::1])")
def american_model(
    s, lm, a, b, da, db, cold, warm, node_root, share, weight, boundary, price_share, price_weight, price, result
):  # pragma: no cover - compiled
    scratch = np.zeros(SCRATCH)
    n = s.shape[0]
    for first in range(0, n, LANES):
        count = min(LANES, n - first)
        lanes = (count + GROUP - 1) // GROUP * GROUP
        load_block(first, count, lanes, lm, a, b, da, db, scratch)
        for i in range(lanes):
            scratch[S + i] = s[first + min(i, count - 1)]
            scratch[LEFT + i] = cold
        guess_block(lanes, node_root, scratch)
        for _ in range(cold):
            iterate_block(lanes, node_root, share, weight, boundary, scratch)
        price_block(lanes, price_share, price_weight, price, scratch)
        keep_block(first, count, 0, result, scratch)


@cached_entry(f"void({_V}, {_V}, {_V}, {_V}, {_V}, {_V}, {_V}, {_V}, {_V}, {_TABLES}, f8[:,::1], u1[::1])")
def american_implied(
    target,
    start,
    lowest,
    highest,
    lm,
    a,
    b,
    da,
    db,
    cold,
    warm,
    node_root,
    share,
    weight,
    boundary,
    price_share,
    price_weight,
    price,
    result,
    converged,
):  # pragma: no cover - compiled
    """`converged` is 1 where the last step was smaller than NEAR. `lowest` and `highest` bracket s; inf is allowed."""
    scratch = np.zeros(SCRATCH)
    low, high, new, done = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.zeros(LANES)
    n = target.shape[0]
    for first in range(0, n, LANES):
        count = min(LANES, n - first)
        lanes = (count + GROUP - 1) // GROUP * GROUP
        load_block(first, count, lanes, lm, a, b, da, db, scratch)
        for i in range(lanes):
            at = first + min(i, count - 1)
            low[i], high[i], scratch[S + i], done[i] = lowest[at], highest[at], start[at], 0.0
            new[i], scratch[LEFT + i] = start[at], cold
        guess_block(lanes, node_root, scratch)
        iterations = cold
        for _ in range(MOST_STEPS):
            for _ in range(iterations):
                iterate_block(lanes, node_root, share, weight, boundary, scratch)
            price_block(lanes, price_share, price_weight, price, scratch)
            waiting = 0
            iterations = 0
            for i in range(lanes):
                if done[i] > 0.0:
                    continue
                s = scratch[S + i]
                over = scratch[F + i] - target[first + min(i, count - 1)]
                if over > 0.0:
                    high[i] = min(high[i], s)
                else:
                    low[i] = max(low[i], s)
                moved = s - step_from(
                    scratch[F + i], scratch[FS + i], target[first + min(i, count - 1)], scratch[LM + i]
                )
                if scratch[ONCE + i] > 0.0:
                    moved = math.nan
                if not low[i] < moved < high[i]:
                    if abs(moved - s) <= NEAR * s:  # a bracket that has closed: the boundary still settles
                        moved = s
                    elif high[i] < math.inf:
                        moved = math.sqrt(max(low[i], 0.1 * high[i]) * high[i])
                    else:
                        moved = 2.0 * s
                step = abs(moved - s) / s
                new[i] = moved
                if step <= NEAR:
                    done[i] = 1.0
                    scratch[LEFT + i] = 0.0
                    continue
                waiting += 1
                wanted = cold if step > FAR else warm
                scratch[LEFT + i] = wanted
                iterations = max(iterations, wanted)
            if waiting == 0:
                break
            move_block(lanes, new, done, scratch)
        keep_block(first, count, 1, result, scratch)
        for i in range(count):
            result[0, first + i] = new[i]
            converged[first + i] = done[i] > 0.0
