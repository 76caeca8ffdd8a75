"""Settings of retention, and versions of TimescaleDB."""

import pytest
from environs import EnvError

from signalsite.settings.environment import days_by_timeframe
from timeframes.storage.server import Edition, Server, version


def test_days_by_timeframe_have_the_shortest_form() -> None:
    given = {"60s": "400", "60m": "1000", "1d": "0"}
    assert days_by_timeframe("BARS_KEEP_DAYS", given, 36_500) == {"1m": 400, "1h": 1000}  # 0: for ever


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"1M": "5"}, "'1M' is no timeframe"),
        ({"": "5"}, "'' is no timeframe"),
        ({"3mo": "5"}, "no stored bar has months"),
        ({"1m": "-1"}, "1m=-1 is no whole number of days"),
        ({"1m": "1.5"}, "1m=1.5 is no whole number of days"),
        ({"1m": ""}, "1m= is no whole number of days"),
        ({"1m": "9" * 400}, "is no whole number of days from 0 to 36500"),
        ({"1m": "\u0661"}, "is no whole number of days"),
        ({"x" * 400: "1"}, "is no timeframe"),
    ],
)
def test_wrong_days_name_the_variable(given: dict[str, str], says: str) -> None:
    with pytest.raises(EnvError, match=r"^BARS_KEEP_DAYS: ") as error:
        days_by_timeframe("BARS_KEEP_DAYS", given, 36_500)
    assert says in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("timescaledb", "licence", "edition"),
    [
        (None, None, Edition.POSTGRESQL),
        ("2.19.3", "timescale", Edition.POSTGRESQL),  # too old
        ("2.20.0", "timescale", Edition.COMMUNITY),
        ("2.30.0-dev", "timescale", Edition.COMMUNITY),
        ("10.0", "apache", Edition.APACHE),
    ],
)
def test_editions(timescaledb: str | None, licence: str | None, edition: Edition) -> None:
    assert Server("18.6", timescaledb, "public", licence, None).edition is edition


def test_versions_are_compared_as_numbers() -> None:
    assert version("2.9.3") < version("2.20.0") < version("2.30.0-dev")
