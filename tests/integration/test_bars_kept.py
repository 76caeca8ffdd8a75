"""Pages of bars that are asked for often are kept and warmed, within bounds, and need no Redis."""

from datetime import timedelta
from typing import Any

import pytest

from tests.integration.kept_pages import (
    DAYS,
    KEY,
    NOW,
    afresh,
    ask,
    counted,
    forget_levels,
    minute,
    query,
    record,
    stored,
    tick,
)
from timeframes.bars import kept, lookup
from timeframes.bars.lookup import MEMORY, REDIS
from timeframes.bars.models import CustomTimeframe
from timeframes.bars.page_cache import _client
from timeframes.bars.pages import BarsPage, make_page
from timeframes.core.sessions import session_open

__all__ = ["stored"]  # the fixture that stores bars

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_asked_for_often_is_kept_and_bounded(settings: Any) -> None:
    for _ in range(3):
        ask()
    ask(timeframe="11m")
    lookup.flush(NOW)
    (row,) = CustomTimeframe.objects.all()
    assert (row.instrument_key, row.timeframe, row.asked) == (KEY, "7m", 3)
    lookup.COUNTS._counts.update({query(timeframe="11m")[0]: 9})
    lookup.flush(NOW + timedelta(days=1))
    ask()
    ask()
    lookup.flush(NOW + timedelta(days=1))
    assert CustomTimeframe.objects.get(timeframe="7m").asked == pytest.approx(3 / 2 + 2)
    largest = max(len(each.content or b"") for each in CustomTimeframe.objects.all())
    settings.BARS_KEPT_BYTES = largest + 300
    kept.trim(NOW + timedelta(days=1))
    assert [each.timeframe for each in CustomTimeframe.objects.all()] == ["11m"]
    kept.trim(NOW + timedelta(days=30))
    assert not CustomTimeframe.objects.exists()


def test_a_flushed_redis_and_a_restart_cost_no_fold_of_what_is_asked_for_often() -> None:
    before = ask()
    ask()
    lookup.flush(NOW)
    forget_levels()
    made = counted("made")
    assert ask() == before
    assert counted("made") == made


def test_warming_mends_what_a_change_has_overtaken() -> None:
    ask()
    ask()
    lookup.flush(NOW)
    assert lookup.warm(lambda: NOW) == 0
    record([minute(DAYS[0], 5, 900.0)])
    assert lookup.warm(lambda: NOW) == 1
    forget_levels()
    made = counted("made")
    assert ask() == afresh()
    assert counted("made") == made


def test_warming_makes_no_page_again_that_cannot_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made = list[str]()

    def counting(asked: Any, *rest: Any) -> BarsPage:
        made.append(asked.key)
        return make_page(asked, *rest)

    noon = session_open("NSE", DAYS[0]) + timedelta(minutes=3)
    for _ in range(3):
        lookup.look_up(*query(), noon)
    lookup.flush(noon)
    monkeypatch.setattr(lookup, "make_page", counting)
    assert (lookup.warm(lambda: noon), made) == (0, [])
    for _ in range(3):
        ask(end=None)
    lookup.flush(NOW)
    made.clear()
    tick(NOW.date(), 1, 900.0)  # of the open minute
    now = session_open("NSE", NOW.date()) + timedelta(minutes=1, seconds=40)
    assert (lookup.warm(lambda: now), len(made)) == (0, 1)
    assert (lookup.warm(lambda: now), len(made)) == (0, 1)


def test_redis_away_costs_nothing_but_time(settings: Any) -> None:
    settings.CACHE_URL = "redis://127.0.0.1:1/0"
    try:
        before = ask()
        MEMORY.clear()
        assert ask() == before
        ask()
        lookup.flush(NOW)
        assert kept.kept_page(query()[0]) is not None
    finally:
        REDIS._rests_until = 0.0


def test_redis_gets_no_more_than_its_bytes(settings: Any) -> None:
    settings.BARS_CACHE_REDIS_BYTES = 40_000
    pages = [
        (name, lookup.look_up(name, asked, limit, NOW))
        for name, asked, limit in (query(limit=n) for n in range(200, 240))
    ]
    REDIS._window = -1e9
    try:
        REDIS.put(pages)
        sizes = [len(content) for name, _ in pages if isinstance(content := _client().get(name), bytes)]
        assert 0 < sum(sizes) <= 20_000
        assert all(0 < int(str(_client().ttl(name))) <= settings.BARS_CACHE_SECONDS for name, _ in pages[: len(sizes)])
    finally:
        REDIS._window = -1e9
