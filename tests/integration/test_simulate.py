"""manage.py simulate_market."""

import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count, Max, Sum

from signals.instruments.models import Instrument, Underlying
from signals.simulator.market import read_stored
from timeframes.models import Bar, Quote, Tick

pytestmark = pytest.mark.django_db
AT = "2026-06-11T14:00:00+05:30"


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("simulate_market", *arguments, stdout=out)
    return out.getvalue()


def test_a_market_lands() -> None:
    printed = run("--seed", "7", "--at", AT, "--contracts", "400", "--minutes", "10")
    assert "SIM@BANKNIFTY: 2026-06-30" in printed
    assert "400 options on 2 underlyings" in printed
    assert "2 below intrinsic, 2 crossed, 2 no price, 4 one-sided" in printed
    assert "at and before 2026-06-11T08:30:00+00:00, seed 7" in printed
    options = Instrument.objects.filter(product="equity_options")
    assert options.count() == 400
    assert set(options.values_list("tick_size", flat=True)) == {Decimal("0.05")}
    assert set(options.filter(underlying="SIM@NIFTY").values_list("lot_size", flat=True)) == {75}
    assert not options.filter(expires_at__lte=datetime(2026, 6, 11, 8, 30, tzinfo=UTC)).exists()
    nifty = Underlying.objects.get(key="SIM@NIFTY")
    assert nifty.volatility_index_key == "SIM@INDIAVIX@equity_spot"
    for key in (nifty.spot_key, nifty.volatility_index_key):
        assert Quote.objects.filter(instrument_key=key).count() == 11
    assert Quote.objects.count() == options.count() + Instrument.objects.filter(product="equity_futures").count() + 33


def test_a_seed_gives_the_same_market_again() -> None:
    run("--at", AT, "--contracts", "200", "--minutes", "5")
    before = list(Quote.objects.order_by("instrument_key", "time").values())
    run("--at", AT, "--contracts", "200", "--minutes", "5")
    assert list(Quote.objects.order_by("instrument_key", "time").values()) == before


def test_stocks_are_added_by_name_or_number() -> None:
    assert "SIM@ACME" in run("--at", AT, "--symbols", "ACME", "--contracts", "50")
    assert "SIM@STOCK001" in run("--at", AT, "--underlyings", "3", "--contracts", "50")
    assert "and 2 more underlyings" in run("--at", AT, "--underlyings", "12", "--contracts", "50")


def test_the_default_moment_is_this_minute() -> None:
    run("--contracts", "20", "--minutes", "0")
    (moment,) = set(Quote.objects.values_list("time", flat=True))
    assert (moment.second, moment.microsecond) == (0, 0)
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 300


HISTORY = ("--at", AT, "--symbols", "NIFTY", "--contracts", "20", "--minutes", "0", "--history", "1")


def test_a_fresh_installation_gets_a_past_once() -> None:
    """A whole day of India and the hours of today, of spots and futures; never in place of what is recorded."""
    assert "11,400 one-minute bars" in run(*HISTORY)  # 1,440 + 840 of each of 5 instruments
    stored = Bar.objects.order_by("instrument_key", "time")
    assert set(stored.values_list("interval", "source")) == {("1m", "simulation")}
    spot = stored.filter(instrument_key="SIM@NIFTY@equity_spot")
    assert (spot.first().time, spot.last().time) == (
        datetime(2026, 6, 9, 18, 30, tzinfo=UTC),
        datetime(2026, 6, 11, 8, 29, tzinfo=UTC),
    )
    numbers = Count("time"), Sum("close"), Max("time")
    before = stored.aggregate(*numbers)
    assert "\n0 one-minute bars" in run(*HISTORY[2:], "--seed", "2", "--at", "2026-06-12T14:00:00+05:30")
    assert stored.aggregate(*numbers) == before


def test_a_market_that_has_ticked_gets_no_past() -> None:
    Tick.objects.create(
        instrument_key="SIM@NIFTY@equity_spot", time=datetime(2026, 6, 1, tzinfo=UTC), entry_id="1-0", ltp=24_000.0
    )
    assert "\n0 one-minute bars" in run(*HISTORY)
    assert not Bar.objects.exists()


def test_a_feed_continues_what_is_quoted_and_has_not_expired() -> None:
    """Options and futures, also those that expire on the day, which are no longer listed anew."""
    run("--at", "2026-06-29T23:59:00+05:30", "--symbols", "NIFTY", "--contracts", "200", "--minutes", "0")
    found = read_stored(["NIFTY"], datetime(2026, 6, 29, 18, 31, tzinfo=UTC))  # the last day of June's contracts begins
    of_the_day = [key for key in found.contracts if key.expiry == date(2026, 6, 30)]
    assert len(of_the_day) > 15 and sum(key.product.is_future for key in of_the_day) == 1
    assert len(found.contracts) > 190 and found.spots.keys() == {"NIFTY"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--at", "noon"), "neither a date"),
        (("--symbols", "NIFTY", "--contracts", "100000"), "contracts must be 1 to"),
        (("--symbols", "INDIAVIX"), "and not INDIAVIX"),
        (("--symbols", "nifty 50"), "symbol 'nifty 50'"),
        (("--underlyings", "0"), "underlyings must be"),
        (("--minutes", "-1"), "minutes must be"),
        (("--history", "31"), "--history 31: from 0 to 30 days"),
    ],
)
def test_what_cannot_be_simulated_says_why(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run(*arguments)
    assert not Quote.objects.exists()
