"""Pages of indicators are kept in memory, and never served once anything that they are made of has changed."""

import pytest

from signals.indicators import views
from signals.indicators.kept_pages import ASKED, MEMORY
from tests.core.bar_columns import bar_columns
from tests.core.slow_fold import Row
from tests.integration.test_indicators_door import BARS, BEGIN, MINUTE, ask, key, stored  # noqa: F401 - a fixture
from timeframes.bars.services import record_bars
from timeframes.models import Bar, BarChange

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_pages():
    yield
    for name in [*MEMORY._proven, *MEMORY._trial]:
        MEMORY.drop(name)
    Bar.objects.all().delete()
    BarChange.objects.all().delete()


def from_memory() -> float:
    return ASKED.labels("memory")._value.get()


PAGE = {"timeframe": "1m", "start_time": (BEGIN + 500 * MINUTE).isoformat(), "limit": "50"}


@pytest.mark.parametrize(
    ("view", "query"), [(views.IndicatorHistoryView, PAGE), (views.NewestIndicatorView, {"timeframe": "1m"})]
)
@pytest.mark.parametrize(("name", "far"), [("sma", False), ("obv", True)])
def test_a_page_is_kept_until_what_it_is_made_of_changes(view, query, name, far):
    first, hits = ask(view, name, **query)[1], from_memory()
    assert ask(view, name, **query)[1] == first
    assert from_memory() == hits + 1
    place = 0 if far else 498 if view is views.IndicatorHistoryView else BARS - 4
    row = Row(BEGIN + place * MINUTE, 1.0, 9.0, 1.0, 5.0, 77.0, None, None, None)
    record_bars(key(), 60, bar_columns([row]), source="test")
    changed = ask(view, name, **query)[1]
    assert from_memory() == hits + 1
    assert changed != first
    assert ask(view, name, **query)[1] == changed
    assert from_memory() == hits + 2


def test_a_new_bar_makes_the_newest_anew():
    first = ask(views.NewestIndicatorView, "sma", timeframe="1m")[1]
    row = Row(BEGIN + BARS * MINUTE, 1.0, 9.0, 1.0, 5.0, 77.0, None, None, None)
    record_bars(key(), 60, bar_columns([row]), source="test")
    found = ask(views.NewestIndicatorView, "sma", timeframe="1m")[1]
    assert found["data"][0] == first["data"][1]
    assert found["data"][1]["time"] == (BEGIN + BARS * MINUTE).isoformat()


def test_other_parameters_are_other_pages():
    one = ask(views.NewestIndicatorView, "sma", timeframe="1m", length="3")[1]
    two = ask(views.NewestIndicatorView, "sma", timeframe="1m", length="4")[1]
    assert one["data"] != two["data"]
    assert one == ask(views.NewestIndicatorView, "sma", timeframe="1m", length="3")[1]
