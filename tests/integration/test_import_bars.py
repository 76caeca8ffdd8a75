"""manage.py import_bars."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from signals.importers.bars import import_bars
from signals.importers.core.bar_presets import BAR_PRESETS
from signals.importers.core.raw_table import MAX_REJECTS
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


def test_a_note_is_printed_once_and_all_rejected_rows_are_counted() -> None:
    with Path("bars.csv").open("a") as file:
        file.writelines("2024-01-02 09:18:00,0,0,0,0,0\n" for _ in range(MAX_REJECTS + 5))
    said = run("bars.csv")
    assert said.count("note: 373 bars missing on dates that have some") == 1
    assert "rejected     10,006\n" in said and "10,005  no open" in said
    assert "the rejects file has the first 10,000 of them" in said
    assert "written           2  new or changed" in said and "changed  " not in said


def test_progress_counts_bytes_and_never_goes_back() -> None:
    seen: list[tuple[int, int]] = []
    mapping = BAR_PRESETS["plain"].with_constants({"key": KEY})
    path = Path("bars.csv")
    import_bars(path, mapping, 60, progress=lambda done, total: seen.append((done, total)))
    size = path.stat().st_size
    assert {total for _, total in seen} == {size}
    assert sorted(seen) == seen and seen[-1][0] == size


@pytest.mark.parametrize(
    "how", [["--map", "begins=time", "first=open"], ["--map", "begins=time", "--map", "first=open"]]
)
def test_the_options_are_those_of_import_quotes(how: list[str]) -> None:
    Path("odd.csv").write_text("begins;first;high;low;close\n2024-01-01 22:45;10;12;9;11\n")
    run("odd.csv", *how, "--time-zone", "America/New_York", "--delimiter", ";")
    (bar,) = Bar.objects.all()
    assert (bar.time.isoformat(), bar.open) == ("2024-01-02T03:45:00+00:00", 10.0)


def test_importing_again_changes_nothing_and_a_mended_file_what_it_mends() -> None:
    run("bars.csv")
    before = list(Bar.objects.order_by("time").values())
    assert "written           0  new or changed" in run("bars.csv")
    assert list(Bar.objects.order_by("time").values()) == before
    Path("bars.csv").write_text(Path("bars.csv").read_text().replace("10,12,9,11,5", "10,12,9,11,6"))
    assert "written           1  new or changed" in run("bars.csv")
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


@pytest.mark.parametrize("option", ["--map=x", "--map=x=opne", "--time-zone=Mars/Base"])
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
    assert "rows read    37,127" in said and "written      37,127" in said
    assert "note: 167 bars outside the hours of their session" in said
    assert "written           0  new or changed" in run(DATA / "3_intraday_india/NIFTY_1min_2024-01_05.csv.gz")
