"""American options against QuantLib and a binomial tree, and what they must obey."""

import numpy as np
import pytest

from signals.greeks.core import engine
from signals.greeks.core.american import implied_greeks, model_greeks
from signals.greeks.core.american_contracts import Contracts, bounds
from signals.greeks.core.status import Status
from tests.core.american_options import FLOOR, NAMES, by_quantlib, contract, none_of, wide
from tests.core.american_references import quantlib_price, tree_price


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
    least, _ = bounds(
        Contracts(
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
