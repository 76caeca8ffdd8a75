"""One option's page takes the markets of its chain from memory, and says what the tables say now."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from prometheus_client import REGISTRY

from signals.history.kept_markets import OF_PAGES
from signals.instruments.models import Instrument, Underlying
from signals.instruments.services import register_instruments
from tests.integration.history_market import (
    EXPIRIES,
    NAME,
    SPOT,
    STRIKES,
    bars_of,
    option,
    prices_of,
    store_market,
    times,
)
from tests.integration.test_historical_greeks import compute
from tests.integration.test_historical_greeks_door import walk
from timeframes.bars.services import record_bars
from timeframes.core.keys import parse_key
from timeframes.models import Bar

pytestmark = pytest.mark.django_db(transaction=True)
CALLS = [option(EXPIRIES[1], "call", strike) for strike in STRIKES]


@pytest.fixture(autouse=True)
def market() -> None:
    OF_PAGES.clear()
    store_market()


def page(key: str) -> list[dict[str, Any]]:
    return list(walk(key=key))


def computed(key: str) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "item"} for row in compute([key])]


def made() -> float:
    """Return how many pages read their chain."""
    return REGISTRY.get_sample_value("signal_service_history_markets_total", {"result": "made"}) or 0.0


def test_a_chains_options_share_its_markets() -> None:
    before = made()
    for key in CALLS:
        assert page(key) == computed(key)
    assert made() == before + 2  # one of each date


def test_who_asks_at_once_waits_for_one() -> None:
    before = made()

    def ask(key: str) -> list[dict[str, Any]]:
        try:
            return page(key)
        finally:
            connection.close()  # each thread has its own

    with ThreadPoolExecutor(len(CALLS)) as pool:
        found = list(pool.map(ask, CALLS))
    assert made() == before + 2  # one of each date
    assert found == [computed(key) for key in CALLS]


def test_an_option_with_gaps_has_its_own_bars() -> None:
    Bar.objects.filter(instrument_key=CALLS[0], time__in=times()[1:4]).delete()
    before = made()
    assert len(page(CALLS[0])) + 3 * 4 == len(page(CALLS[1]))
    assert page(CALLS[1]) == computed(CALLS[1])
    assert made() == before + 2  # by the one with gaps, for both


def _mend(key: str) -> None:
    record_bars(key, 60, bars_of(times()[:1], [[each * 1.02 for each in prices_of(key)[0]]]), source="mended")


def _spot() -> None:
    record_bars(SPOT, 60, bars_of(times()[:1], [[1010.0, 1012.0, 1008.0, 1011.0]], 0.0), source="mended")


def _list_a_strike() -> None:
    for right in ("call", "put"):
        key = option(EXPIRIES[1], right, 1060)
        register_instruments({key: parse_key(key)})
        record_bars(key, 60, bars_of(times(), [[each * 1.2 for each in row] for row in prices_of(key)]), source="test")


@pytest.mark.parametrize(
    "change",
    [
        lambda: _mend(CALLS[3]),
        _spot,
        _list_a_strike,
        lambda: Bar.objects.filter(instrument_key=CALLS[4]).delete(),
        lambda: Underlying.objects.filter(key=NAME).update(dividend_yield=0.02),
        lambda: Instrument.objects.filter(key=option(EXPIRIES[1], "put", STRIKES[0])).delete(),
    ],
    ids=["a bar mended", "the spot", "a strike listed", "bars deleted", "the yield", "a contract deleted"],
)
def test_what_changes_is_in_the_next_page(change: Callable[[], object]) -> None:
    before = page(CALLS[1])
    change()
    after = page(CALLS[1])
    assert after == computed(CALLS[1])
    assert after != before


def test_only_the_newest_are_kept() -> None:
    for limit in range(12):  # another rate, other markets
        list(walk(key=CALLS[0], rate=str(0.01 * limit)))
    assert len(OF_PAGES) == 8
