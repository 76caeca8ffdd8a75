"""Preparation is given a job's keys as runs, one a chunk: what it finds is of all of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from signals.instruments.services import register_instruments
from signalsite.foundation.computations.registry import computations
from timeframes.core.keys import parse_key
from timeframes.models import Quote

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)
NEAR, FAR, BANK = (
    "NSE@NIFTY@equity_options@2026-12-29@call@26000",
    "NSE@NIFTY@equity_options@2027-01-26@call@26000",
    "NSE@BANKNIFTY@equity_options@2026-12-29@put@58000",
)


class Runs:
    """Can be iterated again, and is no list."""

    def __init__(self, *runs: list[str]) -> None:
        self.runs = runs

    def __iter__(self) -> Iterator[list[str]]:
        yield from self.runs


@pytest.fixture(autouse=True)
def quotes() -> None:
    register_instruments({key: parse_key(key) for key in (NEAR, FAR, BANK)})
    for seconds, key in enumerate((FAR, BANK, NEAR)):
        Quote.objects.create(instrument_key=key, time=NOW + timedelta(seconds=seconds), last=100.0, source="test")


@pytest.mark.parametrize("name", ["greeks", "greeks_grid", "quotes"])
def test_the_newest_instant_is_that_of_all_runs(name: str) -> None:
    computation = computations()[name]
    found = computation.prepare(Runs([NEAR], ["unknown"], [FAR, BANK]), None, computation.defaults)
    assert found.as_of == NOW + timedelta(seconds=2)
    assert computation.prepare(Runs([FAR], [BANK]), None, computation.defaults).as_of == NOW + timedelta(seconds=1)
    assert computation.prepare(Runs(["unknown"]), None, computation.defaults).as_of is None
    assert computation.prepare(Runs([FAR]), NOW, computation.defaults).as_of == NOW


def test_the_market_is_that_of_all_runs_however_they_are_cut() -> None:
    greeks = computations()["greeks"]
    cut = greeks.prepare(Runs([NEAR], [BANK, FAR], [NEAR]), NOW, greeks.defaults).context
    assert {name: set(expiries) for name, expiries in cut.items()} == {
        "NSE@NIFTY": {"2026-12-29", "2027-01-26"},
        "NSE@BANKNIFTY": {"2026-12-29"},
    }
    assert greeks.prepare(Runs([NEAR, FAR, BANK]), NOW, greeks.defaults).context == cut


@pytest.mark.parametrize("name", ["greeks", "greeks_grid", "quotes"])
def test_what_is_loaded_has_another_digest_when_a_quote_has_changed(name: str) -> None:
    computation = computations()[name]

    def digest() -> str:
        return computation.load([NEAR, "unknown"], {}, NOW + timedelta(hours=1), computation.defaults, {}).digest()

    before = digest()
    assert digest() == before
    Quote.objects.filter(instrument_key=NEAR).update(last=101.0)
    assert digest() != before
