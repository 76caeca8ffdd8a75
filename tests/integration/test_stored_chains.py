"""Whole chains from what is stored: prices, open interest, and that of the session before."""

from datetime import date, datetime, timedelta

import numpy as np
import pytest

from moneyness.interest_sql import interest_day
from moneyness.stored_chains import load_stored, quoted_groups
from realtime.ticks.interest import look_up_interest
from signals.greeks.core.conventions import GreeksParams
from signals.greeks.core.snapshot import find_markets
from signals.greeks.selectors import load_chains
from tests.integration.history_market import EXPIRIES, NAME, OPTIONS, STRIKES, store_market, times
from tests.integration.test_three_doors import entry, published
from timeframes.core.sessions import session_close
from timeframes.models import Bar, Quote

pytestmark = pytest.mark.django_db
PARAMS = GreeksParams()
AT = times()[9]
CLOSES = [session_close("NSE", date(2024, 1, day)) for day in (5, 8, 9, 10)]  # Friday to Wednesday


def quote(at: datetime, interest: float | None, **prices: float) -> None:
    Quote.objects.bulk_create(
        Quote(instrument_key=key, time=at, last=20.0, open_interest=interest, source="test", **prices)
        for key in OPTIONS
    )


def test_each_instant_is_what_it_is_alone() -> None:
    store_market()
    instants = [times()[3], AT]
    both = load_stored([(NAME, at) for at in instants], PARAMS)
    assert both is not None
    assert both.keys == [NAME, NAME] and both.black76.tolist() == [False, False]
    assert both.snapshot.at.tolist() == [at.timestamp() for at in instants]
    markets = find_markets(both.snapshot, PARAMS)
    assert len(markets) == 4
    for place, at in enumerate(instants):
        alone = load_chains([(NAME, each) for each in EXPIRIES], at, PARAMS)
        rows = np.isin(both.snapshot.options.group, (2 * place, 2 * place + 1))
        for name in ("strike", "sign"):
            assert getattr(both.snapshot.options, name)[rows].tolist() == getattr(alone.options, name).tolist()
        assert both.snapshot.options.quotes.last[rows].tolist() == alone.options.quotes.last.tolist()
        found = [each.forward.value for each in find_markets(alone, PARAMS)]
        assert [each.forward.value for each in markets[2 * place : 2 * place + 2]] == found


def test_the_expiries_are_those_with_a_young_price() -> None:
    store_market()
    assert quoted_groups([NAME, "NSE@NOBODY"], AT, 86400.0) == [(NAME, each) for each in EXPIRIES]
    assert quoted_groups([NAME], times()[0], 86400.0) == []
    assert load_stored([(NAME, times()[0]), ("NSE@NOBODY", AT)], PARAMS) is None
    nearest = load_stored([(NAME, AT)], PARAMS, nearest=1)
    until = load_stored([(NAME, AT)], PARAMS, until=EXPIRIES[0])
    for found in (nearest, until):
        assert found is not None and found.snapshot.groups.expiry.tolist() == [EXPIRIES[0].toordinal()]
        assert len(found.snapshot.options.strike) == 2 * len(STRIKES)
    over = session_close("NSE", EXPIRIES[0])
    assert quoted_groups([NAME], over - timedelta(minutes=1), 1e7) == [(NAME, each) for each in EXPIRIES]
    assert quoted_groups([NAME], over, 1e7) == [(NAME, EXPIRIES[1])]


def test_the_session_before_is_that_before_the_newest_open_interest() -> None:
    store_market()
    Bar.objects.all().delete()
    for at, interest in zip(CLOSES, (100.0, None, 150.0, 175.0), strict=True):
        quote(at, interest)
    quote(CLOSES[3] - timedelta(hours=1), 170.0)  # of the same session: it is not the session before

    def interest(at: datetime) -> tuple[float, float]:
        found = load_stored([(NAME, at)], PARAMS)
        assert found is not None
        columns = found.interest
        assert len(set(columns.open_interest.tolist())) == 1
        return columns.open_interest[0], columns.open_interest_before[0]

    assert interest(CLOSES[3]) == (175.0, 150.0)
    assert interest(CLOSES[3] - timedelta(minutes=30)) == (170.0, 150.0)
    assert interest(CLOSES[3] + timedelta(hours=20)) == (175.0, 150.0)  # the next morning, before any quote
    found = interest(CLOSES[2])  # the session before says nothing, and an older one is not the session before
    assert found[0] == 150.0 and np.isnan(found[1])


@pytest.mark.parametrize(
    ("exchange", "day", "before"),
    [
        ("NSE", date(2024, 1, 8), date(2024, 1, 5)),  # a weekend
        ("NSE", date(2024, 1, 29), date(2024, 1, 25)),  # Republic Day, a Friday
        ("NSE", date(2024, 3, 4), date(2024, 3, 2)),  # a session on a Saturday
        ("CBOE", date(2024, 1, 2), date(2023, 12, 29)),
        ("DERIBIT", date(2024, 1, 8), date(2024, 1, 7)),
        ("BINANCE", date(2024, 1, 1), date(2023, 12, 31)),
    ],
)
def test_weekends_and_holidays_are_no_sessions(exchange: str, day: date, before: date) -> None:
    found = interest_day(exchange, day)
    assert (found.before.date(), found.begin.date(), found.end.date()) == (before, day, day + timedelta(days=1))


def test_live_looks_up_the_same_session_before() -> None:
    """Friday's counts on Monday, and on no later day."""
    store_market()
    Bar.objects.all().delete()
    quote(CLOSES[0], 100.0)
    found = {}
    for at in CLOSES[1:]:
        book, _ = published([entry(0, OPTIONS[0], at.timestamp() - 60, {"ltp": 20.0, "oi": 150.0})], at, PARAMS)
        look_up_interest(book, ticked=False)
        found[at] = book.interest_before[book.rows[OPTIONS[0]]]
    assert found[CLOSES[1]] == 100.0 and np.isnan(found[CLOSES[2]]) and np.isnan(found[CLOSES[3]])


def test_bars_stand_in_for_quotes() -> None:
    store_market()
    Bar.objects.update(oi=10.0)
    Bar.objects.filter(time__gte=times()[6]).update(oi=30.0)
    found = load_stored([(NAME, AT)], PARAMS)
    assert found is not None
    assert set(found.interest.open_interest.tolist()) == {30.0}
    assert set(found.interest.open_interest_before.tolist()) == {10.0}


def test_the_digest_tells_what_was_loaded() -> None:
    store_market()

    def digest() -> str:
        found = load_stored([(NAME, AT)], PARAMS)
        assert found is not None
        return found.digest()

    first = digest()
    assert digest() == first
    Bar.objects.filter(instrument_key=OPTIONS[3], time=times()[8]).update(oi=5.0)
    assert digest() != first
