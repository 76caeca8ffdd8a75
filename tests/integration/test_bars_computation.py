"""Bars as a computation: equal to the bars over HTTP, and made of nothing later than `as_of`."""

import math
import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from signals.computations.bars import Bars
from signals.instruments.services import register_instruments
from signalsite.foundation.computations.answers import declared
from signalsite.foundation.computations.registry import find
from tests.core.slow_fold import random_market
from tests.integration.test_bars_door import walk
from tests.integration.test_fold_in_database import store
from timeframes.core.grid import Anchor
from timeframes.core.keys import parse_key
from timeframes.core.sessions import session_close, session_open

pytestmark = pytest.mark.django_db

NSE, PAIR = "NSE@NIFTY@equity_spot", "BTC/USDT"
DAYS = (date(2024, 1, 18), date(2024, 1, 19), date(2024, 1, 20), date(2024, 1, 22))
LATER = datetime(2024, 1, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def stored() -> None:
    for key, exchange in ((NSE, "NSE"), (PAIR, "BINANCE")):
        bars, ticks = random_market(random.Random(key), exchange, DAYS, ticks_a_day=200)
        store(key, bars, ticks)


def compute(keys: list[str], as_of: datetime = LATER, **params: Any) -> list[dict[str, Any]]:
    bars = Bars()
    asked: Mapping[str, Any] = bars.defaults | {"days": 30.0} | params
    answers = bars.evaluate(bars.load(keys, {}, as_of, asked, {}))
    columns = declared(bars, answers, asked)
    assert answers.item is not None
    return [
        {"item": item, **{name: None if value != value else value for name, value in zip(columns, row, strict=True)}}
        for item, row in zip(answers.item.tolist(), zip(*columns.values(), strict=True), strict=True)
    ]


@pytest.mark.parametrize("anchor", list(Anchor))
@pytest.mark.parametrize("timeframe", ["45s", "5m", "7m", "1h", "1d", "1w", "1mo"])
def test_a_job_has_the_bars_of_the_page(timeframe: str, anchor: Anchor) -> None:
    rows = compute([NSE, PAIR], timeframe=timeframe, anchor=anchor.value)
    for item, key in enumerate((NSE, PAIR)):
        pages = list(
            walk(
                key=key,
                timeframe=timeframe,
                anchor=anchor.value,
                start_time=(LATER - timedelta(days=30)).isoformat(),
                end_time=LATER.isoformat(),
                limit="50",
            )
        )
        assert pages, key
        mine = [row for row in rows if row["item"] == item]
        assert [row["bar_time"] for row in mine] == [page["time"] for page in pages]
        for row, page in zip(mine, pages, strict=True):
            for name in ("open", "high", "low", "close", "vwap_source", "open_interest", "trades"):
                assert row[name] == page[name], name
            for name in ("volume", "vwap"):
                same = row[name] == page[name] or math.isclose(row[name], page[name], rel_tol=1e-12)
                assert same, name
            assert row["status"] == "ok"
            assert row["complete"] is (timeframe != "1mo")


def test_nothing_later_than_as_of_takes_part() -> None:
    """Bars as of a moment are equal whether the later data is stored or not."""
    noon = session_open("NSE", DAYS[1]) + timedelta(minutes=100, seconds=17)
    everything = compute([NSE], noon, timeframe="7m")
    assert not everything[-1]["complete"] and all(row["complete"] for row in everything[:-1])
    from timeframes.models import Bar, Tick

    Tick.objects.filter(time__gt=noon).delete()
    ends = {"1m": timedelta(minutes=1), "5m": timedelta(minutes=5), "1d": timedelta(hours=6, minutes=15)}
    for interval, length in ends.items():
        Bar.objects.filter(instrument_key=NSE, interval=interval, time__gt=noon - length).delete()
    assert compute([NSE], noon, timeframe="7m") == everything


def test_an_item_without_bars_says_why_and_leaves_its_neighbours_alone() -> None:
    listed = "NSE@LISTED@equity_spot"
    register_instruments({listed: parse_key(listed)})
    store(
        "NSE@DAILY@equity_spot", {86_400: [random_market(random.Random(1), "NSE", DAYS, ticks_a_day=1)[0][60][0]]}, []
    )
    keys = [
        listed,
        "NSE@NOBODY@equity_spot",
        "nonsense",
        "",
        "\ud800",
        "MOON@X@equity_spot",
        "NSE@DAILY@equity_spot",
        NSE,
    ]
    rows = compute(keys, timeframe="7m")
    verdicts = {row["item"]: (row["status"], row["bar_time"] is None) for row in rows}
    assert verdicts == {
        0: ("no_bars", True),
        **dict.fromkeys(range(1, 6), ("bad_input", True)),
        6: ("unfit", True),
        7: ("ok", False),
    }
    assert all(row["reason"] for row in rows if row["status"] != "ok")
    (row,) = compute([NSE], timeframe="25h")
    assert row["status"] == "unfit" and "longer than a session" in row["reason"]
    (row,) = compute([NSE], datetime(2001, 1, 1, tzinfo=UTC), timeframe="7m")
    assert row["status"] == "no_bars"


@pytest.mark.parametrize("timeframe", ["1s", "1m", "7m", "5h", "7h", "1d", "3d", "1w", "1mo"])
@pytest.mark.parametrize("days", [0.01, 1.0, 3.5, 30.0])
def test_no_item_has_more_rows_than_announced(timeframe: str, days: float) -> None:
    bars, as_of = Bars(), session_close("NSE", DAYS[-1])
    most = bars.rows_per_item({"timeframe": timeframe, "days": days})
    for anchor in Anchor:
        for key in (NSE, PAIR):
            assert len(compute([key], as_of, timeframe=timeframe, days=days, anchor=anchor.value)) <= most


def test_the_digest_follows_the_stored_data() -> None:
    bars = Bars()

    def digest() -> str:
        return bars.load([NSE], {}, LATER, bars.defaults | {"days": 30.0}, {}).digest()

    before = digest()
    assert digest() == before
    store(NSE, {60: random_market(random.Random(7), "NSE", DAYS[:1], ticks_a_day=1)[0][60]}, [])
    assert digest() != before


def test_the_default_instant_is_that_of_the_newest_data() -> None:
    prepared = find("bars").prepare([[NSE], [PAIR]], None, find("bars").defaults)
    from timeframes.models import Bar, Tick

    newest = [model.objects.order_by("-time").values_list("time", flat=True)[0] for model in (Bar, Tick)]
    assert prepared.as_of == max(newest)
