"""The numpy and scipy twin of kernel_american.py and kernel_american_iv.py: the same formulas, the library's functions.

Tests compare the two; with NUMBA_DISABLE_JIT=1 american.py runs on this one. The entry points match the kernel's.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from signals.greeks.core.kernel_american_tables import NODES

TINY = 1e-8
MOST_STEPS, FAR, NEAR, FLAT, SMALLEST = 60, 0.1, 1e-6, 1e-14, 1e-290


@dataclass
class _Boundary:
    """H at the nodes and its derivatives along s and (da, db): arrays (NODES, n), updated in place."""

    h: np.ndarray
    hs: np.ndarray
    hr: np.ndarray


@dataclass(frozen=True)
class _Terms:
    lm: np.ndarray
    a: np.ndarray
    b: np.ndarray
    da: np.ndarray
    db: np.ndarray
    end: np.ndarray  # ln X
    dend: np.ndarray


@dataclass(frozen=True)
class _Tables:
    cold: int
    warm: int
    node_root: np.ndarray
    share: np.ndarray
    weight: np.ndarray
    boundary: np.ndarray
    price_share: np.ndarray
    price_weight: np.ndarray
    price: np.ndarray


def american_model(
    s: np.ndarray,
    lm: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    da: np.ndarray,
    db: np.ndarray,
    *tables_and_result: int | np.ndarray,
) -> None:
    *values, result = tables_and_result
    tables, terms = _Tables(*values), _terms(lm, a, b, da, db)  # type: ignore[arg-type]
    edge = _guess(tables, terms, s)
    for _ in range(tables.cold):
        _iterate(tables, terms, s, edge, np.ones(len(s), np.bool_))
    result[:] = _price(tables, terms, s, edge)  # type: ignore[index]


def american_implied(
    target: np.ndarray,
    start: np.ndarray,
    lowest: np.ndarray,
    highest: np.ndarray,
    lm: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    da: np.ndarray,
    db: np.ndarray,
    *tables_and_results: int | np.ndarray,
) -> None:
    *values, result, converged = tables_and_results
    tables, terms = _Tables(*values), _terms(lm, a, b, da, db)  # type: ignore[arg-type]
    s, low, high, new = start.copy(), lowest.copy(), highest.copy(), start.copy()
    done = np.zeros(len(s), np.bool_)
    edge = _guess(tables, terms, s)
    left = np.full(len(s), tables.cold)
    for _ in range(MOST_STEPS):
        while (left > 0).any():
            _iterate(tables, terms, s, edge, left > 0)
            left -= 1
        found = _price(tables, terms, s, edge)
        f, slope, due = found[0], found[3], found[5]
        over = f - target
        high = np.where((over > 0) & ~done, np.minimum(high, s), high)
        low = np.where((over <= 0) & ~done, np.maximum(low, s), low)
        by_log = np.where((slope > SMALLEST) & (f > SMALLEST), np.log(f / target) * f / slope, np.nan)
        step = np.where(lm > 0, by_log, np.where(slope > FLAT, over / slope, np.nan))
        moved = np.where(due == 0, s - step, np.nan)
        middle = np.where(np.isfinite(high), np.sqrt(np.maximum(low, 0.1 * high) * high), 2 * s)
        outside = ~((low < moved) & (moved < high))
        moved = np.where(outside, np.where(np.abs(moved - s) <= NEAR * s, s, middle), moved)
        step = np.abs(moved - s) / s
        new = np.where(done, new, moved)
        done |= step <= NEAR
        if done.all():
            break
        shifted = edge.h + edge.hs * (new - s)
        edge.h = np.where(done, edge.h, np.clip(shifted, 0.25 * edge.h, 4.0 * edge.h))
        s = np.where(done, s, new)
        left = np.where(done, 0, np.where(step > FAR, tables.cold, tables.warm))
    result[0], result[1:] = new, found  # type: ignore[index]
    converged[:] = done  # type: ignore[index]


def _terms(lm: np.ndarray, a: np.ndarray, b: np.ndarray, da: np.ndarray, db: np.ndarray) -> _Terms:
    over = b > a
    safe = np.where(over, b, 1.0)
    return _Terms(lm, a, b, da, db, np.where(over, np.log(a / safe), 0.0), np.where(over, da / a - db / safe, 0.0))


def _phi(d: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(-0.5 * d * d) / np.sqrt(2 * np.pi))


def _root(h: np.ndarray) -> np.ndarray:
    """Return ln(B/X)."""
    return np.asarray(-np.sqrt(np.maximum(h, TINY**2)))


def _of_root(dh: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Return its derivative."""
    return np.asarray(np.where(h > TINY**2, dh / (2 * _root(h)), 0.0))


def _guess(tables: _Tables, terms: _Terms, s: np.ndarray) -> _Boundary:
    a, b, root = terms.a, terms.b, tables.node_root[:, None]
    tau, st = root**2, s * root
    m, n = 2 * a / s**2, 1 - 2 * (a - b) / s**2
    slope = (n - np.sqrt(n**2 + 4 * m / -np.expm1(-a * tau))) / 2
    far = (n - np.sqrt(n**2 + 4 * m)) / 2
    perpetual = far / (far - 1)
    hint = np.minimum(((a - b) * tau - 2 * st) / (1 - perpetual), 0)
    x = np.minimum(perpetual + (1 - perpetual) * np.exp(hint), np.exp(terms.end))
    held = np.exp(-b * tau)
    for _ in range(3):
        d = (np.log(x) + (a - b) * tau) / st + st / 2
        kept = 1 - held * ndtr(-d)
        f = 1 - x * kept - np.exp(-a * tau) * ndtr(st - d) + kept * x / slope
        df = -kept + (kept + held * _phi(d) / st) / slope
        x = np.clip(x - f / df, 0.3 * x, np.exp(terms.end))
    h = (np.log(x) - terms.end) ** 2
    return _Boundary(h, np.zeros_like(h), np.zeros_like(h))


def _iterate(tables: _Tables, terms: _Terms, s: np.ndarray, edge: _Boundary, moving: np.ndarray) -> None:
    a, b, da, db = terms.a, terms.b, terms.da, terms.db
    new = np.empty((3, *edge.h.shape))
    for i in range(NODES):
        root = tables.node_root[i]
        tau, st = root * root, s * root
        g, gs, gr = _root(edge.h[i]), _of_root(edge.hs[i], edge.h[i]), _of_root(edge.hr[i], edge.h[i])
        x = (terms.end + g + (a - b) * tau) / st
        xs, xr = gs / st - x / s, (terms.dend + gr + (da - db) * tau) / st
        d1, d2 = x + st / 2, x - st / 2
        n, d = ndtr(d2), ndtr(d1)
        ns, ds = _phi(d2) * (xs - root / 2), _phi(d1) * (xs + root / 2)
        nr, dr = _phi(d2) * xr, _phi(d1) * xr
        hu, hsu, hru = (tables.boundary[i] @ each for each in (edge.h, edge.hs, edge.hr))
        rv = root * tables.share[:, None]
        v, sv, u = rv * rv, s * rv, tau - rv * rv
        x = (g - _root(hu) + (a - b) * v) / sv
        xs, xr = (gs - _of_root(hsu, hu)) / sv - x / s, (gr - _of_root(hru, hu) + (da - db) * v) / sv
        d1, d2 = x + sv / 2, x - sv / 2
        ea, eb = (np.exp(each * u) * tau * tables.weight[:, None] for each in (a, b))
        n += (a * ea * ndtr(d2)).sum(0)
        d += (b * eb * ndtr(d1)).sum(0)
        ns += (a * ea * _phi(d2) * (xs - rv / 2)).sum(0)
        ds += (b * eb * _phi(d1) * (xs + rv / 2)).sum(0)
        nr += (ea * (da * (1 + a * u) * ndtr(d2) + a * _phi(d2) * xr)).sum(0)
        dr += (eb * (db * (1 + b * u) * ndtr(d1) + b * _phi(d1) * xr)).sum(0)
        g = np.minimum(np.log(n) - np.log(d) - (a - b) * tau - terms.end, -TINY)
        new[:, i] = g * g, 2 * g * (ns / n - ds / d), 2 * g * (nr / n - dr / d - (da - db) * tau - terms.dend)
    edge.h, edge.hs, edge.hr = (
        np.where(moving, after, before) for after, before in zip(new, (edge.h, edge.hs, edge.hr), strict=True)
    )


def _price(tables: _Tables, terms: _Terms, s: np.ndarray, edge: _Boundary) -> np.ndarray:
    a, b, da, db, lm = terms.a, terms.b, terms.da, terms.db, terms.lm
    x = (lm + a - b) / s
    d1, d2 = x + s / 2, x - s / 2
    ea, eb = np.exp(-a), np.exp(lm - b)
    f, fl = ea * ndtr(-d2) - eb * ndtr(-d1), -eb * ndtr(-d1)
    fll, fs = eb * (_phi(d1) / s - ndtr(-d1)), eb * _phi(d1)
    fr = -da * ea * ndtr(-d2) + db * eb * ndtr(-d1)
    hu, hsu, hru = (tables.price @ each for each in (edge.h, edge.hs, edge.hr))
    rv, weight = tables.price_share[:, None], tables.price_weight[:, None]
    v, sv = rv * rv, s * rv
    x = (lm - terms.end - _root(hu) + (a - b) * v) / sv
    xs, xr = -_of_root(hsu, hu) / sv - x / s, ((da - db) * v - terms.dend - _of_root(hru, hu)) / sv
    d1, d2 = x + sv / 2, x - sv / 2
    p1, p2, n1, n2 = _phi(d1), _phi(d2), ndtr(-d1), ndtr(-d2)
    ea, eb = np.exp(-a * v) * weight, np.exp(lm - b * v) * weight
    f += (a * ea * n2 - b * eb * n1).sum(0)
    fl += (-a * ea * p2 / sv - b * eb * (n1 - p1 / sv)).sum(0)
    fll += (a * ea * d2 * p2 / sv**2 - b * eb * (n1 - 2 * p1 / sv + d1 * p1 / sv**2)).sum(0)
    fs += (-a * ea * p2 * (xs - rv / 2) + b * eb * p1 * (xs + rv / 2)).sum(0)
    fr += (ea * (da * (1 - a * v) * n2 - a * p2 * xr) - eb * (db * (1 - b * v) * n1 - b * p1 * xr)).sum(0)
    c = np.maximum(lm - terms.end - _root(edge.h[0]), 0.0) / s
    narrow = weight * _phi(c / rv) / sv
    first = 2 * (_phi(c) - c * ndtr(-c)) / s - narrow.sum(0)
    second = 2 * ndtr(-c) / s**2 - (narrow * c / (rv * sv)).sum(0)
    spot = np.exp(lm)
    net = a - b * spot
    fl -= net * first
    fll += net * second + 2 * b * spot * first
    fs += net * first * _of_root(edge.hs[0], edge.h[0])
    fr += net * first * (terms.dend + _of_root(edge.hr[0], edge.h[0]))
    due = lm <= terms.end + _root(edge.h[0])
    at_once = [1 - spot, -spot, -spot, np.zeros_like(s), np.zeros_like(s)]
    later = [np.maximum(f, 1 - spot), fl, fll, fs, fr]
    return np.stack([*(np.where(due, now, then) for now, then in zip(at_once, later, strict=True)), due])
