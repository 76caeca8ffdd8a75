"""manage.py import_bars."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from signals.instruments.models import Instrument
from timeframes.models import Bar

DATA = Path(__file__).parents[2] / "../shared/data"
KEY = "NSE@NIFTY@equity_spot"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bars.csv").write_text(
        "time,open,high,low,close,volume\n"
        "2024-01-02 09:15:00,10,12,9,11,5\n2024-01-02 09:16:00,11,12,9,11,7\n2024-01-02 09:17:00,11,10,9,11,7\n"
    )


def run(*arguments: str | Path, key: str = "NIFTY@equity_spot", timeframe: str = "1m") -> str:
    out = io.StringIO()
    options = ["--instrument", key, "--timeframe", timeframe]
    call_command("import_bars", *map(str, arguments), *options, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_bars_are_stored_with_their_instrument_and_rejects_with_their_reason() -> None:
    said = run("bars.csv")
    assert f"bars.csv: 1m bars of {KEY} from 2024-01-02 to 2024-01-02" in said
    assert "high and low do not contain open and close" in said
    assert "note: 373 bars missing on dates that have some" in said
    assert Instrument.objects.filter(key=KEY).exists()
    assert list(Bar.objects.order_by("time").values_list("interval", "open", "volume", "source")) == [
        ("1m", 10.0, 5.0, "import-plain"),
        ("1m", 11.0, 7.0, "import-plain"),
    ]
    assert "2024-01-02 09:17:00,11,10,9,11,7" in Path("bars.csv.rejects.csv").read_text()


def test_importing_again_changes_nothing_and_a_mended_file_what_it_mends() -> None:
    run("bars.csv")
    before = list(Bar.objects.order_by("time").values())
    assert "changed           0" in run("bars.csv")
    assert list(Bar.objects.order_by("time").values()) == before
    Path("bars.csv").write_text(Path("bars.csv").read_text().replace("10,12,9,11,5", "10,12,9,11,6"))
    assert "changed           1" in run("bars.csv")
    assert Bar.objects.order_by("time").first().volume == 6  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key": "nifty"}, "instrument_key"),
        ({"key": "MOON@X@equity_spot"}, "exchange"),
        ({"timeframe": "7x"}, "timeframe"),
        ({"timeframe": "1mo"}, "of a day at most"),
        ({"timeframe": "2d"}, "of a day at most"),
    ],
)
def test_bad_options_are_named(options: dict[str, str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        run("bars.csv", **options)


@pytest.mark.parametrize("option", ["--map=x", "--map=x=opne", "--zone=Mars/Base"])
def test_a_bad_mapping_is_named(option: str) -> None:
    with pytest.raises(CommandError, match="map: "):
        run("bars.csv", option)


def test_a_file_that_fails_leaves_the_others() -> None:
    Path("bad.csv").write_text("a,b\n1,2\n")
    Path("none.csv").write_text("time,open,high,low,close\n2024-01-02,0,0,0,0\n")
    with pytest.raises(CommandError, match="3 of 4 files not imported"):
        run("bad.csv", "absent.csv", "bars.csv", "none.csv")
    assert Bar.objects.count() == 2


@pytest.mark.skipif(not DATA.exists(), reason="the shared market data is not on this machine")
def test_real_files() -> None:
    said = run(DATA / "3_intraday_india/NIFTY_1min_2024-01_05.csv.gz")
    assert "rows read    37,127" in said and "changed      37,127" in said
    assert "note: 167 bars outside the hours of their session" in said
    assert "changed           0" in run(DATA / "3_intraday_india/NIFTY_1min_2024-01_05.csv.gz")
