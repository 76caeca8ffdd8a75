"""manage.py import_bhavcopy: real files if present, and each quirk in a small file."""

import csv
import gzip
import io
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from signals.instruments.models import Instrument, Underlying
from signals.instruments.services import register_instruments
from timeframes.core.keys import parse_key
from timeframes.models import Quote

DATA = Path(__file__).parents[2] / "../shared/data/1_bhavcopy"
HEADER = (
    "INSTRUMENT,SYMBOL,EXPIRY_DT,STRIKE_PR,OPTION_TYP,OPEN,HIGH,LOW,CLOSE,SETTLE_PR,CONTRACTS,VAL_INLAKH,OPEN_INT,"
    "CHG_IN_OI,TIMESTAMP"
)
FUTURE = "FUTIDX,NIFTY,27-Mar-2025,0,,23300,23400,23250,23350,23350,100,1748.625,7500,0,21-Mar-2025"
CALL = "OPTIDX,NIFTY,27-Mar-2025,23500,CE,90,110,80,100,101,10,176.9625,1500,75,21-Mar-2025"
CALL_KEY = "NSE@NIFTY@equity_options@2025-03-27@call@23500"
CLOSE = datetime(2025, 3, 21, 10, 0, tzinfo=UTC)
SUMMARY = {
    "fo14112025.csv": (
        "INSTRUMENT,SYMBOL    ,EXP_DATE  ,OPEN_PRICE ,HI_PRICE   ,LO_PRICE   ,CLOSE_PRICE,OPEN_INT*      ,"
        "TRD_VAL           ,TRD_QTY          ,NO_OF_CONT       ,NO_OF_TRADE      \n"
        "FUTIDX    ,BANKNIFTY ,25/11/2025,00058384.00,00058690.00,00058300.20,00058644.40,000000001713110,"
        "    55421082206.00,           946715,            27049,            18524\n"
        "* - OPEN_INT as available in the trading system at the end of trading hours.   \n"
    ),
    "op14112025.csv": (
        "INSTRUMENT,SYMBOL    ,EXP_DATE  ,STR_PRICE  ,OPT_TYPE,OPEN_PRICE ,HI_PRICE   ,LO_PRICE   ,CLOSE_PRICE,"
        "OPEN_INT*      ,TRD_QTY          ,NO_OF_CONT       ,NO_OF_TRADE      ,NOTION_VAL        ,PR_VAL            \n"
        "OPTIDX    ,BANKNIFTY ,25/11/2025,00046500.00,PE      ,00000003.95,00000005.20,00000003.30,00000003.50,"
        "000000000074795,            13965,              399,              135,      649427357.25,          54857.25\n"
    ),
    "optidx14112025.csv": "Index Options\nSymbol    ,No of Contracts Traded\nBANKNIFTY ,          1458569\n",
    "fohelp.txt": "National Stock Exchange of India Limited\n",
}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str | Path) -> str:
    out = io.StringIO()
    call_command("import_bhavcopy", *map(str, arguments), stdout=out, stderr=io.StringIO())
    return out.getvalue()


def write(name: str, *rows: str) -> Path:
    path = Path(name)
    path.write_text("\n".join(rows))
    return path


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the market data is not here: {name}")
    return path.resolve()


def zipped(name: str, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, text in members.items():
            archive.writestr(member, text)
    return Path(name)


def options_on(*symbols: str) -> int:
    return Quote.objects.filter(
        instrument_key__in=Instrument.objects.filter(underlying__symbol__in=symbols, product="equity_options").values(
            "key"
        )
    ).count()


@pytest.mark.parametrize(
    ("name", "rows", "rejected", "symbols", "options"),
    [
        ("fo_legacycols_20250321.csv.gz", "37,749", 0, ["NIFTY", "BANKNIFTY"], 2_526),
        ("fo_legacycols_20260611.csv.gz", "42,108", 0, ["NIFTY", "BANKNIFTY"], 2_740),
        ("nse_official_fo14112025.zip", "15,762", 0, ["NIFTY", "BANKNIFTY"], 1_537),
        ("udiff_fo_20260813_NIFTY_MCX_PETRONET.csv.gz", "1,736", 1, ["NIFTY"], 1_714),
    ],
)
def test_a_real_day(name: str, rows: str, rejected: int, symbols: list[str], options: int) -> None:
    printed = run(real(name))
    assert f"rows read {rows:>9}" in printed
    assert f"rejected  {rejected:>9,}" in printed
    assert options_on(*symbols) == options
    before = (Quote.objects.count(), Instrument.objects.count())
    run(real(name))
    assert (Quote.objects.count(), Instrument.objects.count()) == before


def test_the_real_udiff_day_has_spot_prices_lots_and_a_rejects_file() -> None:
    run(real("udiff_fo_20260813_NIFTY_MCX_PETRONET.csv.gz"))
    spot = Quote.objects.get(instrument_key="NSE@NIFTY@equity_spot")
    assert (spot.close, spot.time) == (24395.85, datetime(2026, 8, 13, 10, 10, tzinfo=UTC))
    assert set(
        Instrument.objects.filter(underlying="NSE@NIFTY", expiry__isnull=False).values_list("lot_size", flat=True)
    ) == {65}
    untraded = Quote.objects.filter(source="bhavcopy-udiff", volume=0)
    assert untraded.count() == 926
    assert not untraded.filter(close__isnull=False).exists()
    assert not untraded.filter(last__isnull=False).exists()
    assert untraded.filter(settle__isnull=False).count() == 923
    with Path("udiff_fo_20260813_NIFTY_MCX_PETRONET.csv.gz.rejects.csv").open() as file:
        header, row = csv.reader(file)
    assert header == ["file", "row", "reason", "detail", "text"]
    assert row[:3] == ["udiff_fo_20260813_NIFTY_MCX_PETRONET.csv", "6", "repeated contract, a later row counts"]
    assert "MCX26OCT3400CE" in row[4]


def test_what_lands_of_a_legacy_row() -> None:
    printed = run(write("day.csv", HEADER, FUTURE, CALL))
    assert "legacy bhavcopy of 2025-03-21, 1 options and 1 futures" in printed
    assert not Path("day.csv.rejects.csv").exists()
    call = Instrument.objects.get(key=CALL_KEY)
    assert (call.underlying_id, call.product, call.right, call.strike) == ("NSE@NIFTY", "equity_options", "call", 23500)
    assert (call.expiry, call.expires_at) == (date(2025, 3, 27), datetime(2025, 3, 27, 10, 0, tzinfo=UTC))
    assert (call.lot_size, call.tick_size) == (75, None)
    quote = Quote.objects.get(instrument_key=CALL_KEY)
    assert (quote.time, quote.close, quote.settle, quote.last, quote.bid) == (CLOSE, 100, 101, None, None)
    assert (quote.volume, quote.open_interest, quote.source) == (750, 1500, "bhavcopy-legacy")
    nifty = Underlying.objects.get(key="NSE@NIFTY")
    assert (nifty.spot_key, nifty.volatility_index_key) == ("NSE@NIFTY@equity_spot", "NSE@INDIAVIX@equity_spot")


def test_the_daily_zip_takes_its_date_from_its_members() -> None:
    printed = run(zipped("anything.zip", SUMMARY))
    assert "summary bhavcopy of 2025-11-14, 1 options and 1 futures" in printed
    assert set(Quote.objects.values_list("time", flat=True)) == {datetime(2025, 11, 14, 10, 0, tzinfo=UTC)}
    assert set(Instrument.objects.values_list("lot_size", flat=True)) == {35}


def test_a_member_of_the_daily_zip_on_its_own_needs_its_date() -> None:
    path = write("options.csv", SUMMARY["op14112025.csv"])
    with pytest.raises(CommandError, match="give it with --date"):
        run(path)
    assert "2025-11-14" in run(path, "--date", "2025-11-14")
    named = write("op14112025.csv", SUMMARY["op14112025.csv"])
    assert "2025-11-14" in run(named)


def test_gzip_and_a_zip_of_one_file_are_opened_whatever_they_are_called() -> None:
    Path("day.csv").write_bytes(gzip.compress("\n".join((HEADER, CALL)).encode()))
    assert "rows read         1" in run("day.csv")
    assert "rows read         1" in run(zipped("fo21MAR2025bhav.csv.zip", {"fo21MAR2025bhav.csv": CALL}))


def test_bytes_that_are_not_utf_8_do_not_stop_the_import() -> None:
    Path("day.csv").write_bytes("\n".join((HEADER, CALL, CALL.replace("NIFTY", "CAF\xc9"))).encode("latin-1"))
    assert "bad symbol" in run("day.csv")


def test_rejects_are_written_where_asked_for_all_files() -> None:
    bad = CALL.replace("23500", "abc")
    printed = run(write("a.csv", HEADER, CALL, bad), write("b.csv", HEADER, bad, FUTURE), "--rejects", "out.csv")
    assert printed.count("1  STRIKE_PR is not a number from 0") == 2
    with Path("out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["row"], row["detail"]) for row in rows] == [("a.csv", "3", "abc"), ("b.csv", "2", "abc")]
    assert rows[0]["text"] == bad
    with pytest.raises(CommandError, match="could not be written"):
        run("a.csv", "--rejects", "no/such/folder.csv")


def test_importing_again_replaces_and_does_not_repeat() -> None:
    run(write("day.csv", HEADER, FUTURE, CALL))
    run(write("corrected.csv", HEADER, FUTURE, CALL.replace(",100,101,", ",102,103,")))
    assert Quote.objects.count() == 2
    assert Quote.objects.get(instrument_key=CALL_KEY).close == 102


def test_another_source_of_the_day_adds_and_does_not_erase() -> None:
    run(write("day.csv", HEADER, CALL))
    summary = SUMMARY["op14112025.csv"].splitlines()
    row = (
        summary[1]
        .replace("BANKNIFTY ", "NIFTY     ")
        .replace("25/11/2025", "27/03/2025")
        .replace("00046500.00,PE", "00023500.00,CE")
    )
    run(write("op21032025.csv", summary[0], row))
    quote = Quote.objects.get(instrument_key=CALL_KEY)
    assert (quote.close, quote.settle, quote.source) == (3.5, 101, "bhavcopy-summary")


def test_what_staff_set_and_what_is_known_is_kept() -> None:
    run(write("day.csv", HEADER, FUTURE, CALL))
    Underlying.objects.filter(key="NSE@NIFTY").update(pricing_model="black76", dividend_yield=0.013)
    untraded = CALL.replace(",90,110,80,100,101,10,176.9625,", ",0,0,0,100,101,0,0,").replace("21-Mar", "24-Mar")
    run(write("next.csv", HEADER, untraded))
    nifty = Underlying.objects.get(key="NSE@NIFTY")
    assert (nifty.pricing_model, nifty.dividend_yield) == ("black76", 0.013)
    assert Instrument.objects.get(key=CALL_KEY).lot_size == 75


LOT_65 = CALL.replace(",176.9625,", ",153.3675,").replace("21-Mar", "24-Mar")  # the lot that its turnover proves


def terms() -> tuple[int | None, date | None]:
    return Instrument.objects.values_list("lot_size", "lot_size_as_of").get(key=CALL_KEY)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_lot_of_the_newest_day_counts_whatever_the_order(order: tuple[int, int]) -> None:
    days = [write("old.csv", HEADER, CALL), write("new.csv", HEADER, LOT_65)]
    for place in order:
        run(days[place])
    assert terms() == (65, date(2025, 3, 24))
    old = Quote.objects.get(instrument_key=CALL_KEY, time=CLOSE)
    assert old.volume == 10 * 75  # units by the lot of the quote's own day


def test_a_day_between_two_others_does_not_count() -> None:
    for day, row in (("21", CALL), ("26", CALL.replace("21-Mar", "26-Mar")), ("24", LOT_65)):
        run(write(f"{day}.csv", HEADER, row))
    assert terms() == (75, date(2025, 3, 26))


def test_a_file_of_two_days_gives_the_lot_of_its_newest() -> None:
    run(write("days.csv", HEADER, CALL.replace("21-Mar", "24-Mar"), CALL))
    assert Quote.objects.filter(instrument_key=CALL_KEY).count() == 2
    assert terms() == (75, date(2025, 3, 24))


def test_a_correction_of_the_same_day_counts_and_an_undated_lot_gives_way() -> None:
    Underlying.objects.create(key="NSE@NIFTY", exchange="NSE", symbol="NIFTY", spot_key="NSE@NIFTY@equity_spot")
    Instrument.objects.create(key=CALL_KEY, underlying_id="NSE@NIFTY", product="equity_options", lot_size=50)
    run(write("old.csv", HEADER, CALL))
    assert terms() == (75, date(2025, 3, 21))
    run(write("same.csv", HEADER, LOT_65.replace("24-Mar", "21-Mar")))
    assert terms() == (65, date(2025, 3, 21))


def test_ticks_are_dated_too() -> None:
    keys = {CALL_KEY: parse_key(CALL_KEY)}
    register_instruments(keys, tick_size=Decimal("0.05"), as_of=date(2025, 3, 24))
    assert register_instruments(keys, tick_size=Decimal("0.01"), as_of=date(2025, 3, 21)) == 0
    assert register_instruments(keys, tick_size=Decimal("0.01")) == 0  # undated
    assert Instrument.objects.get(key=CALL_KEY).tick_size == Decimal("0.05")
    assert register_instruments(keys, tick_size=Decimal("0.1"), as_of=date(2025, 3, 25)) == 1


def test_a_quote_has_the_hours_of_its_own_day_and_an_expiry_those_of_its() -> None:
    """NSE's derivatives close at 15:40 since 3 August 2026, and at 15:30 before."""
    row = CALL.replace("27-Mar-2025", "25-Aug-2026")
    run(write("june.csv", HEADER, row.replace("21-Mar-2025", "11-Jun-2026")))
    run(write("august.csv", HEADER, row.replace("21-Mar-2025", "12-Aug-2026")))
    times = sorted(Quote.objects.values_list("time", flat=True))
    assert times == [datetime(2026, 6, 11, 10, 0, tzinfo=UTC), datetime(2026, 8, 12, 10, 10, tzinfo=UTC)]
    assert Instrument.objects.get().expires_at == datetime(2026, 8, 25, 10, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"date,open,high\n2024-01-01,1,2\n", "this is no bhavcopy"),
        (b"", "the file is empty"),
        (f"{HEADER}\n".encode(), "none of the 0 rows can be used"),
        (f"{HEADER}\n{CALL.replace('CE', 'XX')}\n".encode(), "none of the 1 rows can be used; the first: option type"),
        (gzip.compress(f"{HEADER}\n{CALL}\n".encode() * 50)[:-20], "truncated or damaged"),
        (b"\x1f\x8b no gzip at all", "truncated or damaged"),
        (b"PK\x03\x04 no zip at all", "truncated or damaged"),
    ],
)
def test_a_file_that_cannot_be_used_says_why_and_stores_nothing(content: bytes, message: str) -> None:
    Path("bad.csv").write_bytes(content)
    with pytest.raises(CommandError, match=message):
        run("bad.csv")
    assert not Quote.objects.exists()
    assert not Instrument.objects.exists()


def test_a_truncated_zip_and_one_without_contracts() -> None:
    whole = zipped("day.zip", SUMMARY).read_bytes()
    Path("cut.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CommandError, match=r"cut\.zip: truncated or damaged"):
        run("cut.zip")
    with pytest.raises(CommandError, match=r"none is named foDDMMYYYY\.csv"):
        run(zipped("other.zip", {"a.csv": CALL, "b.csv": CALL}))
    with pytest.raises(CommandError, match="does not say its date"):
        run(zipped("odd.zip", {"op99992025.csv": SUMMARY["op14112025.csv"]}))
    with pytest.raises(CommandError, match="No such file"):
        run("absent.csv")
    with pytest.raises(CommandError, match="'soon' is not a date"):
        run("day.zip", "--date", "soon")


def test_one_file_that_fails_does_not_undo_the_others() -> None:
    good, bad, more = write("a.csv", HEADER, CALL), write("b.csv", "nonsense"), write("c.csv", HEADER, FUTURE)
    with pytest.raises(CommandError, match=r"1 of 3 files not imported: b\.csv"):
        run(good, bad, more)
    assert Quote.objects.count() == 2
