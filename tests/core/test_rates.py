"""Zero curves, what was known of rates and dividends on a date, and what follows for the options of an expiry."""

import gc
import itertools
import math
import weakref
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.greeks.core.carry import DividendSource, GroupCarry, RateSource, find_carries
from signals.greeks.core.conventions import DEFAULT_RATE, DayCount, GreeksParams
from signals.greeks.core.dividends import AN_INSTANT, CashDividend, DividendColumns, dividend_columns, no_dividends
from signals.instruments.core.underlyings import currency_of
from signals.rates.core.carry import ALWAYS, MOST_DAYS, Carry, CarryHistory, DatedYield, ExDividend, StoredDividend
from signals.rates.core.conversions import Compounding, to_continuous, zeros_of_par
from signals.rates.core.curves import CURVE_DAYS, ZeroCurve

DAY = 86_400.0
NOW = datetime(2026, 6, 11, 10, 0, tzinfo=UTC).timestamp()
TODAY = date(2026, 6, 11).toordinal()


def curve(points: dict[float, float], day: int = TODAY, currency: str = "INR") -> ZeroCurve:
    return ZeroCurve(
        currency, day, np.array(sorted(points), float), np.array([points[each] for each in sorted(points)])
    )


def test_a_curve_is_linear_between_tenors_and_flat_outside() -> None:
    found = curve({30: 0.05, 90: 0.06, 365: 0.07})
    days = np.array([0.0, 1.0, 30.0, 60.0, 75.0, 90.0, 227.5, 365.0, 366.0, 36_500.0])
    wanted = [0.05, 0.05, 0.05, 0.055, 0.0575, 0.06, 0.065, 0.07, 0.07, 0.07]
    assert found.rate(days / 365.0) == pytest.approx(wanted, abs=1e-15)


@settings(deadline=None)
@given(
    points=st.dictionaries(st.integers(1, 36_500), st.floats(-0.5, 1.0), min_size=1, max_size=15),
    years=st.lists(st.floats(0.0, 100.0), min_size=1, max_size=20),
)
def test_discount_factors_are_positive_and_rates_lie_between_the_quoted_ones(
    points: dict[int, float], years: list[float]
) -> None:
    rates = curve(points).rate(np.array(years))
    assert np.all(np.exp(-rates * np.array(years)) > 0)
    assert np.all((rates >= min(points.values()) - 1e-15) & (rates <= max(points.values()) + 1e-15))


@pytest.mark.parametrize("compounding", [each for each in Compounding if each is not Compounding.PAR])
@settings(deadline=None)
@given(rate=st.floats(-0.05, 0.3), days=st.integers(1, 364))
def test_a_converted_rate_gives_the_price_that_its_convention_means(
    compounding: Compounding, rate: float, days: int
) -> None:
    years = days / 365.0
    price = {
        Compounding.CONTINUOUS: math.exp(-rate * years),
        Compounding.SIMPLE: 1.0 / (1.0 + rate * years),
        Compounding.ANNUAL: (1.0 + rate) ** -years,
        Compounding.SEMIANNUAL: (1.0 + rate / 2.0) ** (-2.0 * years),
        Compounding.DISCOUNT: 1.0 - rate * days / 360.0,
    }[compounding]
    assert math.exp(-to_continuous(rate, days, compounding) * years) == pytest.approx(price, rel=1e-12)


@pytest.mark.parametrize(
    ("rate", "compounding"),
    [
        (-1.0, Compounding.ANNUAL),
        (-2.5, Compounding.SEMIANNUAL),
        (-30.0, Compounding.SIMPLE),
        (6.0, Compounding.DISCOUNT),
    ],
)
def test_a_rate_that_no_positive_price_has_is_refused(rate: float, compounding: Compounding) -> None:
    with pytest.raises(ValueError):
        to_continuous(rate, 90, compounding)


# The par yields of the US Treasury of 7 October 2024, as it published them.
TREASURY = {
    30: 0.0500, 61: 0.0487, 91: 0.0477, 122: 0.0467, 182: 0.0445, 365: 0.0424, 730: 0.0399, 1_095: 0.0389,
    1_825: 0.0386, 2_555: 0.0392, 3_650: 0.0403, 7_300: 0.0437, 10_950: 0.0430,
}  # fmt: skip


def test_bonds_at_the_par_yields_are_worth_par_on_the_bootstrapped_curve() -> None:
    zeros = zeros_of_par(list(TREASURY), list(TREASURY.values()))
    for days, zero, par in zip(TREASURY, zeros, TREASURY.values(), strict=True):
        if days <= 182:
            assert math.exp(-zero * days / 365) == pytest.approx(1 / (1 + par * days / 365), rel=1e-14)
    # Each bond reprices at 1 where the zero rate at its coupon dates is known: those of the whole half-year grid.
    halves = [0.5 * each for each in range(1, 61)]
    par_at = np.interp(halves, np.array(list(TREASURY)) / 365, list(TREASURY.values()))
    whole = zeros_of_par([365.0 * each for each in halves], par_at.tolist())
    factors = np.exp(-np.array(whole) * halves)
    for number in range(2, 61):  # the first is a bill, of 182.5 days
        coupon = 0.5 * par_at[number - 1]
        assert coupon * factors[:number].sum() + factors[number - 1] == pytest.approx(1.0, abs=1e-12)
    by_years = dict(zip(halves, whole, strict=True))
    for days, zero in zip(TREASURY, zeros, strict=True):
        if days >= 365:
            assert zero == pytest.approx(by_years[days / 365], abs=1e-12)
    assert np.all(np.exp(-np.array(zeros) * np.array(list(TREASURY)) / 365) > 0)


def test_a_par_curve_with_an_impossible_yield_has_no_zero_rates_from_there_on() -> None:
    zeros = zeros_of_par([182.0, 365.0, 730.0, 3_650.0], [0.04, 0.04, 3.0, 0.04])
    assert zeros[0] == pytest.approx(math.log1p(0.04 * 182 / 365) / (182 / 365))
    assert not math.isfinite(zeros[3])


HISTORY = CarryHistory(
    curves=[
        curve({90: rate}, day)
        for day, rate in ((TODAY - 40, 0.04), (TODAY - 3, 0.05), (TODAY, 0.06), (TODAY + 1, 0.07))
    ],
    yields=[DatedYield(TODAY - 400, 0.01), DatedYield(TODAY - 2, 0.02)],
    dividends=[
        StoredDividend(ALWAYS, TODAY + 5, NOW + 5 * DAY, 1.0),
        StoredDividend(TODAY - 1, TODAY + 5, NOW + 5 * DAY, 2.0),
        StoredDividend(TODAY + 1, TODAY + 5, NOW + 5 * DAY, 3.0),
        StoredDividend(TODAY - 9, TODAY + 50, NOW + 50 * DAY, 0.0),
        StoredDividend(ALWAYS, TODAY - 5, NOW - 5 * DAY, 9.0),
    ],
)


@pytest.mark.parametrize(
    ("day", "rate", "dividend_yield", "paid"),
    [
        (TODAY, 0.06, 0.02, 2.0),
        (TODAY - 1, 0.05, 0.02, 2.0),
        (TODAY - 2, 0.05, 0.02, 1.0),
        (TODAY - 3, 0.05, 0.01, 1.0),
        (TODAY - 4, None, 0.01, 1.0),  # the curve before is 36 days old
        (TODAY - 40 + CURVE_DAYS, 0.04, 0.01, 1.0),
        (TODAY - 41, None, 0.01, 1.0),
        (TODAY - 401, None, math.nan, 1.0),
        (TODAY + 1, 0.07, 0.02, 3.0),
        (TODAY + 1 + CURVE_DAYS, 0.07, 0.02, 3.0),
        (TODAY + 2 + CURVE_DAYS, None, 0.02, 3.0),
    ],
)
def test_a_day_knows_what_was_dated_up_to_it(day: int, rate: float | None, dividend_yield: float, paid: float) -> None:
    known = HISTORY.on(day)
    assert (known.curve and known.curve.rates[0]) == rate
    assert known.dividend_yield == pytest.approx(dividend_yield, nan_ok=True)
    assert {each.ex_day: each.amount for each in known.dividends}[TODAY + 5] == paid


def carries(
    params: GreeksParams, known: Carry, own: float = 0.0, days: tuple[int, ...] = (4, 30, 90)
) -> list[GroupCarry]:
    ends = NOW + DAY * np.array(days, float)
    return find_carries(
        params,
        known=[known],
        own_yields=np.array([own]),
        today=np.array([TODAY]),
        at=np.array([NOW]),
        of=np.zeros(len(days), np.intp),
        expires_at=ends,
        years=(ends - NOW) / (365 * DAY),
    )


def test_each_expiry_has_the_rate_of_its_own_time() -> None:
    found = carries(GreeksParams(), Carry(curve=curve({30: 0.05, 90: 0.07}, TODAY - 2)))
    assert [each.rate for each in found] == pytest.approx([0.05, 0.05, 0.07])
    assert {(each.rate_source, each.curve_day) for each in found} == {(RateSource.CURVE, TODAY - 2)}


def test_the_caller_comes_before_the_curve_and_the_default_last() -> None:
    known = Carry(curve=curve({30: 0.05}))
    assert {(each.rate, each.rate_source) for each in carries(GreeksParams(rate=0.05), known)} == {
        (0.05, RateSource.PARAMETER)
    }
    (found,) = carries(GreeksParams(), Carry(), days=(30,))
    assert (found.rate, found.rate_source, found.curve_day) == (DEFAULT_RATE, RateSource.DEFAULT, None)


@pytest.mark.parametrize(
    ("params", "known", "own", "wanted"),
    [
        (GreeksParams(), Carry(), 0.0, (0.0, "none")),
        (GreeksParams(), Carry(), 0.013, (0.013, "underlying")),
        (GreeksParams(), Carry(dividend_yield=0.02), 0.013, (0.02, "dated")),
        (GreeksParams(), Carry(dividend_yield=0.0), 0.013, (0.0, "dated")),
        (GreeksParams(dividend_yield=0.0), Carry(dividend_yield=0.02), 0.013, (0.0, "parameter")),
    ],
)
def test_yields_have_an_order(params: GreeksParams, known: Carry, own: float, wanted: tuple[float, str]) -> None:
    assert {(each.dividend_yield, str(each.dividend_source)) for each in carries(params, known, own)} == {wanted}


AHEAD = tuple(ExDividend(TODAY + days, NOW + days * DAY, amount) for days, amount in ((-3, 9.0), (5, 2.0), (60, 3.0)))


def test_cash_dividends_are_those_between_now_and_the_expiry() -> None:
    known = Carry(dividend_yield=0.02, dividends=AHEAD)
    found = carries(GreeksParams(), known, own=0.013)
    assert [each.dividends for each in found] == [
        (),
        (CashDividend(5 / 365, 2.0),),
        (CashDividend(5 / 365, 2.0), CashDividend(60 / 365, 3.0)),
    ]
    assert {(each.dividend_yield, each.dividend_source) for each in found} == {(0.0, DividendSource.DISCRETE)}
    rate = DEFAULT_RATE
    assert found[2].dividend_value == pytest.approx(2 * math.exp(-rate * 5 / 365) + 3 * math.exp(-rate * 60 / 365))
    (given,) = carries(GreeksParams(dividend_yield=0.01), known, days=(90,))
    assert (given.dividend_source, given.dividends) == (DividendSource.PARAMETER, ())
    (over,) = carries(GreeksParams(), Carry(dividend_yield=0.02, dividends=AHEAD[:1]), days=(90,))
    assert over.dividend_source is DividendSource.DATED  # the last one known has gone ex


def test_calendar_days_count_to_the_ex_date_too() -> None:
    (found,) = carries(GreeksParams(day_count=DayCount.CALENDAR_DAYS), Carry(dividends=AHEAD[1:2]), days=(30,))
    assert found.dividends == (CashDividend(5 / 365, 2.0),)


def test_a_dividend_of_nothing_says_that_none_is_paid() -> None:
    none = ExDividend(TODAY + 5, NOW + 5 * DAY, 0.0)
    (found,) = carries(GreeksParams(), Carry(dividend_yield=0.02, dividends=(none,)), days=(30,))
    assert (found.dividend_yield, found.dividend_source, found.dividends) == (0.0, DividendSource.DISCRETE, ())


groups = st.lists(st.lists(st.tuples(st.floats(0.001, 5.0), st.floats(0.01, 50.0)), max_size=5), min_size=1, max_size=6)


@settings(deadline=None)
@given(groups=groups, data=st.data())
def test_dividends_of_options_stay_together(groups: list[list[tuple[float, float]]], data: st.DataObject) -> None:
    paid = [[CashDividend(*each) for each in group] for group in groups]
    place = np.array(data.draw(st.lists(st.integers(0, len(groups) - 1), max_size=12)), np.intp)
    columns = dividend_columns(paid, place)
    wanted = [paid[each] for each in place.tolist()]
    assert listed(columns) == wanted
    rate = np.linspace(-0.1, 0.3, len(place))
    by_hand = [
        sum(amount * math.exp(-own * years) for years, amount in each) for own, each in zip(rate, wanted, strict=True)
    ]
    assert columns.present_values(rate) == pytest.approx(by_hand)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(place), max_size=len(place))), np.bool_)
    assert listed(columns.take(mask)) == [each for each, kept in zip(wanted, mask, strict=True) if kept]
    assert listed(columns.where(mask)) == [each if kept else [] for each, kept in zip(wanted, mask, strict=True)]
    ends = np.linspace(0.5, 4.0, len(place))
    assert listed(columns.until(ends)) == [
        [one for one in each if one.years <= end + AN_INSTANT] for end, each in zip(ends.tolist(), wanted, strict=True)
    ]
    assert len(no_dividends(len(place))) == len(place)


def listed(columns: DividendColumns) -> list[list[CashDividend]]:
    flat = list(map(CashDividend, columns.years.tolist(), columns.amounts.tolist()))
    ends = columns.offsets.tolist()
    return [flat[begin:end] for begin, end in itertools.pairwise(ends)]


@pytest.mark.parametrize(
    ("underlying", "currency"),
    [
        ("NSE@NIFTY", "INR"), ("SIM@NIFTY", "INR"), ("CBOE@SPX", "USD"), ("DERIBIT@BTC", "USD"), ("BTC/USDT", "USDT"),
        ("BINANCE@BTC/USDT", "USDT"), ("FOO@X", ""), ("nonsense", "USD"),
    ],
)  # fmt: skip
def test_an_underlying_has_the_currency_of_its_exchange_or_pair(underlying: str, currency: str) -> None:
    assert currency_of(underlying) == currency


def test_a_history_keeps_its_days_and_nothing_else_keeps_a_history() -> None:
    history = CarryHistory([curve({30: 0.05})])
    assert history.on(TODAY) is history.on(TODAY)
    for later in range(3 * MOST_DAYS):
        history.on(TODAY + later)
    assert len(history._kept) <= MOST_DAYS
    known = history.on(TODAY).curve
    assert known is history.curves[0]
    rates = weakref.ref(known.rates)
    del history, known
    gc.collect()
    assert rates() is None
