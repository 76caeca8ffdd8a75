"""What docs/forwards.md says of the forward beside futures, on the real days that it speaks of."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from bench.forward_days import Day, files, read_day
from bench.forward_rules import PARITY, RULES, Judged, by_parity, judge
from bench.forwards import parity, sources, together

pytestmark = pytest.mark.skipif(not files(), reason="the shared market data is not on this machine")
JUDGED = (PARITY, "`auto`", "future, else parity")


@pytest.fixture(scope="module")
def days() -> list[Day]:
    return [read_day(path) for path in files()]


@pytest.fixture(scope="module")
def compared(days: list[Day]) -> pd.DataFrame:
    """One row for each expiry with a future that traded to the end; `off` is parity's distance in basis points."""
    found = []
    for day in days:
        forward = np.array([each.forward.value for each in parity(day)])
        found.append(day.expiries.assign(day=day.title, off=np.abs(forward / day.expiries.future - 1) * 1e4))
    return pd.concat(found).dropna(subset="off")


@pytest.fixture(scope="module")
def judged(days: list[Day]) -> Mapping[str, Mapping[bool, Judged]]:
    found = {name: [judge(day, RULES[name]) for day in days] for name in JUDGED}
    return {
        name: {index: together([each[index] for each in by_day]) for index in (True, False)}
        for name, by_day in found.items()
    }


def test_every_day_is_compared(days: list[Day], compared: pd.DataFrame) -> None:
    assert len(days) == 4
    assert compared.groupby("day").size().to_dict() == {
        "21 March 2025 (legacy)": 630,
        "11 June 2026 (legacy)": 583,
        "14 November 2025 (summary)": 380,
        "13 August 2026 (udiff)": 3,
    }


def test_where_options_trade_parity_is_within_a_few_points_of_the_future(compared: pd.DataFrame) -> None:
    near = compared[(compared.month == "near") & (compared.both_legs >= 3)]
    of_indices, of_stocks = (near[near["index"] == index].off for index in (True, False))
    assert of_indices.median() < 3.5
    assert of_indices.max() < 6
    assert of_stocks.median() < 5
    assert of_stocks.quantile(0.9) < 11


def test_where_they_do_not_trade_their_settlements_say_another_forward(compared: pd.DataFrame) -> None:
    stocks = compared[~compared["index"]]
    spread = [stocks[stocks.both_legs.between(*bounds)].off.quantile([0.5, 0.9]) for bounds in ((3, 999), (0, 2))]
    assert spread[0].iloc[0] < 6 < 20 < spread[1].iloc[0]
    assert spread[0].iloc[1] < 22 < 120 < spread[1].iloc[1]


def test_a_model_settles_both_the_options_and_the_future_that_nobody_traded_at_the_end(days: list[Day]) -> None:
    apart = []
    for day in days:
        found = by_parity()(day, np.ones(len(day.traded), bool))
        groups, futures = day.snapshot.groups, day.snapshot.futures
        settle = day.snapshot.future_quotes.settle.tolist()
        settled = dict(zip(zip(futures.underlying, futures.expiry, strict=True), settle, strict=True))
        official = np.array([settled.get(each, np.nan) for each in zip(groups.underlying, groups.expiry, strict=True)])
        chosen = (day.expiries.early & (day.expiries.both_legs == 0)).to_numpy()
        apart += list(np.abs(found / official - 1.0)[chosen] * 1e4)
    assert len(apart) > 60
    assert max(apart) < 2


def test_auto_takes_the_future_where_fewer_than_three_strikes_traded_on_both_legs(days: list[Day]) -> None:
    rows = {tuple(row[:2]): row[2:] for day in days for row in sources(day)}
    # all, parity, future, spot, carried future, none, fewer than 3 strikes with both prices, strikes disagree
    assert rows["21 March 2025 (legacy)", "stock"] == [643, 402, 241, 0, 0, 0, 0, 0]
    assert rows["14 November 2025 (summary)", "index"] == [22, 18, 2, 0, 2, 0, 4, 0]
    assert rows["13 August 2026 (udiff)", "index"] == [18, 18, 0, 0, 0, 0, 0, 0]


def test_auto_is_nearer_to_the_futures_and_no_farther_on_prices_that_it_has_not_seen(
    judged: Mapping[str, Mapping[bool, Judged]],
) -> None:
    for index in (True, False):
        by_parity, auto, future = (judged[name][index] for name in JUDGED)
        off = [np.abs(each.forward / each.official - 1.0) for each in (by_parity, auto)]
        same = np.isfinite(off[0]) & np.isfinite(off[1])
        assert not (off[1][same] > off[0][same] + 1e-9).any()
        assert np.quantile(off[1][same], 0.9) < np.quantile(off[0][same], 0.9) / 3
        gap = [[_gap(each, at) for at in (0.5, 0.9)] for each in (by_parity, auto, future)]
        assert gap[1][0] <= gap[0][0] and gap[1][1] <= gap[0][1]
        assert gap[1][0] < gap[2][0]  # a future alone serves options that trade less well
        missing = [(~each.valued & each.traded).sum() for each in (by_parity, auto)]
        assert missing[1] <= missing[0] * 1.01


def _gap(judged: Judged, at: float) -> float:
    return float(np.quantile(judged.gap, at, method="inverted_cdf"))
