"""`manage.py record_chains`: what live evaluations would have recorded, once, whenever it is stopped."""

import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from moneyness import backfill, services
from moneyness.backfill import instants_of, sessions_between
from moneyness.history.rank import read_rank
from moneyness.models import ChainReading, MoneynessGreeks
from tests.integration.history_market import DAYS, EXPIRIES, NAME, store_market
from timeframes.core.sessions import session_close, session_open
from timeframes.models import Bar

pytestmark = pytest.mark.django_db
LATER = datetime(2024, 1, 10, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def market(settings: Any) -> None:
    settings.MONEYNESS_KEEP_DAYS = 0
    store_market()


def run(*args: str) -> str:
    said = io.StringIO()
    call_command("record_chains", *args, stdout=said)
    return said.getvalue()


def rows() -> list[Any]:
    return [
        *ChainReading.objects.order_by("term_key", "time").values_list(),
        *MoneynessGreeks.objects.order_by("level_key", "time", "side").values_list(),
    ]


def test_a_session_is_recorded_at_its_close_once() -> None:
    said = run(NAME, "--from", "2024-01-09", "--to", "2024-01-10")
    closes = [session_close("NSE", day) for day in DAYS]
    assert sorted(set(ChainReading.objects.values_list("time", flat=True))) == closes
    assert set(ChainReading.objects.exclude(expiry=None).values_list("expiry", flat=True)) == set(EXPIRIES)
    assert MoneynessGreeks.objects.filter(level="ATM", time=closes[0]).count() == 3 * len(EXPIRIES)
    before = rows()
    assert said.endswith(f"{len(before)} new rows\n")
    again = run(NAME, "--from", "2024-01-09", "--to", "2024-01-10")
    assert again.endswith("\n0 new rows\n") and "1 had rows, 0 were evaluated" in again
    assert rows() == before


def test_the_rank_is_the_same_and_computes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    query: dict[str, Any] = {"sessions": 2, "window": 20, "expiry": EXPIRIES[1]}
    computed = read_rank(NAME, query, LATER)
    run(NAME, "--from", "2024-01-09", "--to", "2024-01-10")
    Bar.objects.all().delete()
    recorded = read_rank(NAME, query, LATER)
    assert computed["known"] == recorded["known"] == 2
    for name in ("implied_volatility", "lowest", "highest", "rank", "percentile"):
        assert recorded[name] == pytest.approx(computed[name])


def test_it_goes_on_where_it_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    run(NAME, "--from", "2024-01-09", "--to", "2024-01-10", "--every", "60")
    whole = rows()
    ChainReading.objects.all().delete()
    MoneynessGreeks.objects.all().delete()
    monkeypatch.setattr(backfill, "MOST_OPTIONS", 1)  # a slab an instant
    kept, done = services.record_chains, 0

    def dying(records: Any) -> int:
        nonlocal done
        done += 1
        if done == 4:
            raise KeyboardInterrupt
        return kept(records)

    monkeypatch.setattr(backfill, "record_chains", dying)
    with pytest.raises(KeyboardInterrupt):
        run(NAME, "--from", "2024-01-09", "--to", "2024-01-10", "--every", "60")
    assert len(set(ChainReading.objects.values_list("time", flat=True))) == 3
    said = run(NAME, "--from", "2024-01-09", "--to", "2024-01-10", "--every", "60")
    assert f"{NAME} 2024-01-09: " in said and "3 had rows" in said
    assert rows() == whole


def test_rows_that_retention_would_drop_are_not_written(settings: Any) -> None:
    settings.MONEYNESS_KEEP_DAYS = 30
    run(NAME, "--from", "2024-01-09", "--to", "2024-01-10")
    assert ChainReading.objects.exists() and not MoneynessGreeks.objects.exists()
    ChainReading.objects.all().delete()
    settings.CHAIN_ANALYTICS_KEEP_DAYS = 30
    assert run(NAME, "--from", "2024-01-09", "--to", "2024-01-10").endswith("\n0 new rows\n")
    assert not ChainReading.objects.exists()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((NAME, "--from", "2024-01-09", "--every", "7"), "every: is none of"),
        (("what?", "--from", "2024-01-09"), "underlying: "),
        ((NAME, "--from", "2999-01-01"), "--from is to come"),
        ((NAME, "--from", "2024-01-09", "--to", "2024-01-08"), "--to is before --from"),
        ((NAME, "--from", "0001-01-01"), "at most"),
        (("--exchange", "NSE", "--from", "2999-01-01"), "no underlying has options"),
        (("--exchange", "MOON", "--from", "2024-01-09"), "exchange"),
        ((NAME, "--from", "yesterday"), "from"),
    ],
)
def test_refuses_what_cannot_be(args: tuple[str, ...], says: str) -> None:
    with pytest.raises(CommandError) as caught:
        run(*args)
    assert says in str(caught.value)


def test_instants_are_those_of_the_consumer_and_the_close() -> None:
    day = date(2024, 1, 9)
    opened, closed = session_open("NSE", day), session_close("NSE", day)
    assert instants_of("NSE", day, None) == [closed]
    hours = instants_of("NSE", day, 3600)
    assert hours[0] >= opened and hours[-1] == closed and len(hours) == 7
    assert all(each.timestamp() % 3600 == 0 for each in hours[:-1])
    assert instants_of("BINANCE", day, 3600)[-1] == session_close("BINANCE", day)


def test_sessions_are_those_that_are_over() -> None:
    first, last = date(2024, 1, 5), date(2024, 1, 10)
    assert sessions_between("NSE", first, last, LATER - timedelta(hours=6)) == [
        date(2024, 1, 5),
        date(2024, 1, 8),
        date(2024, 1, 9),
    ]
