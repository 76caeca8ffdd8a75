"""Rows of an interval are those of its first evaluation, whatever is evaluated again."""

from datetime import UTC, datetime
from typing import Any

import pytest

from moneyness.core.records import ChainRecords
from moneyness.models import ChainReading, MoneynessGreeks
from moneyness.services import record_chains
from tests.core.test_book import NOW, SPOT
from tests.core.test_chain_beat import BeatingMarket

pytestmark = pytest.mark.django_db


def evaluated(market: BeatingMarket, second: float, spot: float) -> ChainRecords:
    at = NOW + second
    market.take(market.entry(SPOT, spot, at=at), *market.options(at=at, spot=spot), now=at)
    return market.evaluate(at).records


def spots() -> list[Any]:
    found = [set(each.objects.values_list("spot", flat=True)) - {None} for each in (MoneynessGreeks, ChainReading)]
    assert found[0] == found[1]
    return sorted(found[0])


def test_a_consumer_that_begins_again_leaves_the_first_reading() -> None:
    first = evaluated(BeatingMarket(), 1, 24_000.0)
    assert record_chains(first) > 0 and spots() == [24_000.0]
    again = evaluated(BeatingMarket(), 31, 24_010.0)
    assert record_chains(again) == 0 and spots() == [24_000.0]
    first.add(again)
    ChainReading.objects.all().delete()
    MoneynessGreeks.objects.all().delete()
    record_chains(first)  # both wait together
    assert spots() == [24_000.0]


def test_a_clock_that_was_set_back_overwrites_nothing() -> None:
    market = BeatingMarket()
    for second, spot in ((1, 24_000.0), (61, 24_010.0), (2, 24_020.0), (62, 24_030.0), (121, 24_040.0)):
        record_chains(evaluated(market, second, spot))
    assert spots() == [24_000.0, 24_010.0, 24_040.0]
    assert {each.time for each in ChainReading.objects.all()} == {
        datetime.fromtimestamp(NOW + second, UTC) for second in (0, 60, 120)
    }
