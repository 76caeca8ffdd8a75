"""American options by finite differences: cash dividends, and exercise regions with two boundaries.

Two grids, the finer with twice the nodes and steps, and their difference extrapolated to none.
"""

import numpy as np
from numba import config

from signals.greeks.core import engine
from signals.greeks.core.dividends import DividendColumns, no_dividends

if not config.DISABLE_JIT:  # type: ignore[attr-defined]
    from signals.greeks.core import kernel_american_grid as kernel
else:  # pragma: no cover - a test runs it in its own process
    from signals.greeks.core import american_grid_reference as kernel  # type: ignore[no-redef]

NODES, STEPS = 201, 60  # of the coarser grid
HARD_NODES, HARD_STEPS = 401, 120
HARDNESS = 0.3  # as in american.py
BUMP = 0.005  # relative, of the volatility: vega
RATE_BUMP = 0.02  # of the larger of |rT| and |qT|, within the bounds below: rho
LEAST_BUMP, MOST_BUMP = 1e-6, 1e-3
MOST_STEPS = 40
NEAR = 1e-7  # relative: the step of the volatility that ends the search
FLAT = 1e-12
DUE = 1e-9  # in units of the strike


class _Grid:
    """Options in the kernel's units. The grid is laid out for the volatilities given here."""

    def __init__(
        self,
        volatility: np.ndarray,
        underlying: np.ndarray,
        strike: np.ndarray,
        years: np.ndarray,
        rate: np.ndarray,
        carry: np.ndarray,
        sign: np.ndarray,
        dividends: DividendColumns | None,
    ) -> None:
        dividends = no_dividends(len(strike)) if dividends is None else dividends
        self.root = np.sqrt(years)
        self.width = volatility * self.root
        self.lm, self.a, self.b, self.sign = np.log(underlying / strike), rate * years, carry * years, sign
        self.offsets = dividends.offsets
        of = np.repeat(np.arange(len(strike)), np.diff(self.offsets))
        backwards = np.lexsort((-dividends.years, of))  # within each option: by time to expiry
        when = 1.0 - dividends.years[backwards] / years[of]
        self.when, self.amount = np.clip(when, 0.0, 1.0), dividends.amounts[backwards] / strike[of]
        self.hard = np.maximum(np.abs(self.a), np.abs(self.b)) > HARDNESS * self.width

    def values(self, rows: np.ndarray, s: np.ndarray, a: np.ndarray) -> np.ndarray:
        """Return rows f, f_x, f_xx, due: in units of the strike, x the logarithm of the underlying.

        `rows`: places of options, an s and an a for each. Name an option several times in a row for several of them.
        """
        found = np.empty((4, len(rows)))
        for nodes, steps, mask in ((NODES, STEPS, ~self.hard[rows]), (HARD_NODES, HARD_STEPS, self.hard[rows])):
            some = np.flatnonzero(mask)
            if not len(some):
                continue
            inputs = rows[some], s[some], a[some]
            coarse = self._once(*inputs, nodes, steps)
            fine = self._once(*inputs, 2 * nodes - 1, 2 * steps)
            errors = [each[:3] - each[3:6] for each in (coarse, fine)]
            part = self._european(*inputs) + (4.0 * errors[1] - errors[0]) / 3.0
            exercise = fine[6]
            due = fine[0] <= exercise + DUE
            spot = np.exp(self.lm[rows[some]]) * self.sign[rows[some]]
            part = np.where(due, [exercise, spot, spot], part)
            part[0] = np.maximum(part[0], exercise)
            found[:3, some], found[3, some] = part, due
        return found

    def european_vega(self) -> np.ndarray:
        """Return the derivative of the European value by s."""
        d = (self.lm + self.a - self.b) / self.width + 0.5 * self.width
        vega: np.ndarray = np.exp(self.lm - self.b - 0.5 * d * d) / np.sqrt(2.0 * np.pi)
        return np.asarray(np.maximum(vega, FLAT))

    def _once(self, rows: np.ndarray, s: np.ndarray, a: np.ndarray, nodes: int, steps: int) -> np.ndarray:
        """Return the kernel's result for these options; one that is named several times runs side by side."""
        result = np.empty((7, len(rows)))
        counts = np.diff(self.offsets)[rows]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
        places = np.repeat(self.offsets[rows] - offsets[:-1], counts) + np.arange(offsets[-1])
        columns = (s, self.lm[rows], a, self.b[rows], self.sign[rows])
        when, amount = self.when[places], self.amount[places]
        kernel.american_grid(*columns, offsets, when, amount, self.width[rows], nodes, steps, result)
        return result

    def _european(self, rows: np.ndarray, s: np.ndarray, a: np.ndarray) -> np.ndarray:
        spot = np.exp(self.lm[rows])
        found = engine.model_greeks(
            volatility=s,
            underlying=spot,
            strike=1.0,
            expiry_years=1.0,
            rate=a,
            dividend_yield=self.b[rows],
            sign=self.sign[rows],
            black76=False,
        )
        slope = found.delta * spot
        return np.stack([found.price, slope, found.gamma * spot * spot + slope])


def model(
    volatility: np.ndarray,
    underlying: np.ndarray,
    strike: np.ndarray,
    years: np.ndarray,
    rate: np.ndarray,
    carry: np.ndarray,
    sign: np.ndarray,
    dividends: DividendColumns | None,
) -> np.ndarray:
    """Return the rows of GreekColumns but the status. The underlying is held: the spot less its dividends."""
    terms = (underlying, strike, years, rate, carry, sign, dividends)
    return _greeks(_Grid(volatility, *terms), volatility, underlying, strike, years)


def implied(
    price: np.ndarray,
    european: np.ndarray,
    underlying: np.ndarray,
    strike: np.ndarray,
    years: np.ndarray,
    rate: np.ndarray,
    carry: np.ndarray,
    sign: np.ndarray,
    dividends: DividendColumns | None,
) -> np.ndarray:
    """Return the rows of GreekColumns but the status; NaN where no volatility was found.

    `european` is the volatility at which a European option would be worth the price: an upper bound; NaN for none.
    """
    terms = (underlying, strike, years, rate, carry, sign, dividends)
    start = np.where(np.isfinite(european), european, 0.5)
    at = _Grid(start, *terms)
    target = price / strike
    s = at.width.copy()
    low, high = np.zeros(len(s)), np.where(np.isfinite(european), s * (1.0 + 1e-9), np.inf)
    rows = np.arange(len(s))  # those still sought
    value, slope = at.values(rows, s, at.a)[0], at.european_vega()
    done = np.zeros(len(s), np.bool_)
    for _ in range(MOST_STEPS):
        now, over = s[rows], value[rows] - target[rows]
        high[rows] = np.where(over > 0.0, np.minimum(high[rows], now), high[rows])
        low[rows] = np.where(over > 0.0, low[rows], np.maximum(low[rows], now))
        least, most = low[rows], high[rows]
        new = now - over / slope[rows]
        settled = np.abs(new - now) <= NEAR * now
        middle = np.where(np.isfinite(most), np.sqrt(np.maximum(least, 0.1 * most) * most), 2.0 * now)
        new = np.where(settled, now, np.where((new > least) & (new < most), new, middle))
        done[rows] = settled
        rows, now, new = rows[~settled], now[~settled], new[~settled]
        if not len(rows):
            break
        s[rows] = new
        moved = at.values(rows, new, at.a[rows])[0]
        secant = (moved - value[rows]) / (new - now)
        slope[rows] = np.where(secant > FLAT, secant, slope[rows])
        value[rows] = moved
    # Greeks are of a grid that fits the volatility: it has the same ones, whether it was implied or given. The price
    # stays that of the search, which tells whether it has arrived.
    found, rows = np.full((7, len(s)), np.nan), np.flatnonzero(done)
    owed = None if dividends is None else dividends.take(rows)
    spot, k, t, r, q, w = (column[rows] for column in (underlying, strike, years, rate, carry, sign))
    found[:, rows] = model((s / at.root)[rows], spot, k, t, r, q, w, owed)
    found[1, rows] = value[rows] * strike[rows]
    return found


def _greeks(
    at: _Grid, volatility: np.ndarray, underlying: np.ndarray, strike: np.ndarray, years: np.ndarray
) -> np.ndarray:
    known = np.where(np.isfinite(volatility), volatility, 1.0)
    s = known * at.root
    bump = np.clip(RATE_BUMP * np.maximum(np.abs(at.a), np.abs(at.b)), LEAST_BUMP, MOST_BUMP)
    shocks = np.stack([0.0 * s, BUMP * s, -BUMP * s, 0.0 * s, 0.0 * s], axis=1)
    turns = np.stack([0.0 * s, 0.0 * s, 0.0 * s, bump, -bump], axis=1)
    every = np.repeat(np.arange(len(s)), 5)
    found = at.values(every, (s[:, None] + shocks).ravel(), (at.a[:, None] + turns).ravel()).reshape(4, len(s), 5)
    f, fl, fll, due = found[:, :, 0]
    _, up, down, higher, lower = found[0].T
    vega = (up - down) / (2.0 * BUMP * s)
    rho = (higher - lower) / (2.0 * bump)
    decay = 0.5 * s * s * (fll - fl) + (at.a - at.b) * fl - at.a * f
    alive = due == 0.0
    greeks = np.stack(
        [
            known,
            f * strike,
            fl * strike / underlying,
            np.where(alive, (fll - fl) * strike / underlying**2, 0.0),
            np.where(alive, -decay * strike / years / 365.0, 0.0),
            np.where(alive, vega * at.root * strike * 0.01, 0.0),
            np.where(alive, rho * years * strike * 0.01, 0.0),
        ]
    )
    greeks[:, ~np.isfinite(volatility)] = np.nan
    return greeks
