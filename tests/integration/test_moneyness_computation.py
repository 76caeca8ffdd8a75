"""Chains of underlyings as a computation: equal to one evaluation an instant, or null with a reason."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
import pytest

from moneyness.computations.chains import Moneyness
from moneyness.computations.columns import COLUMNS_OF
from moneyness.core.chain_params import AtmVolatility, ChainParams, DealerSign, GammaFormula
from moneyness.core.chain_rows import What, chain_rows
from moneyness.core.evaluate_chain import evaluate_chain, price_chains
from moneyness.stored_chains import load_stored
from signals.greeks.core.conventions import GreeksParams, PriceSource
from signalsite.foundation.computations.answers import declared
from signalsite.foundation.errors import InvalidInput
from tests.integration.history_market import EXPIRIES, NAME, STRIKES, store_market, times
from timeframes.core.sessions import session_close

pytestmark = pytest.mark.django_db
AT = times()[9]
CLOSE = session_close("NSE", date(2024, 1, 10))
KIND = Moneyness()


@pytest.fixture(autouse=True)
def market() -> None:
    store_market()


def compute(keys: list[str], as_of: datetime = AT, **params: Any) -> list[dict[str, Any]]:
    asked: Mapping[str, Any] = KIND.defaults | params
    answers = KIND.evaluate(KIND.load(keys, {}, as_of, asked, {}))
    columns = declared(KIND, answers, asked)
    assert answers.item is not None and (np.diff(answers.item) >= 0).all()
    assert set(answers.item.tolist()) == set(range(len(keys)))
    most = KIND.rows_per_item(asked)
    assert max(np.bincount(answers.item)) <= most
    return [
        {"item": item, **{name: known(value) for name, value in zip(columns, row, strict=True)}}
        for item, row in zip(answers.item.tolist(), zip(*columns.values(), strict=True), strict=True)
    ]


def known(value: Any) -> Any:
    return None if value != value else value


def alone(what: What, at: datetime, params: ChainParams, conventions: GreeksParams) -> dict[str, list[Any]]:
    stored = load_stored([(NAME, at)], conventions)
    assert stored is not None
    priced = price_chains(stored.snapshot, stored.keys, stored.black76, stored.interest, conventions)
    _, columns = chain_rows(evaluate_chain(priced, params), what)
    return {name: column.tolist() for name, column in columns.items()}


@pytest.mark.parametrize("what", list(What))
@pytest.mark.parametrize("others", [False, True])
def test_rows_are_those_of_one_evaluation(what: What, others: bool) -> None:
    asked: dict[str, Any] = {"what": what.value}
    params, conventions = ChainParams(), GreeksParams()
    if others:
        asked |= {"strikes": 1, "deltas": [0.4, 0.2], "tenors": [10.0], "atm_volatility": "straddle", "price": "last"}
        asked |= {"rate": 0.02, "dealer_sign": "short_all", "gamma_formula": "notional", "fit": False}
        params = ChainParams(
            strikes=1,
            deltas=(0.2, 0.4),
            tenors=(10.0,),
            atm_volatility=AtmVolatility.STRADDLE,
            dealer_sign=DealerSign.SHORT_ALL,
            gamma_formula=GammaFormula.NOTIONAL,
            fit=False,
        )
        conventions = GreeksParams(rate=0.02, price=PriceSource.LAST)
    rows = compute([NAME], **asked)
    wanted = alone(what, AT, params, conventions)
    assert {row["status"] for row in rows} == {"ok"} and len(rows) == len(wanted["expiry"]) > 0
    for name, values in wanted.items():
        assert [row[name] for row in rows] == [known(value) for value in values], name
    assert set(rows[0]) == {"item", "status", "reason", "retryable", *(each.name for each in COLUMNS_OF[what])}
    name = "atm_implied_volatility" if what is What.SUMMARY else "implied_volatility"
    assert any(row[name] is not None and row[name] > 0.1 for row in rows)


def test_items_times_dates_and_what_has_no_data() -> None:
    keys = [NAME, "NSE@NOBODY", NAME, "nonsense", "NSE@NIFTY@equity_spot", "MOON@X"]
    rows = compute(keys, start_date="2024-01-06", end_date="2024-01-11", at_time="09:20")
    own = [row for row in rows if row["item"] == 0]
    # The 6th and 7th are a weekend. On the 8th nothing is stored, and on the 11th quotes are of the day before.
    assert [(row["chain_as_of"], row["expiry"]) for row in own] == [
        ("2024-01-08T03:50:00+00:00", None),
        *((f"2024-01-{day:02}T03:50:00+00:00", str(expiry)) for day in (9, 10, 11) for expiry in EXPIRIES),
    ]
    assert [row["status"] for row in own] == ["no_chain"] + ["ok"] * 6
    assert own[0]["reason"].startswith(f"no option of {NAME}") and own[0]["retryable"]
    assert [row for row in rows if row["item"] == 2] == [{**row, "item": 2} for row in own]
    assert {row["status"] for row in rows if row["item"] == 1} == {"no_chain"}
    bad = [row for row in rows if row["item"] >= 3]
    assert [row["status"] for row in bad] == ["bad_input"] * 3 and all(row["reason"] for row in bad)
    for place, row in enumerate(own[1:]):
        (single,) = [
            each
            for each in compute([NAME], datetime.fromisoformat(row["chain_as_of"]))
            if each["expiry"] == row["expiry"]
        ]
        assert single == row, place
    (weekend,) = compute([NAME], start_date="2024-01-06", end_date="2024-01-07")
    assert (weekend["status"], weekend["expiry"]) == ("no_session", None)


def test_a_chain_without_a_young_price_has_its_reason() -> None:
    (row,) = compute([NAME], times()[0])
    assert (row["status"], row["spot"], row["chain_as_of"]) == ("no_chain", None, times()[0].isoformat())
    assert compute([NAME], AT, max_quote_age_seconds=1.0)[0]["status"] == "ok"  # a bar ends at this instant
    later = AT.replace(second=30)
    assert compute([NAME], later, max_quote_age_seconds=29.0)[0]["status"] == "no_chain"


def test_the_digest_and_the_selection() -> None:
    first = KIND.load([NAME], {}, AT, KIND.defaults, {}).digest()
    assert KIND.load([NAME], {}, AT, KIND.defaults, {}).digest() == first
    assert KIND.load([NAME], {}, times()[8], KIND.defaults, {}).digest() != first
    chosen = KIND.prepare_selector({"exchange": "NSE"}, AT, KIND.defaults)
    assert (chosen.as_of, chosen.keys) == (AT, [NAME])
    assert KIND.prepare_selector({"underlying": "HISTORY"}, times()[0], KIND.defaults).keys == []
    dates = KIND.defaults | {"start_date": "2024-01-09", "end_date": "2024-01-10"}
    assert KIND.prepare_selector({"exchange": "NSE"}, None, dates).as_of == CLOSE
    assert KIND.prepare([[NAME]], None, dates).as_of == CLOSE
    for selector in ({"exchange": "MOON"}, {"underlying": "NOBODY"}, {"exchange": "NSE", "strike": {"min": 1.0}}):
        with pytest.raises(InvalidInput):
            KIND.check_selector(selector)
    KIND.check_selector({"exchange": "NSE"})


@pytest.mark.parametrize(
    "dates",
    [
        {"end_date": "2024-01-01"},
        {"start_date": "2024-01-02", "end_date": "2024-01-01"},
        {"start_date": "2024-01-01", "end_date": "2024-04-02"},
    ],
)
def test_dates_that_cannot_be(dates: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        KIND.rows_per_item(KIND.defaults | dates)
    assert caught.value.field == "params.end_date"


def test_strikes_around_the_money() -> None:
    rows = compute([NAME], what="strikes", around=1, expiries=1)
    atm = rows[0]["atm_strike"]
    place = STRIKES.index(int(atm))
    assert [row["strike"] for row in rows] == [float(each) for each in STRIKES[max(place - 1, 0) : place + 2]]
