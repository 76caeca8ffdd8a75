"""Compute the coefficients of signals/greeks/core/kernel_constants.py.

    python -m bench.fit_constants            print them with the error of each fit
    python -m bench.fit_constants --write    write the module

exp, log and erfcx are Chebyshev interpolants computed with 40 digits (mpmath): near-minimax, and reproducible to the
last bit. The two fits of the starting value are least squares in double precision over a fixed sample. Another linear
algebra library may change their last digits. That changes no result, because the starting value is refined.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy.special import erfcx

MODULE = Path(__file__).parents[1] / "signals/greeks/core/kernel_constants.py"
ERFCX_SCALE = 3.75  # z = 3.75 (1 + t) / (1 - t) maps z in [0, inf) to t in [-1, 1)
HEADER = '''"""Coefficients of the kernel's approximations, lowest power first.

Written by `python -m bench.fit_constants --write`; the fits, their domains and their errors are explained there.
"""
'''


def chebyshev(function: Callable[[mp.mpf], mp.mpf], degree: int, low: mp.mpf, high: mp.mpf) -> list[float]:
    """Return the monomial coefficients in x of the Chebyshev interpolant of `function` on [low, high]."""
    nodes = 64
    angles = [mp.pi * (k + mp.mpf(1) / 2) / nodes for k in range(nodes)]
    centre, half = (high + low) / 2, (high - low) / 2
    values = [function(centre + half * mp.cos(angle)) for angle in angles]
    series = [
        2 * mp.fsum(v * mp.cos(j * a) for v, a in zip(values, angles, strict=True)) / nodes for j in range(degree + 1)
    ]
    series[0] /= 2

    def times_variable(poly: list[mp.mpf]) -> list[mp.mpf]:  # multiplied by (x - centre) / half
        shifted = [mp.mpf(0), *poly]
        return [(shifted[i] - centre * (poly[i] if i < len(poly) else 0)) / half for i in range(len(shifted))]

    previous, current = [mp.mpf(1)], times_variable([mp.mpf(1)])
    total = [mp.mpf(0)] * (degree + 1)
    total[0] = series[0]
    for j in range(1, degree + 1):
        for i, c in enumerate(current):
            total[i] += series[j] * c
        doubled = [2 * c for c in times_variable(current)]
        for i, c in enumerate(previous):
            doubled[i] -= c
        previous, current = current, doubled
    return [float(c) for c in total]


def fit_exp() -> list[float]:
    half = mp.log(2) / 2
    return chebyshev(mp.exp, 11, -half, half)


def fit_log() -> list[float]:
    """ln(m) = f * P(f^2), f = (m - 1)/(m + 1), m in [sqrt(1/2), sqrt(2)]: P(w) = 2 atanh(sqrt(w)) / sqrt(w)."""
    high = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mp.mpf("1.0002")
    return chebyshev(lambda w: 2 * mp.atanh(mp.sqrt(w)) / mp.sqrt(w), 8, mp.mpf("1e-25"), high)


def fit_erfcx() -> list[float]:
    """(1 + 2z) erfcx(z) as a polynomial in t = (z - 3.75)/(z + 3.75): smooth and of order one up to z = infinity."""

    def scaled(t: mp.mpf) -> mp.mpf:
        z = ERFCX_SCALE * (1 + t) / (1 - t)
        if z > 60:
            terms = [mp.mpf(1)]
            for n in range(24):
                terms.append(terms[-1] * -(2 * n + 1) / (2 * z * z))
            return (1 + 2 * z) * mp.fsum(terms) / (z * mp.sqrt(mp.pi))
        return (1 + 2 * z) * mp.exp(z * z) * mp.erfc(z)

    return chebyshev(scaled, 22, mp.mpf(-1), mp.mpf(1))


def normal_time_value(eta: np.ndarray) -> np.ndarray:
    """Bachelier's time value over distance from the money: phi(eta)/eta - Phi(-eta), eta = a / s."""
    mills = np.sqrt(np.pi / 2) * erfcx(eta / np.sqrt(2))
    return np.exp(-eta * eta / 2) / np.sqrt(2 * np.pi) * (1 / eta - mills)


def rational_fit(u: np.ndarray, y: np.ndarray, above: int, below: int) -> tuple[np.ndarray, np.ndarray]:
    """Return numerator and denominator (constant term 1) of a reweighted least-squares rational fit, relative error."""
    weight = np.ones_like(u)
    for _ in range(30):
        columns = np.hstack([u[:, None] ** np.arange(above + 1), -y[:, None] * u[:, None] ** np.arange(1, below + 1)])
        scale = 1 / np.abs(y) / np.abs(weight)
        solution, *_ = np.linalg.lstsq(columns * scale[:, None], y * scale, rcond=None)
        numerator, denominator = solution[: above + 1], np.concatenate([[1.0], solution[above + 1 :]])
        weight = np.polyval(denominator[::-1], u)
    return numerator, denominator


def fit_bachelier_inverse() -> tuple[np.ndarray, np.ndarray, float]:
    """eta = u^2 P(u)/Q(u) with u = sqrt(ln(1 + a/beta)): inverts Bachelier's formula for every distance at once."""
    eta = np.concatenate([np.geomspace(1e-7, 1e-2, 600), np.linspace(1e-2, 37, 9000)])
    log_ratio = np.log1p(1 / normal_time_value(eta))
    usable = np.isfinite(log_ratio) & (log_ratio < 690)
    eta, u = eta[usable], np.sqrt(log_ratio[usable])
    above, below = rational_fit(u, eta / u**2, 4, 5)
    error = np.abs(u * u * np.polyval(above[::-1], u) / np.polyval(below[::-1], u) / eta - 1).max()
    return above, below, float(error)


def fit_lognormal_correction(above: np.ndarray, below: np.ndarray) -> tuple[list[list[float]], float]:
    """s_normal / s, total degree 5 in (s_normal^2, a): row i holds the powers of a at s_normal^(2i)."""
    rng = np.random.default_rng(5)
    n = 400_000
    a = np.where(rng.random(n) < 0.3, 10 ** rng.uniform(-6, -1, n), rng.uniform(0, 2.5, n))
    s = np.where(rng.random(n) < 0.3, 10 ** rng.uniform(-3, 0, n), rng.uniform(0.003, 3, n))
    a, s = a[a / s < 36], s[a / s < 36]
    h, t = a / s, s / 2
    price = 0.5 * np.exp(-0.5 * (h * h + t * t)) * (erfcx((h - t) / np.sqrt(2)) - erfcx((h + t) / np.sqrt(2)))
    u = np.sqrt(np.log1p(a / price))
    s_normal = a / (u * u * np.polyval(above[::-1], u) / np.polyval(below[::-1], u))
    terms = [(i, j) for i in range(6) for j in range(6 - i)]
    columns = np.stack([s_normal ** (2 * i) * a**j for i, j in terms], 1)
    solution, *_ = np.linalg.lstsq(columns, s_normal / s, rcond=None)
    error = np.abs(s_normal / (columns @ solution) / s - 1).max()
    rows: list[list[float]] = [[] for _ in range(6)]
    for (i, _), c in zip(terms, solution, strict=True):
        rows[i].append(float(c))
    return rows, float(error)


def render(name: str, coefficients: list[float]) -> str:
    return f"{name} = (\n" + "".join(f"    {float(c)!r},\n" for c in coefficients) + ")\n"


def render_row(row: list[float]) -> str:
    if len(row) == 1:
        return f"    ({row[0]!r},),\n"
    return "    (\n" + "".join(f"        {c!r},\n" for c in row) + "    ),\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the module instead of printing it")
    write = parser.parse_args().write
    mp.mp.dps = 40
    above, below, inverse_error = fit_bachelier_inverse()
    rows, correction_error = fit_lognormal_correction(above, below)
    text = HEADER + "\n# exp(x), |x| <= ln(2)/2\n" + render("EXP", fit_exp())
    text += "\n# ln((1 + f)/(1 - f)) / f in f^2\n" + render("LOG", fit_log())
    text += "\n# (1 + 2z) erfcx(z) in (z - 3.75)/(z + 3.75), z >= 0\n" + f"ERFCX_SCALE = {ERFCX_SCALE}\n"
    text += render("ERFCX", fit_erfcx())
    text += f"\n# Bachelier's formula inverted, relative error {inverse_error:.1e}\n"
    text += render("BACHELIER_ABOVE", list(above)) + render("BACHELIER_BELOW", list(below))
    text += f"\n# Bachelier's to Black's total volatility, relative error {correction_error:.1e}\n"
    text += "LOGNORMAL = (\n" + "".join(render_row(row) for row in rows) + ")\n"
    if write:
        MODULE.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
