# mypy: disable-error-code="no-untyped-def, no-untyped-call, call-arg, attr-defined"
"""American options: the exercise boundary, the price and its derivatives, for blocks of options without branches.

After Andersen, Lake and Offengenden, "High Performance American Option Pricing" (2016), with the tangents our own. A
call is a put with spot and strike, and r and q, exchanged (McDonald and Schroder 1998), so there are only puts here,
with K = 1, a = rT, b = qT, s = sigma sqrt(T), lm = ln(S/K) and time in units of T. With B(u) the boundary at time u to
expiry, B(0) = X = min(1, a/b) if b > a, else 1, and Phi, phi the normal distribution and density:

    d(v, y) = (ln y + (a-b) v) / (s sqrt v) +- s sqrt(v) / 2
    B(u) = exp(-(a-b) u) N / D
    N = Phi(d-(u, B(u)))  + a int_0^u exp(a w) Phi(d-(u-w, B(u)/B(w))) dw
    D = Phi(d+(u, B(u)))  + b int_0^u exp(b w) Phi(d+(u-w, B(u)/B(w))) dw
    f = European put + int_0^1 [a exp(-a v) Phi(-d-(v, S/B(1-v))) - b S exp(-b v) Phi(-d+(v, S/B(1-v)))] dv

B = X exp(-sqrt(H)), and H is interpolated by Chebyshev in sqrt(u). The first two lines are iterated: the error of a
boundary that is shifted as a whole vanishes in one step, so plain iteration converges fast.

Tangents. H has derivatives in two directions, s and (a, b) along (da, db), which follow the same iteration and end in
vega and rho. Delta and gamma differentiate the last line; the boundary does not depend on the spot. Near the boundary
their integrands are narrow, like phi(c/g), g = sqrt(v), c = ln(S/B(1))/s: that part is integrated in closed form.
"""

import math

from .kernel_american_tables import NODES
from .kernel_compile import block, full_width_vectors, inlined
from .kernel_math import INV_SQRT_2PI, SQRT_HALF, erfcx, exp, log

LANES = 32  # options per block

# Rows of the scratch array, as in kernel_iv.py.
LM, S, RS, A, B, DA, DB, END, DEND = (LANES * row for row in range(9))
G, GS, GR, N, D, NS, DS, NR, DR = (LANES * row for row in range(9, 18))
F, FL, FLL, FS, FR, ONCE, FIRST, SECOND = (LANES * row for row in range(18, 26))
LEFT = 26 * LANES  # iterations that an option still gets: what it gets does not depend on its neighbours
H = 27 * LANES
HS = H + NODES * LANES
HR = HS + NODES * LANES
NEXT = HR + NODES * LANES
SCRATCH = NEXT + 3 * NODES * LANES

TINY = 1e-8  # ln(X/B) below it counts as zero: interpolation leaves noise of either sign there
SMALLEST = 1e-290
LARGEST_SQUARE = 1400.0


@inlined
def bell_of(d):  # pragma: no cover - compiled
    return exp(-0.5 * min(d * d, LARGEST_SQUARE))


@inlined
def phi_of(d, bell):  # pragma: no cover - compiled
    """Phi(d); bell is exp(-d^2/2)."""
    tail = 0.5 * bell * erfcx(min(abs(d) * SQRT_HALF, 1e100))
    return 1.0 - tail if d >= 0.0 else tail


@block
def guess_block(lanes, node_root, scratch):  # pragma: no cover - compiled
    """H from the quadratic approximation of Barone-Adesi and Whaley: three Newton steps at each node."""
    full_width_vectors()
    for i in range(lanes):
        a, b = scratch[A + i], scratch[B + i]
        over = b > a
        scratch[END + i] = log(max(a, SMALLEST) / b) if over else 0.0
        scratch[DEND + i] = scratch[DA + i] / a - scratch[DB + i] / b if over else 0.0
        scratch[RS + i] = 1.0 / scratch[S + i]
    for j in range(NODES):
        root = node_root[j]
        tau = root * root
        at = H + j * LANES
        for i in range(lanes):
            a, b, s = scratch[A + i], scratch[B + i], scratch[S + i]
            variance = scratch[RS + i] * scratch[RS + i]
            m = 2.0 * a * variance
            n = 1.0 - 2.0 * (a - b) * variance
            decay = exp(-a * tau)
            used = 1.0 - decay if a * tau > 1e-5 else a * tau * (1.0 - 0.5 * a * tau)
            inverse = 2.0 / (n - math.sqrt(n * n + 4.0 * m / used))
            far = 0.5 * (n - math.sqrt(n * n + 4.0 * m))
            perpetual = far / (far - 1.0)
            st = s * root
            inverse_st = 1.0 / st
            hint = min(((a - b) * tau - 2.0 * st) / (1.0 - perpetual), 0.0)
            highest = exp(scratch[END + i])
            held = exp(-b * tau)
            x = min(perpetual + (1.0 - perpetual) * exp(hint), highest)
            for _ in range(3):
                d1 = (log(x) + (a - b) * tau) * inverse_st + 0.5 * st
                d2 = d1 - st
                bell = bell_of(d1)
                kept = 1.0 - held * phi_of(-d1, bell)
                f = 1.0 - x * kept - decay * phi_of(-d2, bell_of(d2)) + kept * x * inverse
                slope = -kept + (kept + held * bell * INV_SQRT_2PI * inverse_st) * inverse
                x = min(max(x - f / slope, 0.3 * x), highest)
            distance = log(x) - scratch[END + i]
            scratch[at + i] = distance * distance
            scratch[at + (HS - H) + i] = 0.0
            scratch[at + (HR - H) + i] = 0.0


@block
def iterate_block(lanes, node_root, share, weight, boundary, scratch):  # pragma: no cover - compiled
    """One iteration of H and its tangents, for the options with iterations LEFT."""
    full_width_vectors()
    for j in range(NODES):
        root = node_root[j]
        tau = root * root
        at = H + j * LANES
        for i in range(lanes):
            rs = scratch[RS + i]
            carry = scratch[A + i] - scratch[B + i]
            h = scratch[at + i]
            g = -math.sqrt(max(h, TINY * TINY))
            half = 0.5 / g if h > TINY * TINY else 0.0
            gs = scratch[at + (HS - H) + i] * half
            gr = scratch[at + (HR - H) + i] * half
            st = scratch[S + i] * root
            inverse = rs / root
            x = (scratch[END + i] + g + carry * tau) * inverse
            d1 = x + 0.5 * st
            d2 = x - 0.5 * st
            bell_1 = bell_of(d1)
            bell_2 = bell_of(d2)
            xs = gs * inverse - x * rs
            xr = (scratch[DEND + i] + gr + (scratch[DA + i] - scratch[DB + i]) * tau) * inverse
            scratch[G + i] = g
            scratch[GS + i] = gs
            scratch[GR + i] = gr
            scratch[N + i] = phi_of(d2, bell_2)
            scratch[D + i] = phi_of(d1, bell_1)
            scratch[NS + i] = INV_SQRT_2PI * bell_2 * (xs - 0.5 * root)
            scratch[DS + i] = INV_SQRT_2PI * bell_1 * (xs + 0.5 * root)
            scratch[NR + i] = INV_SQRT_2PI * bell_2 * xr
            scratch[DR + i] = INV_SQRT_2PI * bell_1 * xr
        for k in range(share.shape[0]):
            rv = root * share[k]
            v = rv * rv
            u = tau - v
            wt = tau * weight[k]
            inverse_rv = 1.0 / rv
            row = boundary[j, k]
            w0, w1, w2, w3, w4 = row[0], row[1], row[2], row[3], row[4]
            w5, w6, w7, w8, w9 = row[5], row[6], row[7], row[8], row[9]
            for i in range(lanes):
                hu = weighted(scratch, H + i, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9)
                hsu = weighted(scratch, HS + i, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9)
                hru = weighted(scratch, HR + i, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9)
                a, b, rs = scratch[A + i], scratch[B + i], scratch[RS + i]
                da, db = scratch[DA + i], scratch[DB + i]
                gu = -math.sqrt(max(hu, TINY * TINY))
                half = 0.5 / gu if hu > TINY * TINY else 0.0
                sv = scratch[S + i] * rv
                inverse = rs * inverse_rv
                x = (scratch[G + i] - gu + (a - b) * v) * inverse
                d1 = x + 0.5 * sv
                d2 = x - 0.5 * sv
                bell_1 = bell_of(d1)
                bell_2 = bell_of(d2)
                n2 = phi_of(d2, bell_2)
                n1 = phi_of(d1, bell_1)
                xs = (scratch[GS + i] - hsu * half) * inverse - x * rs
                xr = (scratch[GR + i] - hru * half + (da - db) * v) * inverse
                ea = exp(a * u) * wt
                eb = exp(b * u) * wt
                pa = a * ea * INV_SQRT_2PI * bell_2
                pb = b * eb * INV_SQRT_2PI * bell_1
                scratch[N + i] += a * ea * n2
                scratch[D + i] += b * eb * n1
                scratch[NS + i] += pa * (xs - 0.5 * rv)
                scratch[DS + i] += pb * (xs + 0.5 * rv)
                scratch[NR + i] += da * (1.0 + a * u) * ea * n2 + pa * xr
                scratch[DR + i] += db * (1.0 + b * u) * eb * n1 + pb * xr
        to = NEXT + j * LANES
        for i in range(lanes):
            n = max(scratch[N + i], SMALLEST)
            d = max(scratch[D + i], SMALLEST)
            carry = scratch[A + i] - scratch[B + i]
            turned = scratch[DA + i] - scratch[DB + i]
            g = min(log(n) - log(d) - carry * tau - scratch[END + i], -TINY)
            g = max(g, -300.0)
            gs = scratch[NS + i] / n - scratch[DS + i] / d
            gr = scratch[NR + i] / n - scratch[DR + i] / d - turned * tau - scratch[DEND + i]
            scratch[to + i] = g * g
            scratch[to + NODES * LANES + i] = 2.0 * g * gs
            scratch[to + 2 * NODES * LANES + i] = 2.0 * g * gr
    for j in range(3 * NODES):
        for i in range(lanes):
            kept = scratch[H + j * LANES + i]
            scratch[H + j * LANES + i] = scratch[NEXT + j * LANES + i] if scratch[LEFT + i] > 0.0 else kept
    for i in range(lanes):
        scratch[LEFT + i] -= 1.0


@inlined
def weighted(scratch, at, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9):  # pragma: no cover - compiled
    """The interpolation at one point: two chains of five, so that no multiplier waits."""
    low = w0 * scratch[at] + w1 * scratch[at + LANES] + w2 * scratch[at + 2 * LANES]
    low += w3 * scratch[at + 3 * LANES] + w4 * scratch[at + 4 * LANES]
    high = w5 * scratch[at + 5 * LANES] + w6 * scratch[at + 6 * LANES] + w7 * scratch[at + 7 * LANES]
    high += w8 * scratch[at + 8 * LANES] + w9 * scratch[at + 9 * LANES]
    return low + high


@block
def price_block(lanes, price_share, price_weight, price, scratch):  # pragma: no cover - compiled
    """Rows F (value), FL, FLL (by lm), FS (by s), FR (along da, db), and ONCE: 1.0 where exercise is due now."""
    full_width_vectors()
    for i in range(lanes):
        a, b, s, rs, lm = scratch[A + i], scratch[B + i], scratch[S + i], scratch[RS + i], scratch[LM + i]
        h = scratch[H + i]
        g = -math.sqrt(max(h, TINY * TINY))
        half = 0.5 / g if h > TINY * TINY else 0.0
        c = max(lm - scratch[END + i] - g, 0.0) * rs
        x = (lm + a - b) * rs
        d1 = x + 0.5 * s
        d2 = x - 0.5 * s
        bell_1 = bell_of(d1)
        n1 = phi_of(-d1, bell_1)
        n2 = phi_of(-d2, bell_of(d2))
        ea = exp(-a)
        eb = exp(lm - b)
        scratch[F + i] = ea * n2 - eb * n1
        scratch[FL + i] = -eb * n1
        scratch[FLL + i] = eb * (INV_SQRT_2PI * bell_1 * rs - n1)
        scratch[FS + i] = eb * INV_SQRT_2PI * bell_1
        scratch[FR + i] = -scratch[DA + i] * ea * n2 + scratch[DB + i] * eb * n1
        bell = bell_of(c)
        beyond = phi_of(-c, bell)
        scratch[G + i] = c
        scratch[GS + i] = scratch[HS + i] * half
        scratch[GR + i] = scratch[HR + i] * half
        scratch[FIRST + i] = 2.0 * (INV_SQRT_2PI * bell - c * beyond) * rs
        scratch[SECOND + i] = 2.0 * beyond * rs * rs
        scratch[ONCE + i] = 1.0 if lm <= scratch[END + i] + g else 0.0
    for k in range(price_share.shape[0]):
        rv = price_share[k]
        v = rv * rv
        wt = price_weight[k]
        inverse_rv = 1.0 / rv
        row = price[k]
        w0, w1, w2, w3, w4 = row[0], row[1], row[2], row[3], row[4]
        w5, w6, w7, w8, w9 = row[5], row[6], row[7], row[8], row[9]
        for i in range(lanes):
            hu = weighted(scratch, H + i, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9)
            hsu = weighted(scratch, HS + i, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9)
            hru = weighted(scratch, HR + i, w0, w1, w2, w3, w4, w5, w6, w7, w8, w9)
            a, b, rs, lm = scratch[A + i], scratch[B + i], scratch[RS + i], scratch[LM + i]
            da, db = scratch[DA + i], scratch[DB + i]
            gu = -math.sqrt(max(hu, TINY * TINY))
            half = 0.5 / gu if hu > TINY * TINY else 0.0
            sv = scratch[S + i] * rv
            inverse = rs * inverse_rv
            x = (lm - scratch[END + i] - gu + (a - b) * v) * inverse
            d1 = x + 0.5 * sv
            d2 = x - 0.5 * sv
            bell_1 = bell_of(d1)
            bell_2 = bell_of(d2)
            n1 = phi_of(-d1, bell_1)
            n2 = phi_of(-d2, bell_2)
            p1 = INV_SQRT_2PI * bell_1
            p2 = INV_SQRT_2PI * bell_2
            xs = -hsu * half * inverse - x * rs
            xr = ((da - db) * v - scratch[DEND + i] - hru * half) * inverse
            ea = exp(-a * v) * wt
            eb = exp(lm - b * v) * wt
            narrow = wt * INV_SQRT_2PI * bell_of(scratch[G + i] * inverse_rv) * inverse
            scratch[F + i] += a * ea * n2 - b * eb * n1
            scratch[FL + i] -= a * ea * p2 * inverse + b * eb * (n1 - p1 * inverse)
            second = a * ea * d2 * p2 * inverse * inverse
            scratch[FLL + i] += second - b * eb * (n1 + p1 * inverse * (d1 * inverse - 2.0))
            scratch[FS + i] += b * eb * p1 * (xs + 0.5 * rv) - a * ea * p2 * (xs - 0.5 * rv)
            by_rate = ea * (da * (1.0 - a * v) * n2 - a * p2 * xr)
            scratch[FR + i] += by_rate - eb * (db * (1.0 - b * v) * n1 - b * p1 * xr)
            scratch[FIRST + i] -= narrow
            scratch[SECOND + i] -= narrow * scratch[G + i] * inverse_rv * inverse
    for i in range(lanes):
        spot = exp(scratch[LM + i])
        due = scratch[ONCE + i] == 1.0
        net = scratch[A + i] - scratch[B + i] * spot
        first, second = scratch[FIRST + i], scratch[SECOND + i]
        fl = scratch[FL + i] - net * first
        fll = scratch[FLL + i] + net * second + 2.0 * scratch[B + i] * spot * first
        fs = scratch[FS + i] + net * first * scratch[GS + i]
        fr = scratch[FR + i] + net * first * (scratch[DEND + i] + scratch[GR + i])
        scratch[F + i] = 1.0 - spot if due else max(scratch[F + i], 1.0 - spot)
        scratch[FL + i] = -spot if due else fl
        scratch[FLL + i] = -spot if due else fll
        scratch[FS + i] = 0.0 if due else fs
        scratch[FR + i] = 0.0 if due else fr
