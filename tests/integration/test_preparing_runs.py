"""Preparation gets a job's keys in runs, one for each chunk, and covers all of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signals.greeks import selectors
from signals.greeks.selectors import newest_quote_time
from signals.instruments.services import register_instruments
from signalsite.foundation.computations.registry import computations
from signalsite.foundation.rows import binary_rows
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
    """An iterable that is no list, and can be iterated again."""

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


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the statements of the selectors, which still run."""
    seen: list[str] = []

    def watched(query: str, parameters: Any) -> Any:
        seen.append(query)
        return binary_rows(query, parameters)

    monkeypatch.setattr(selectors, "binary_rows", watched)
    return seen


def test_one_run_is_one_statement(queries: list[str]) -> None:
    assert newest_quote_time(Runs([NEAR, FAR])) == NOW + timedelta(seconds=2)
    assert len(queries) == 1
    assert newest_quote_time(Runs([NEAR], [FAR], [BANK])) == NOW + timedelta(seconds=2)
    assert len(queries) == 3  # no run can be newer than the first, so the others are not queried


@pytest.mark.parametrize("most", [1, 2, 3, 50_000])
def test_many_newer_quotes_of_other_keys_change_nothing(
    monkeypatch: pytest.MonkeyPatch, queries: list[str], most: int
) -> None:
    """It reads at most `most` quotes of a few keys first, and queries all keys only if those are not enough."""
    monkeypatch.setattr(selectors, "_MOST_NEWER", most)
    later = NOW + timedelta(hours=1)
    busy = [Quote(instrument_key="NSE@BUSY", time=later + timedelta(seconds=n), last=1.0, source="t") for n in range(9)]
    Quote.objects.bulk_create(busy)
    assert newest_quote_time(Runs([FAR], [BANK], ["unknown"], [NEAR])) == NOW + timedelta(seconds=2)
    plan = binary_rows(f"EXPLAIN (ANALYZE, FORMAT JSON) {selectors._NEWER}", {"time": NOW, "most": most})[0][0]
    below = plan[0]["Plan"]
    while below["Node Type"] != "Limit":
        (below,) = below["Plans"]
    assert below["Actual Rows"] == min(most, 11)


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
