"""American options against QuantLib, a binomial tree and the numpy twin, and what they must obey."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from signals.greeks.core import american, american_grid_reference, american_reference, engine
from signals.greeks.core.american import implied_greeks, model_greeks
from signals.greeks.core.columns import GreekColumns
from signals.greeks.core.dividends import CashDividend, DividendColumns, dividend_columns
from signals.greeks.core.status import Status
from tests.core.american_references import quantlib_escrowed, quantlib_price, tree_price

NAMES = ("underlying", "strike", "days", "rate", "dividend_yield", "volatility", "sign")
FLOOR = 1e-6  # of the strike: prices below it are compared with it


def wide(count: int, seed: int) -> dict[str, np.ndarray]:
    """Return options from the whole grid: S/K 0.5 to 2, half of them near the money, a day to three years, volatility
    5 % to 150 %, r -2 % to 10 %, q 0 to 10 %, with r = 0, q = 0 and r = q among them."""
    rng = np.random.default_rng(seed)
    days = np.where(rng.random(count) < 0.3, rng.integers(1, 30, count), rng.integers(1, 1096, count))
    volatility = np.exp(rng.uniform(np.log(0.05), np.log(1.5), count))
    moneyness = rng.uniform(np.log(0.5), np.log(2.0), count)
    near = np.clip(1.5 * volatility * np.sqrt(days / 365) * rng.normal(size=count), np.log(0.5), np.log(2.0))
    rate = np.where(rng.random(count) < 0.1, 0.0, rng.uniform(-0.02, 0.1, count))
    own = np.where(rng.random(count) < 0.2, 0.0, rng.uniform(0.0, 0.1, count))
    return {
        "underlying": 100.0 * np.exp(np.where(rng.random(count) < 0.5, near, moneyness)),
        "strike": np.full(count, 100.0),
        "days": days,
        "rate": rate,
        "dividend_yield": np.where(rng.random(count) < 0.05, np.maximum(rate, 0.0), own),
        "volatility": volatility,
        "sign": np.where(rng.random(count) < 0.5, 1.0, -1.0),
    }


def contract(options: dict[str, np.ndarray], **changes: Any) -> dict[str, Any]:
    kept = {name: options[name] for name in NAMES if name not in ("days", "volatility")}
    return {**kept, "expiry_years": options["days"] / 365, "black76": False, **changes}


def by_quantlib(options: dict[str, np.ndarray], **changes: np.ndarray) -> np.ndarray:
    columns = {**options, **changes}
    return np.array([quantlib_price(*row) for row in zip(*(columns[name].tolist() for name in NAMES), strict=True)])


def none_of(greeks: GreekColumns) -> None:
    assert (greeks.status == Status.OK).all(), np.unique(greeks.status)


def test_prices_are_quantlibs_over_the_wide_grid() -> None:
    options = wide(250, 1)
    found = model_greeks(volatility=options["volatility"], **contract(options))
    none_of(found)
    truth = by_quantlib(options)
    error = np.abs(found.price - truth) / np.maximum(truth, FLOOR * 100.0)
    worst = int(error.argmax())
    assert error.max() < 1e-4, ({name: options[name][worst] for name in NAMES}, found.price[worst], truth[worst])
    assert np.quantile(error, 0.99) < 1e-5


def test_greeks_are_quantlibs_differences() -> None:
    """Floors: where a Greek is nearly nothing, a share of its usual size counts instead of its own."""
    options = wide(45, 2)
    keep = (options["rate"] != 0.0) & (options["dividend_yield"] != 0.0)  # kinks: exercise begins to be worth something
    options = {name: values[keep] for name, values in options.items()}
    s, k, v, r = (options[name] for name in ("underlying", "strike", "volatility", "rate"))
    years = options["days"] / 365
    found = model_greeks(volatility=v, **contract(options))
    none_of(found)
    step = 2e-3 * s * v * np.sqrt(years)
    up, now, down = (by_quantlib(options, underlying=s + each) for each in (step, 0.0 * step, -step))
    by_volatility = by_quantlib(options, volatility=1.002 * v) - by_quantlib(options, volatility=0.998 * v)
    by_rate = by_quantlib(options, rate=r + 1e-5) - by_quantlib(options, rate=r - 1e-5)
    expected = {
        "delta": ((up - down) / (2 * step), np.full(len(s), 0.01)),
        "gamma": ((up - 2 * now + down) / step**2, 0.02 * 0.4 / (s * v * np.sqrt(years))),
        "vega": (by_volatility / (0.004 * v) / 100, 0.02 * 0.4 * s * np.sqrt(years) / 100),
        "rho": (by_rate / 2e-5 / 100, 0.02 * k * years / 100),
    }
    for name, (truth, floor) in expected.items():
        error = np.abs(getattr(found, name) - truth) / np.maximum(np.abs(truth), floor)
        worst = int(error.argmax())
        assert error.max() < 1e-3, (name, {each: options[each][worst] for each in NAMES}, truth[worst])


def test_theta_is_what_a_shorter_life_costs() -> None:
    options = wide(300, 3)
    years = options["days"] / 365
    terms = contract(options)
    step = 1e-3 * years
    shorter, longer = (
        model_greeks(volatility=options["volatility"], **{**terms, "expiry_years": years + each}, most_work=True)
        for each in (-step, step)
    )
    found = model_greeks(volatility=options["volatility"], **terms)
    slope = (shorter.price - longer.price) / (2 * step) / 365
    usual = 0.4 * options["underlying"] * options["volatility"] / (2 * np.sqrt(years)) / 365
    error = np.abs(found.theta - slope) / np.maximum(np.abs(slope), 0.02 * usual)
    alive = found.gamma > 0  # beside the boundary a longer life may wake an option that is due
    assert np.quantile(error[alive], 0.98) < 1e-3 and np.median(error) < 1e-5


@pytest.mark.parametrize("seed", [4, 5])
def test_prices_are_those_of_a_fine_binomial_tree(seed: int) -> None:
    options = wide(12, seed)
    options["volatility"] = np.maximum(options["volatility"], 0.15)  # a tree needs many more steps below
    options["underlying"] = 100.0 + 0.3 * (options["underlying"] - 100.0)
    found = model_greeks(volatility=options["volatility"], **contract(options))
    for place in range(12):
        s, k, days, r, q, v, w = (float(options[name][place]) for name in NAMES)
        truth = tree_price(s, k, days / 365, r, q, v, w, 1500)
        assert found.price[place] == pytest.approx(truth, rel=1e-4, abs=1e-4), (s, days, r, q, v, w)


def test_exercise_that_is_worth_nothing_leaves_the_european_numbers() -> None:
    options = wide(200, 6)
    calls = contract(options, sign=1.0, dividend_yield=0.0, rate=np.maximum(options["rate"], 0.0))
    puts = contract(options, sign=-1.0, rate=-np.abs(options["rate"]))
    for terms in (calls, puts):
        found = model_greeks(volatility=options["volatility"], **terms)
        plain = engine.model_greeks(volatility=options["volatility"], **terms)
        for one, other in zip(found, plain, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("rate", "carry", "sign"), [(-0.02, -0.05, -1.0), (-0.01, -0.06, -1.0), (-0.05, -0.02, 1.0), (-0.06, -0.01, 1.0)]
)
def test_two_boundaries_are_priced_too(rate: float, carry: float, sign: float) -> None:
    """A put with q < r < 0: exercise pays between two boundaries. QuantLib's engine refuses it."""
    for spot in (80.0, 95.0, 100.0, 120.0):
        terms = {"underlying": spot, "strike": 100.0, "expiry_years": 1.5, "rate": rate, "dividend_yield": carry}
        found = model_greeks(volatility=0.15, **terms, sign=sign, black76=False)
        truth = tree_price(spot, 100.0, 1.5, rate, carry, 0.15, sign, 1500)
        assert found.price[0] == pytest.approx(truth, rel=1e-4, abs=1e-4)
        plain = engine.model_greeks(volatility=0.15, **terms, sign=sign, black76=False).price[0]
        assert found.price[0] >= plain - 1e-6


def test_an_option_on_the_future_pays_the_future() -> None:
    terms = {"strike": 100.0, "expiry_years": 0.75, "rate": 0.06, "sign": -1.0}
    on_future = model_greeks(volatility=0.3, underlying=92.0, dividend_yield=0.5, **terms, black76=True)
    as_spot = model_greeks(volatility=0.3, underlying=92.0, dividend_yield=0.06, **terms, black76=False)
    assert (
        on_future.price[0] == as_spot.price[0] == pytest.approx(quantlib_price(92, 100, 274, 0.06, 0.06, 0.3, -1), 2e-3)
    )
    bumped = [
        model_greeks(volatility=0.3, underlying=92.0, dividend_yield=0.0, **{**terms, "rate": rate}, black76=True).price
        for rate in (0.0601, 0.0599)
    ]
    assert on_future.rho[0] == pytest.approx(float(bumped[0][0] - bumped[1][0]) / 0.0002 / 100, rel=1e-4)


def test_volatility_comes_back_from_the_price() -> None:
    options = wide(3000, 7)
    terms = contract(options)
    given = model_greeks(volatility=options["volatility"], **terms)
    found = implied_greeks(price=given.price, **terms)
    least, _ = american.bounds(
        american.Contracts(
            *(
                np.broadcast_to(np.asarray(terms[name], float), 3000)
                for name in ("underlying", "strike", "expiry_years")
            ),
            options["rate"],
            options["dividend_yield"],
            options["sign"],
            np.zeros(3000, bool),
        ),
        None,
    )
    worth = given.price - least > 1.01e-6 * 100.0
    assert (found.status[worth] == Status.OK).all()
    assert np.isin(found.status[~worth], (Status.OK, Status.NO_TIME_VALUE)).all()
    again = model_greeks(volatility=np.where(worth, found.implied_volatility, 0.2), **terms)
    error = np.abs(again.price - given.price) / 100.0
    assert error[worth].max() < 1e-5  # a price is within that: easy and hard options are iterated differently
    clear = worth & (given.vega > 1e-3)  # where a cent in ten moves the volatility by less than a point
    off = np.abs(found.implied_volatility - options["volatility"])
    assert off[clear].max() < 2e-4 and np.median(off[clear]) < 1e-7


def test_the_price_of_quantlib_implies_its_volatility() -> None:
    options = wide(60, 8)
    price = by_quantlib(options)
    found = implied_greeks(price=price, **contract(options))
    ok = found.status == Status.OK
    assert ok.mean() > 0.5
    miss = np.abs(found.implied_volatility - options["volatility"]) * found.vega * 100
    assert (miss[ok] / np.maximum(price[ok], FLOOR * 100)).max() < 1e-4


def test_a_price_without_a_volatility_says_why() -> None:
    def status(price: float, **changes: float) -> Status:
        terms = {"underlying": 80.0, "strike": 100.0, "expiry_years": 0.5, "rate": 0.05, "dividend_yield": 0.0}
        found = implied_greeks(price=price, **{**terms, "sign": -1.0, "black76": False, **changes})
        assert (found.status[0] == Status.OK) == np.isfinite(found.implied_volatility[0])
        return Status(int(found.status[0]))

    assert status(20.0) is Status.NO_TIME_VALUE  # what exercise pays: 17.5 would be the European intrinsic value
    assert status(19.99) is Status.BELOW_INTRINSIC
    assert status(20.5) is Status.OK
    assert status(99.999) is Status.OK and status(100.0) is Status.ABOVE_MAXIMUM
    assert status(20.5, expiry_years=0.0) is Status.EXPIRED
    assert status(20.5, underlying=np.nan) is Status.BAD_INPUT
    assert status(np.nan) is Status.BAD_INPUT and status(np.inf) is Status.BAD_INPUT
    assert status(20.5, rate=1e6) is Status.BAD_INPUT
    assert status(79.5, sign=1.0, dividend_yield=0.1, underlying=80.0) is Status.OK
    assert status(80.0, sign=1.0, dividend_yield=0.1, underlying=80.0) is Status.ABOVE_MAXIMUM
    # The best known time lies within: a call that yields little at first beside what the strike earns
    assert status(0.001, sign=1.0, underlying=100.0, rate=0.02, dividend_yield=-0.1) is Status.BELOW_INTRINSIC


def test_the_last_minute_and_the_deep_wings() -> None:
    spot = np.array([50.0, 99.0, 99.999, 100.001, 101.0, 200.0] * 2)
    terms = {
        "underlying": spot,
        "strike": 100.0,
        "expiry_years": 1 / 525_600,
        "rate": 0.05,
        "dividend_yield": 0.03,
        "sign": np.repeat([1.0, -1.0], 6),
        "black76": False,
    }
    found = model_greeks(volatility=0.3, **terms)
    plain = engine.model_greeks(volatility=0.3, **terms)
    assert (found.status == Status.OK).all() and all(np.isfinite(column).all() for column in found)
    pays = np.maximum(terms["sign"] * (spot - 100.0), 0.0)
    assert (found.price >= np.maximum(plain.price, pays) - 1e-9).all()
    np.testing.assert_allclose(found.price, np.maximum(plain.price, pays), atol=1e-4)
    far = model_greeks(
        volatility=0.2,
        **{
            **terms,
            "underlying": np.array([1e-6, 1e-3, 1e5, 1e8] * 3),
            "expiry_years": 2.0,
            "sign": np.tile([1.0, -1.0], 6),
        },
    )
    assert (far.status == Status.OK).all() and all(np.isfinite(column).all() for column in far)


def test_every_price_lies_between_its_bounds_and_above_the_european() -> None:
    options = wide(4000, 9)
    terms = contract(options)
    found = model_greeks(volatility=options["volatility"], **terms)
    plain = engine.model_greeks(volatility=options["volatility"], **terms)
    none_of(found)
    assert (found.price >= plain.price * (1 - 2e-5) - 1e-7).all()
    assert (found.price >= np.maximum(options["sign"] * (options["underlying"] - 100.0), 0.0) - 1e-12).all()
    assert (options["sign"] * found.delta <= 1.0 + 1e-6).all() and (options["sign"] * found.delta >= -1e-9).all()
    assert (found.gamma >= -1e-7).all() and (found.vega >= -1e-6).all()


def test_an_answer_does_not_depend_on_its_neighbours() -> None:
    options = wide(90, 10)
    terms = {**contract(options), "black76": np.zeros(90, bool)}
    price = model_greeks(volatility=options["volatility"], **terms).price
    whole = implied_greeks(price=price, **terms)
    for place in range(0, 90, 11):
        alone = implied_greeks(price=price[[place]], **{name: values[[place]] for name, values in terms.items()})
        for one, other in zip(alone, whole, strict=True):
            np.testing.assert_array_equal(one[0], other[place])


CASH = [
    # spot, strike, days, rate, volatility, sign, dividends, QuantLib's steps and nodes
    (116.0, 100.0, 571, 0.047, 0.16, -1.0, [(200, 1.5)]),
    (113.0, 100.0, 81, 0.058, 0.6, -1.0, [(10, 0.8), (50, 1.2)]),
    (101.6, 100.0, 241, 0.012, 0.52, 1.0, [(20, 1.0), (110, 2.0), (200, 2.4)]),
    (110.0, 100.0, 180, 0.03, 0.25, 1.0, [(60, 3.0), (150, 3.0)]),
    (95.0, 100.0, 252, 0.016, 0.66, -1.0, [(30, 2.0), (120, 2.0), (210, 2.0)]),
]


def owed(*groups: list[tuple[int, float]]) -> DividendColumns:
    return dividend_columns(
        [[CashDividend(day / 365, amount) for day, amount in group] for group in groups], np.arange(len(groups))
    )


def test_cash_dividends_are_escrowed_as_in_quantlib() -> None:
    for spot, strike, days, rate, volatility, sign, paid in CASH:
        dividends = owed(paid)
        found = model_greeks(
            volatility=volatility,
            underlying=spot - dividends.present_values(np.array([rate]))[0],
            strike=strike,
            expiry_years=days / 365,
            rate=rate,
            dividend_yield=0.0,
            sign=sign,
            black76=False,
            dividends=dividends,
        )
        # QuantLib projects onto exercise after each step, an error of first order in time: extrapolated
        coarse, fine = (
            quantlib_escrowed(spot, strike, days, rate, volatility, sign, paid, steps=steps, nodes=800)
            for steps in (200, 400)
        )
        assert found.price[0] == pytest.approx(2 * fine - coarse, rel=1e-4), (spot, days, sign)


def test_volatility_and_greeks_with_cash_dividends() -> None:
    dividends = owed(*(row[6] for row in CASH))
    spot, strike, days, rate, volatility, sign = (np.array(column) for column in list(zip(*CASH, strict=True))[:6])
    net = spot - dividends.present_values(rate)
    terms: dict[str, Any] = {
        "underlying": net,
        "strike": strike,
        "expiry_years": days / 365,
        "rate": rate,
        "dividend_yield": 0.0,
        "sign": sign,
        "black76": False,
        "dividends": dividends,
    }
    given = model_greeks(volatility=volatility, **terms)
    found = implied_greeks(price=given.price, **terms)
    np.testing.assert_allclose(found.implied_volatility, volatility, rtol=1e-4)

    def moved(**changes: Any) -> np.ndarray:
        return model_greeks(**{"volatility": volatility, **terms, **changes}).price

    step = 0.004 * net
    slopes = {
        "delta": (moved(underlying=net + step) - moved(underlying=net - step)) / (2 * step),
        "vega": (moved(volatility=volatility + 0.002) - moved(volatility=volatility - 0.002)) / 0.4,
        "rho": (moved(rate=rate + 5e-4) - moved(rate=rate - 5e-4)) / 0.1,
    }
    for name, slope in slopes.items():
        np.testing.assert_allclose(getattr(given, name), slope, rtol=2e-3, err_msg=name)
    plain = engine.model_greeks(volatility=volatility, **{k: v for k, v in terms.items() if k != "dividends"})
    assert (given.price > plain.price).all()


def test_the_compiled_code_and_its_numpy_twin_agree() -> None:
    options = wide(64, 11)
    call = options["sign"] > 0
    years = options["days"] / 365
    a = np.maximum(np.where(call, options["dividend_yield"], np.abs(options["rate"])) * years, 1e-10)
    b = np.where(call, options["rate"], options["dividend_yield"]) * years
    lm = np.log(np.where(call, 100.0 / options["underlying"], options["underlying"] / 100.0))
    inputs = (options["volatility"] * np.sqrt(years), lm, a, b, np.where(call, 0.0, 1.0), np.where(call, 1.0, 0.0))
    for scheme in (american.EASY, american.HARD):
        tables = american._tables(scheme)
        compiled, twin = np.empty((6, 64)), np.empty((6, 64))
        american.kernel.american_model(*inputs, *tables, compiled)
        with np.errstate(all="ignore"):
            american_reference.american_model(*inputs, *tables, twin)
        np.testing.assert_allclose(compiled, twin, rtol=2e-6, atol=2e-9)
        target = np.maximum(twin[0], 1e-9)
        rows = [np.empty((7, 64)), np.empty((7, 64))]
        done = [np.empty(64, np.uint8), np.empty(64, np.uint8)]
        bracket = (target, 1.1 * inputs[0], np.zeros(64), np.full(64, np.inf))
        american.kernel.american_implied(*bracket, *inputs[1:], *tables, rows[0], done[0])
        with np.errstate(all="ignore"):
            american_reference.american_implied(*bracket, *inputs[1:], *tables, rows[1], done[1])
        sure = (twin[3] > 1e-3) & (twin[5] == 0)
        assert sure.sum() > 20 and done[0][sure].all() and done[1][sure].all()
        np.testing.assert_allclose(rows[0][:, sure], rows[1][:, sure], rtol=1e-5, atol=1e-7)


def test_the_compiled_grid_and_its_numpy_twin_agree() -> None:
    s, lm, a, b, sign = (np.array(each) for each in ([0.2, 0.3], [0.02, -0.1], [0.03, 0.05], [0.0, 0.0], [1.0, -1.0]))
    offsets, when, amount = np.array([0, 2, 3]), np.array([0.3, 0.8, 0.5]), np.array([0.02, 0.02, 0.01])
    from signals.greeks.core import kernel_american_grid

    compiled, twin = np.empty((7, 2)), np.empty((7, 2))
    for function, result in (
        (kernel_american_grid.american_grid, compiled),
        (american_grid_reference.american_grid, twin),
    ):
        function(s, lm, a, b, sign, offsets, when, amount, s, 101, 40, result)
    np.testing.assert_allclose(compiled, twin, rtol=1e-6, atol=1e-8)


def test_without_numba_the_numbers_are_the_same() -> None:
    options = wide(20, 12)
    terms = contract(options)
    expected = model_greeks(volatility=options["volatility"], **terms)
    program = (
        "import numpy as np; from tests.core.test_american import contract, wide;"
        "from signals.greeks.core.american import model_greeks; o = wide(20, 12);"
        "print(model_greeks(volatility=o['volatility'], **contract(o)).price.tolist())"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    np.testing.assert_allclose(np.array(eval(answer.stdout)), expected.price, rtol=1e-6, atol=1e-8)
