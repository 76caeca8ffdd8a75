"""`evaluate`, the function behind every entry point."""

import math
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from signals.greeks.core.conventions import (
    FORWARD_SOURCES,
    FORWARD_WORDS,
    PRICE_WORDS,
    VOLATILITY_WORDS,
    DayCount,
    FallbackVolatility,
    ForwardSource,
    GreeksParams,
    Model,
    PriceSource,
)
from signals.greeks.core.evaluate import GreeksResult, OptionColumns, evaluate
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.py_vollib_reference import py_vollib_greeks
from signals.greeks.core.reasons import STATUS_WORDS, reason
from signals.greeks.core.status import Status
from signals.greeks.core.window import moneyness, within

NAN = math.nan
DAY = 86400.0
VALUES = ("implied_volatility", "delta", "gamma", "theta", "vega", "rho", "theoretical_price")
QUOTE = dict.fromkeys((field.name for field in fields(QuoteColumns)), NAN)
OPTION: dict[str, Any] = {
    "sign": 1.0,
    "strike": 24_000.0,
    "seconds_to_expiry": 20 * DAY,
    "days_to_expiry": 20.0,
    "black76": False,
    "dividend_yield": 0.01,
    "spot": 24_100.0,
    "forward": 24_150.0,
    "forward_source": FORWARD_SOURCES.index(ForwardSource.PARITY),
    "volatility_index": 0.14,
    "forward_price_source": 0,
    **dict.fromkeys(("forward_price_age",), 0.5),
    **dict.fromkeys(("forward_bid", "forward_ask", "forward_residual", "forward_strikes", "forward_excluded"), NAN),
    "strikes_disagree": False,
    **{f"override_{name}": NAN for name in ("price", "underlying", "volatility", "rate", "dividend_yield")},
    "override_expiry_years": NAN,
}
LIQUID = {"bid": 420.0, "ask": 422.0, "last": 425.0}


COLUMNS = [field for field in fields(GreeksResult) if field.name != "dividends"]


def columns(*options: dict[str, Any]) -> OptionColumns:
    def column(name: str, default: Any) -> np.ndarray:
        return np.array([option.get(name, default) for option in options])

    quotes = QuoteColumns(**{name: column(name, value).astype(float) for name, value in QUOTE.items()})
    rest = {name: column(name, value) for name, value in OPTION.items()}
    rest["forward_source"] = rest["forward_source"].astype(np.int8)
    return OptionColumns(quotes=quotes, **rest)


def one(params: GreeksParams | None = None, **option: Any) -> dict[str, Any]:
    frame = evaluate(columns({**LIQUID, **option}), params or GreeksParams())
    return {field.name: getattr(frame, field.name)[0] for field in COLUMNS}


def test_the_mid_and_the_forward_found_are_used() -> None:
    row = one()
    years = 20 / 365
    assert row["status"] == Status.OK
    assert (row["price_used"], PRICE_WORDS[row["price_source"]]) == (421.0, "mid")
    assert (row["forward"], FORWARD_WORDS[row["forward_source"]]) == (24_150.0, "parity")
    assert row["expiry_years"] == pytest.approx(years, rel=1e-15)
    assert row["underlying_used"] == pytest.approx(24_150.0 * math.exp(-(0.065 - 0.01) * years), rel=1e-14)
    assert VOLATILITY_WORDS[row["iv_source"]] == "price"
    assert row["theoretical_price"] == pytest.approx(421.0, rel=1e-12)


@pytest.mark.parametrize("black76", [False, True])
def test_py_vollib_agrees_on_the_receipt(black76: bool) -> None:
    row = one(GreeksParams(model=Model.BLACK76 if black76 else Model.BSM))
    assert row["black76"] == black76
    theirs = py_vollib_greeks(
        price=row["price_used"],
        underlying=row["underlying_used"],
        strike=24_000.0,
        expiry_years=row["expiry_years"],
        rate=row["rate"],
        dividend_yield=row["dividend_yield"],
        sign=1.0,
        black76=black76,
    )
    assert isinstance(theirs, dict)
    for name, value in theirs.items():
        assert row[name] == pytest.approx(value, rel=1e-9), name


@pytest.mark.parametrize(
    ("status", "option", "params"),
    [
        (Status.BELOW_INTRINSIC, {"override_price": 1.0, "forward": 26_000.0}, {}),
        (Status.ABOVE_MAXIMUM, {"override_price": 30_000.0}, {}),
        (
            Status.NO_TIME_VALUE,
            {"override_price": 100.0, "override_underlying": 24_100.0, "override_rate": 0.0},
            {"dividend_yield": 0.0},
        ),
        (Status.NO_PRICE, {"bid": NAN, "last": NAN}, {}),
        (Status.NO_PRICE, {"bid": NAN, "last": NAN, "forward": NAN, "forward_source": -1}, {}),
        (Status.NO_PRICE, {}, {"price": PriceSource.SETTLE}),
        (Status.NO_UNDERLYING, {"forward": NAN, "forward_source": -1}, {}),
        (Status.NO_UNDERLYING, {"spot": NAN, "forward_source": FORWARD_SOURCES.index(ForwardSource.SPOT)}, {}),
        (Status.NO_UNDERLYING, {"forward": NAN, "forward_source": -1, "override_volatility": 0.2}, {}),
        (Status.STRIKES_DISAGREE, {"forward": NAN, "forward_source": -1, "strikes_disagree": True}, {}),
        (Status.EXPIRED, {"seconds_to_expiry": 0.0}, {}),
        (Status.EXPIRED, {"seconds_to_expiry": -5.0, "override_volatility": 0.2}, {}),
        (Status.EXPIRED, {"seconds_to_expiry": -5.0, "days_to_expiry": 0.0}, {"day_count": DayCount.CALENDAR_DAYS}),
        (Status.EXPIRED, {"seconds_to_expiry": 0.0, "days_to_expiry": 0.0}, {"day_count": DayCount.CALENDAR_DAYS}),
        (Status.BAD_INPUT, {"strike": NAN}, {}),
        (Status.BAD_INPUT, {"sign": NAN}, {}),
    ],
)
def test_what_has_no_value_has_a_status_and_no_numbers(
    status: Status, option: dict[str, Any], params: dict[str, Any]
) -> None:
    row = one(GreeksParams(**params), **option)
    assert row["status"] == status
    assert all(math.isnan(row[name]) for name in VALUES)
    assert row["iv_source"] == -1 and row["vix_instead_of"] == 0


def test_a_minute_before_expiry_there_still_is_an_answer() -> None:
    row = one(seconds_to_expiry=60.0, override_price=151.0)
    assert row["status"] == Status.OK
    assert row["implied_volatility"] > 0


def test_overrides_are_used_and_named() -> None:
    row = one(override_price=500.0, override_underlying=24_200.0, override_rate=0.05, override_dividend_yield=0.02)
    assert (row["price_used"], PRICE_WORDS[row["price_source"]]) == (500.0, "override")
    assert (row["underlying_used"], FORWARD_WORDS[row["forward_source"]]) == (24_200.0, "override")
    assert row["forward"] == pytest.approx(24_200.0 * math.exp(0.03 * row["expiry_years"]), rel=1e-15)
    assert (row["rate"], row["dividend_yield"]) == (0.05, 0.02)


def test_a_given_volatility_is_taken_even_without_a_price() -> None:
    row = one(override_volatility=0.2, bid=NAN, last=NAN)
    assert (row["status"], row["implied_volatility"]) == (Status.OK, 0.2)
    assert VOLATILITY_WORDS[row["iv_source"]] == "override"
    assert math.isnan(row["price_used"]) and PRICE_WORDS[row["price_source"]] is None
    again = one(override_price=row["theoretical_price"])
    assert again["implied_volatility"] == pytest.approx(0.2, rel=1e-9)


def test_spot_is_carried_with_the_elements_own_rate_and_yield() -> None:
    spot = {"forward_source": FORWARD_SOURCES.index(ForwardSource.SPOT), "forward": 1.0}
    row = one(GreeksParams(dividend_yield=0.03), **spot, override_rate=0.1)
    assert row["underlying_used"] == 24_100.0
    assert row["forward"] == pytest.approx(24_100.0 * math.exp(0.07 * row["expiry_years"]), rel=1e-15)


@pytest.mark.parametrize(
    ("option", "instead_of"),
    [
        ({"override_price": 1.0, "forward": 26_000.0}, Status.BELOW_INTRINSIC),
        ({"override_price": 30_000.0}, Status.ABOVE_MAXIMUM),
        ({"bid": NAN, "last": NAN}, Status.NO_PRICE),
    ],
)
def test_the_volatility_index_stands_in_where_it_is_asked_to(option: dict[str, Any], instead_of: Status) -> None:
    row = one(GreeksParams(fallback_volatility=FallbackVolatility.VIX), **option)
    assert (row["status"], row["implied_volatility"]) == (Status.OK, 0.14)
    assert VOLATILITY_WORDS[row["iv_source"]] == "vix"
    assert row["vix_instead_of"] == instead_of


@pytest.mark.parametrize(
    "option",
    [{"volatility_index": NAN}, {"seconds_to_expiry": -1.0}, {"forward": NAN, "forward_source": -1}, {"strike": NAN}],
)
def test_the_volatility_index_invents_nothing(option: dict[str, Any]) -> None:
    params = GreeksParams(fallback_volatility=FallbackVolatility.VIX)
    row = one(params, **{"bid": NAN, "last": NAN, **option})
    assert row["status"] != Status.OK
    assert math.isnan(row["implied_volatility"])


@pytest.mark.parametrize("fallback", FallbackVolatility)
def test_an_answer_does_not_depend_on_its_neighbours(fallback: FallbackVolatility) -> None:
    rng = np.random.default_rng(3)
    many = [
        {
            "sign": rng.choice([-1.0, 1.0]),
            "strike": float(rng.integers(200, 280) * 100),
            "last": float(rng.uniform(0.05, 4000)),
            "seconds_to_expiry": float(rng.uniform(-DAY, 90 * DAY)),
            "black76": bool(rng.integers(2)),
            "override_volatility": rng.choice([NAN, 0.3]),
        }
        for _ in range(300)
    ]
    params = GreeksParams(fallback_volatility=fallback)
    whole = evaluate(columns(*many), params)
    assert len(set(whole.status.tolist())) + len(set(whole.vix_instead_of.tolist())) > 3
    for place in range(0, 300, 7):
        alone = evaluate(columns(many[place]), params)
        for field in COLUMNS:
            np.testing.assert_array_equal(
                getattr(alone, field.name)[0], getattr(whole, field.name)[place], err_msg=f"{field.name} of {place}"
            )


def test_nothing_at_all() -> None:
    assert len(evaluate(columns({}), GreeksParams()).status) == 1
    nothing = evaluate(columns({}), GreeksParams())
    assert nothing.status.tolist() == [Status.NO_PRICE]


def test_every_status_has_a_word_and_a_reason_with_its_numbers() -> None:
    numbers = {"price": 12.5, "intrinsic": 15.0, "maximum": 99.0, "wanted": "settle", "forward": "future"}
    numbers |= {"strikes": 4.0, "pairs": 9.0}
    texts = {status: reason(status, **numbers) for status in Status}  # type: ignore[arg-type]
    assert texts[Status.OK] is None
    assert texts[Status.BELOW_INTRINSIC] == "price 12.5 is below the discounted intrinsic value 15"
    assert "99" in (texts[Status.ABOVE_MAXIMUM] or "")
    assert "settle" in (texts[Status.NO_PRICE] or "") and "future" in (texts[Status.NO_UNDERLYING] or "")
    assert "the 4 of 9" in (texts[Status.STRIKES_DISAGREE] or "")
    assert all(texts[status] for status in Status if status is not Status.OK)
    assert {status.word for status in STATUS_WORDS if status.retryable} == {"no_price", "no_underlying"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"price": NAN}, "nothing to compute from"),
        ({"expiry_years": 0.0}, "nothing to compute from"),
        ({"price": 1.0, "strike": 50.0}, "below intrinsic"),
        ({"price": 200.0}, "above the maximum"),
        ({"price": 50.0, "strike": 50.0, "rate": 0.0, "dividend_yield": 0.0}, "no volatility"),
    ],
)
def test_py_vollibs_complaints_are_told_in_words(change: dict[str, float], words: str) -> None:
    option = {
        "price": 10.0,
        "underlying": 100.0,
        "strike": 100.0,
        "expiry_years": 1.0,
        "rate": 0.05,
        "dividend_yield": 0.01,
        "sign": 1.0,
    }
    answer = py_vollib_greeks(**{**option, **change}, black76=False)
    assert isinstance(answer, str) and words in answer


def test_moneyness_windows() -> None:
    ratio = moneyness(np.array([90.0, 100.0, 110.0, 100.0]), np.array([100.0, 100.0, 100.0, NAN]))
    np.testing.assert_allclose(ratio[:3], [0.9, 1.0, 1.1])
    assert within(ratio, None, None).tolist() == [True] * 4
    assert within(ratio, 0.9, None).tolist() == [True, True, True, False]
    assert within(ratio, 0.95, 1.0).tolist() == [False, True, False, False]


class TestYearsOfTheCaller:
    """`expiry_years` replaces the calendar's T in the model and in the carry, and moves no price of the market."""

    def test_the_forward_of_the_strikes_stays(self) -> None:
        row = one(override_expiry_years=0.5)
        assert row["status"] == Status.OK and row["expiry_years"] == 0.5
        assert row["forward"] == 24_150.0
        assert row["underlying_used"] == pytest.approx(24_150.0 * math.exp(-(0.065 - 0.01) * 0.5), rel=1e-14)

    @pytest.mark.parametrize(
        "given", [{"forward_source": FORWARD_SOURCES.index(ForwardSource.SPOT)}, {"override_underlying": 24_100.0}]
    )
    def test_a_spot_is_carried_over_them(self, given: dict[str, Any]) -> None:
        row = one(override_expiry_years=0.5, **given)
        assert row["underlying_used"] == 24_100.0
        assert row["forward"] == pytest.approx(24_100.0 * math.exp((0.065 - 0.01) * 0.5), rel=1e-14)

    def test_a_future_of_another_expiry_is_carried_on(self) -> None:
        source = FORWARD_SOURCES.index(ForwardSource.CARRIED_FUTURE)
        kept, longer = one(forward_source=source), one(forward_source=source, override_expiry_years=0.5)
        assert kept["forward"] == 24_150.0
        assert longer["forward"] == pytest.approx(24_150.0 * math.exp((0.065 - 0.01) * (0.5 - 20 / 365)), rel=1e-14)

    @pytest.mark.parametrize("day_count", DayCount)
    def test_an_expiry_that_is_past_or_unknown_does_not_matter(self, day_count: DayCount) -> None:
        params = GreeksParams(day_count=day_count)
        rows = [
            one(params, seconds_to_expiry=seconds, days_to_expiry=days, override_expiry_years=0.25, **MINE)
            for seconds, days in ((-DAY, -1.0), (0.0, 0.0), (NAN, NAN), (20 * DAY, 20.0))
        ]
        assert {row["status"] for row in rows} == {Status.OK}
        assert len({row["delta"] for row in rows}) == 1

    def test_the_same_contract_by_its_calendar(self) -> None:
        """T as the calendar has it gives the calendar's answer, to the last bit."""
        plain = one(**MINE)
        mine = one(**MINE, override_expiry_years=plain["expiry_years"])
        assert all(mine[name] == plain[name] for name in VALUES)


MINE = {"override_underlying": 24_100.0, "override_volatility": 0.2}
