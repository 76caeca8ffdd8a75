"""The numpy twin of kernel_american.py: the same formulas, the library's functions."""

import numpy as np
from scipy.special import ndtr

from signals.greeks.core.kernel_american_tables import NODES, Scheme

_TINY = 1e-4


def _phi(d: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * d * d) / np.sqrt(2 * np.pi)


def _half(dh, h, g):
    return np.where(h > _TINY**2, dh / (2 * g), 0.0)


def start(sch: Scheme, s, a, b, end):
    root = sch.node_root[:, None]
    tau, st = root**2, s * root
    m, n = 2 * a / s**2, 2 * (a - b) / s**2
    lam = (1 - n - np.sqrt((n - 1) ** 2 + 4 * m / -np.expm1(-a * tau))) / 2
    far = (1 - n - np.sqrt((n - 1) ** 2 + 4 * m)) / 2
    perpetual = far / (far - 1)
    hint = np.minimum(((a - b) * tau - 2 * st) / (1 - perpetual), 0)
    bound = np.minimum(perpetual + (1 - perpetual) * np.exp(hint), np.exp(end))
    for _ in range(3):
        d1 = (np.log(bound) + (a - b) * tau) / st + 0.5 * st
        e = np.exp(-b * tau)
        held = 1 - e * ndtr(-d1)
        f = 1 - bound * held - np.exp(-a * tau) * ndtr(st - d1) + held * bound / lam
        df = -held + held / lam + e * _phi(d1) / (st * lam)
        bound = np.clip(bound - f / df, 0.3 * bound, np.exp(end))
    return (np.log(bound) - end) ** 2


def f_of(sch: Scheme, iterations, lm, s, a, b, da, db, h=None, hs=None, hr=None):
    """Value etc. of a put with K=1. Derivatives along s, and along (da, db)."""
    end = np.where(b > a, np.log(a) - np.log(np.where(b > a, b, 1)), 0.0)
    dend = np.where(b > a, da / a - db / np.where(b > a, b, 1), 0.0)
    if h is None:
        h = start(sch, s, a, b, end)
        hs = np.zeros_like(h)
        hr = np.zeros_like(h)
    dc = da - db
    for _ in range(iterations):
        new = np.empty_like(h), np.empty_like(h), np.empty_like(h)
        for i in range(NODES):
            tau, root = sch.node_root[i] ** 2, sch.node_root[i]
            st = s * root
            g = -np.sqrt(np.maximum(h[i], _TINY**2))
            gs, gr = _half(hs[i], h[i], g), _half(hr[i], h[i], g)
            x = (end + g + (a - b) * tau) / st
            d1, d2 = x + st / 2, x - st / 2
            p1, p2 = _phi(d1), _phi(d2)
            xs = gs / st - x / s
            xr = (dend + gr + dc * tau) / st
            n, d = ndtr(d2), ndtr(d1)
            ns, ds = p2 * (xs - root / 2), p1 * (xs + root / 2)
            nr, dr = p2 * xr, p1 * xr
            w = sch.boundary[i]
            hu, hsu, hru = w @ h, w @ hs, w @ hr
            gu = -np.sqrt(np.maximum(hu, _TINY**2))
            gsu, gru = _half(hsu, hu, gu), _half(hru, hu, gu)
            v = tau * sch.share[:, None] ** 2
            u = tau - v
            rv = root * sch.share[:, None]
            sv = s * rv
            x = (g - gu + (a - b) * v) / sv
            d1, d2 = x + sv / 2, x - sv / 2
            p1, p2 = _phi(d1), _phi(d2)
            xs = (gs - gsu) / sv - x / s
            xr = (gr - gru + dc * v) / sv
            wt = tau * sch.weight[:, None]
            ea, eb = np.exp(a * u) * wt, np.exp(b * u) * wt
            n2, d2_ = ndtr(d2), ndtr(d1)
            n = n + (a * ea * n2).sum(0)
            d = d + (b * eb * d2_).sum(0)
            ns = ns + (a * ea * p2 * (xs - rv / 2)).sum(0)
            ds = ds + (b * eb * p1 * (xs + rv / 2)).sum(0)
            nr = nr + (ea * (da * (1 + a * u) * n2 + a * p2 * xr)).sum(0)
            dr = dr + (eb * (db * (1 + b * u) * d2_ + b * p1 * xr)).sum(0)
            g = np.minimum(np.log(n) - np.log(d) - (a - b) * tau - end, -_TINY)
            gs = ns / n - ds / d
            gr = nr / n - dr / d - dc * tau - dend
            new[0][i], new[1][i], new[2][i] = g * g, 2 * g * gs, 2 * g * gr
        h, hs, hr = new
    # price
    x = (lm + a - b) / s
    d1, d2 = x + s / 2, x - s / 2
    ea, eb = np.exp(-a), np.exp(lm - b)
    n1, n2, p1 = ndtr(-d1), ndtr(-d2), _phi(d1)
    f = ea * n2 - eb * n1
    fl = -eb * n1
    fll = eb * (p1 / s - n1)
    fs = eb * p1
    fr = -da * ea * n2 + db * eb * n1
    w = sch.price
    hu, hsu, hru = w @ h, w @ hs, w @ hr
    gu = -np.sqrt(np.maximum(hu, _TINY**2))
    gsu, gru = _half(hsu, hu, gu), _half(hru, hu, gu)
    v = sch.price_share[:, None] ** 2
    rv = sch.price_share[:, None]
    sv = s * rv
    x = (lm - end - gu + (a - b) * v) / sv
    d1, d2 = x + sv / 2, x - sv / 2
    p1, p2, n1, n2 = _phi(d1), _phi(d2), ndtr(-d1), ndtr(-d2)
    xs = -gsu / sv - x / s
    xr = (dc * v - dend - gru) / sv
    wt = sch.price_weight[:, None]
    ea, eb = np.exp(-a * v) * wt, np.exp(lm - b * v) * wt
    f = f + (a * ea * n2 - b * eb * n1).sum(0)
    fl = fl + (-a * ea * p2 / sv - b * eb * (n1 - p1 / sv)).sum(0)
    fll = fll + (a * ea * d2 * p2 / sv**2 - b * eb * (n1 - 2 * p1 / sv + d1 * p1 / sv**2)).sum(0)
    fs = fs + (-a * ea * p2 * (xs - rv / 2) + b * eb * p1 * (xs + rv / 2)).sum(0)
    fr = fr + (ea * (da * (1 - a * v) * n2 - a * p2 * xr) - eb * (db * (1 - b * v) * n1 - b * p1 * xr)).sum(0)
    g0 = -np.sqrt(np.maximum(h[0], _TINY**2))
    c = np.maximum(lm - end - g0, 0.0) / s
    bell = _phi(c / rv)
    net = a - b * np.exp(lm)
    first = 2 * (_phi(c) - c * ndtr(-c)) / s - (wt * bell / sv).sum(0)
    second = 2 * ndtr(-c) / s**2 - (wt * bell * c / (rv * sv**2)).sum(0)
    fl = fl - net * first
    fll = fll + net * second + 2 * b * np.exp(lm) * first
    fs = fs + net * first * _half(hs[0], h[0], g0)
    fr = fr + net * first * (dend + _half(hr[0], h[0], g0))
    at_once = lm <= end - np.sqrt(h[0])
    return f, fl, fll, fs, fr, at_once, h, hs, hr
