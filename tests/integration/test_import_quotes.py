"""manage.py import_quotes: what is stored, what a second import changes, and what is refused."""

import gzip
import io
import math
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from signals.importers import quote_files
from signals.importers.background import read_ahead
from signals.importers.core.presets import PRESETS
from signals.instruments.models import Instrument, Underlying
from tests.integration.processes import ROOT
from timeframes.core.binary_copy import Column, copied_rows, field
from timeframes.models import Quote
from timeframes.quotes import bulk
from timeframes.quotes.bulk import record_quote_columns

HEADER = "exchange,symbol,expiry,strike,right,time,bid,ask,last,volume,lot_size,spot"
ROW = "NSE,NIFTY,2026-08-27,24000,call,2026-08-20T10:00:00,100,101,100.5,650,65,24010"
KEY = "NSE@NIFTY@equity_options@2026-08-27@call@24000"
SPOT = "NSE@NIFTY@equity_spot"
MOMENT = datetime(2026, 8, 20, 4, 30, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("import_quotes", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def write(*rows: str, header: str = HEADER, name: str = "quotes.csv") -> str:
    Path(name).write_text("\n".join([header, *rows]) + "\n")
    return name


def snapshot() -> list[Any]:
    quotes = list(Quote.objects.order_by("instrument_key", "time").values_list())
    return [quotes, list(Instrument.objects.order_by("key").values_list()), list(Underlying.objects.values_list())]


def test_a_file_becomes_contracts_and_quotes() -> None:
    printed = run(write(ROW), "--preset", "plain")
    assert "plain quotes of 2 instruments of NIFTY, 2026-08-20 04:30:00 UTC" in printed
    assert "loaded            1  and 1 spot prices" in printed
    assert "written           2  new or changed" in printed
    quote = Quote.objects.get(instrument_key=KEY)
    assert (quote.time, quote.bid, quote.ask, quote.last, quote.volume) == (MOMENT, 100.0, 101.0, 100.5, 650.0)
    assert (quote.settle, quote.close, quote.open_interest) == (None, None, None)
    assert quote.source == "quotes-plain"
    assert Quote.objects.get(instrument_key=SPOT).last == 24010
    instrument = Instrument.objects.get(key=KEY)
    assert (instrument.strike, instrument.lot_size, instrument.right) == (Decimal(24000), 65, "call")
    assert instrument.lot_size_as_of == MOMENT.date()
    assert instrument.expires_at == datetime(2026, 8, 27, 10, 10, tzinfo=UTC)
    assert Underlying.objects.get(key="NSE@NIFTY").volatility_index_key == "NSE@INDIAVIX@equity_spot"


def test_the_same_file_twice_changes_nothing() -> None:
    name = write(ROW, ROW.replace("24000", "24100").replace("100.5", ""), ROW.replace("10:00", "10:01"))
    run(name, "--preset", "plain")
    before = snapshot()
    assert "written           0  new or changed" in run(name, "--preset", "plain")
    assert snapshot() == before


def test_a_correction_changes_its_row_and_keeps_other_columns() -> None:
    run(write(ROW, ROW.replace("24000", "24100")), "--preset", "plain")
    Quote.objects.filter(instrument_key=KEY).update(settle=99.0)
    printed = run(write(ROW.replace(",100,", ",,"), ROW.replace("24000", "24100")), "--preset", "plain")
    assert "written           1  new or changed" in printed
    quote = Quote.objects.get(instrument_key=KEY)
    assert (quote.bid, quote.ask, quote.settle) == (None, 101.0, 99.0)


def test_a_damaged_file_stores_nothing_and_the_whole_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signals.importers.core.text_blocks.MAX_LINES", 100)
    rows = [ROW.replace("24000", str(strike)) for strike in range(20_000, 30_000, 5)]
    packed = gzip.compress("\n".join([HEADER, *rows]).encode())
    Path("quotes.csv.gz").write_bytes(packed[:-20])
    monkeypatch.setattr(quote_files, "CHUNK", 4096)
    with pytest.raises(CommandError, match="truncated or damaged"):
        run("quotes.csv.gz", "--preset", "plain")
    assert not Quote.objects.exists()
    assert not Instrument.objects.exists()
    Path("quotes.csv.gz").write_bytes(packed)
    run("quotes.csv.gz", "--preset", "plain")
    assert Quote.objects.filter(instrument_key__contains="option").count() == 2_000


def test_one_bad_file_leaves_the_others(tmp_path: Path) -> None:
    good, bad = write(ROW), write("", name="empty.csv")
    with pytest.raises(CommandError, match=r"1 of 3 files not imported: empty\.csv: the file has no rows"):
        run(bad, good, write(ROW.replace("24000", "1"), name="more.csv"), "--preset", "plain")
    assert Quote.objects.filter(instrument_key__contains="option").count() == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what the columns are, with --map, or --preset with one of plain"),
        (["--preset", "moon"], "there is no preset 'moon'; presets are plain"),
        (["--map", "a=prise"], "there is no field 'prise'"),
        (["--map", "a"], "'a' is not COLUMN=FIELD"),
        (["--map", "=bid"], "is not COLUMN=FIELD"),
        (["--map", "a=bid", "b=bid"], "bid has two columns; give alternatives as A|B=bid"),
        (["--preset", "plain", "--set", "symbol"], "'symbol' is not FIELD=VALUE"),
        (["--preset", "plain", "--set", "colour=red"], "there is no field 'colour'"),
        (["--preset", "plain", "--set", "exchange=MOON"], "exchange 'MOON' is not known"),
        (["--preset", "plain", "--time-zone", "Moon/Sea"], "time zone 'Moon/Sea' is not known"),
        (["--preset", "plain", "--bar", "soon"], "bar: 'soon' is no timeframe"),
        (["--map", "bid=bid"], "the file has no column for time, exchange"),
        (["--preset", "plain", "--map", "price=bid"], None),
    ],
)
def test_arguments_that_are_wrong(arguments: list[str], message: str | None) -> None:
    name = write(ROW)
    if message is None:  # a column that the file lacks is a field that it does not give
        run(name, *arguments)
        assert Quote.objects.get(instrument_key=KEY).bid is None
        return
    with pytest.raises(CommandError) as caught:
        run(name, *arguments)
    assert message in str(caught.value)
    assert not Quote.objects.exists()


def test_a_table_by_its_own_mapping() -> None:
    """Semicolons, contracts, epochs, another zone and both legs in one row."""
    Path("desk.csv").write_text(
        "when;root;ends;K;C bid;C ask;C vol;P bid;P ask;P vol;iv\n"
        "1787200200;NIFTY;27/08/2026;24000;100;101;10;90;91;20;13.5\n"
    )
    mapped = ["when=time", "root=symbol", "ends=expiry", "K=strike", "C bid=call.bid", "C ask=call.ask"]
    mapped += ["C vol=call.volume", "P bid=put.bid", "P ask=put.ask", "P vol=put.volume", "iv=implied_volatility"]
    printed = run(
        *("desk.csv", "--delimiter", ";", "--set", "exchange=NSE", "lot_size=65", "--time-format", "epoch_s"),
        *("--expiry-format", "%d/%m/%Y", "--volume-in", "contracts", "--volatility-in", "percent", "--map", *mapped),
    )
    assert "map quotes of 2 instruments of NIFTY, 2026-08-20 04:30:00 UTC" in printed
    quotes = {quote.instrument_key: (quote.bid, quote.ask, quote.volume) for quote in Quote.objects.all()}
    assert quotes == {KEY: (100, 101, 650), KEY.replace("call", "put"): (90, 91, 1300)}


def test_contracts_take_the_lot_that_another_file_gave() -> None:
    header = HEADER.replace(",lot_size,spot", "")
    row = ROW.removesuffix(",65,24010")
    printed = run(write(row, header=header), "--preset", "plain", "--volume-in", "contracts")
    assert "note: 1 rows have no volume: the file counts contracts and no lot is known" in printed
    assert Quote.objects.get(instrument_key=KEY).volume is None
    run(write(ROW.replace("2026-08-20", "2026-08-19")), "--preset", "plain")
    run(write(row, header=header), "--preset", "plain", "--volume-in", "contracts")
    assert Quote.objects.get(instrument_key=KEY, time=MOMENT).volume == 650 * 65


def test_rejects_are_written_with_their_rows() -> None:
    printed = run(write(ROW, ROW.replace(",100,", ",cheap,"), ROW.replace("NIFTY", "nifty")), "--preset", "plain")
    assert "rejected          2" in printed
    rejects = pd.read_csv("quotes.csv.rejects.csv")
    assert rejects[["file", "row", "reason"]].to_numpy().tolist() == [
        ["quotes.csv", 3, "bid is not a number from 0"],
        ["quotes.csv", 4, "bad symbol"],
    ]


def test_spot_prices_that_disagree_are_reported() -> None:
    printed = run(write(ROW, ROW.replace("24000", "24100").replace("24010", "24020")), "--preset", "plain")
    assert "1 rows disagree on the spot price of one moment; the last row counts" in printed
    assert Quote.objects.get(instrument_key=SPOT).last == 24020


def test_progress_counts_the_bytes_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    name = write(*[ROW.replace("24000", str(strike)) for strike in range(1, 20_000)])
    monkeypatch.setattr(quote_files, "CHUNK", 100_000)
    seen: list[tuple[int, int]] = []
    size = Path(name).stat().st_size
    for _ in quote_files.read_quote_file(Path(name), PRESETS["plain"], lambda *at: seen.append(at)):
        pass
    assert seen == sorted(seen)
    assert len(seen) > 10
    assert seen[-1] == (size, size)


# --- writing columns


def columns(times: int = 3, keys: int = 4) -> tuple[list[str], np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    names = [f"NSE@NIFTY@equity_options@2026-08-27@call@{strike}" for strike in (9, 10_000, 24_000.5, 100_000)[:keys]]
    place = np.tile(np.arange(keys), times)
    moment = 1_787_200_200_000_001 + np.repeat(np.arange(times), keys) * 60_000_000
    bid = np.arange(keys * times, dtype=float)
    bid[::3] = math.nan
    return names, place, moment, {"bid": bid, "volume": np.full(keys * times, 1e300)}


def test_columns_come_back_as_they_went_in() -> None:
    names, place, moment, numbers = columns()
    shuffled = np.random.default_rng(1).permutation(len(place))
    given = {name: column[shuffled] for name, column in numbers.items()}
    assert record_quote_columns(names, place[shuffled], moment[shuffled], "test", given) == len(place)
    for at in range(len(place)):
        time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(moment[at]))
        quote = Quote.objects.get(instrument_key=names[place[at]], time=time)
        assert quote.bid == (None if math.isnan(numbers["bid"][at]) else numbers["bid"][at])
        assert (quote.volume, quote.ask, quote.source) == (1e300, None, "test")
    assert record_quote_columns(names, place, moment, "test", numbers) == 0
    numbers["bid"][1] = 77.0
    assert record_quote_columns(names, place, moment, "test", numbers) == 1
    with pytest.raises(ValueError, match="a quote has no delta"):
        record_quote_columns(names, place, moment, "test", {"delta": numbers["bid"]})
    nothing = np.zeros(0, dtype=np.int64)
    assert record_quote_columns([], nothing, nothing, "test", {"bid": np.zeros(0)}) == 0


def test_rows_that_appear_after_the_look_are_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another import may store the same between the look for stored quotes and the copy."""
    names, place, moment, numbers = columns()
    record_quote_columns(names, place, moment, "test", numbers)
    numbers["bid"][:] = 500.0
    monkeypatch.setattr(bulk, "_any_stored", lambda *_: False)
    assert record_quote_columns(names, place, moment, "test", numbers) == len(place)
    assert set(Quote.objects.values_list("bid", flat=True)) == {500.0}


def test_one_block_of_bytes_for_each_shape() -> None:
    names, place, moment, numbers = columns()
    found: list[Column] = [(moment, "timestamptz"), *((column, "float8") for column in numbers.values())]
    blocks = list(copied_rows([field(name.encode()) for name in names], 1, place, found))
    assert len(blocks) == 8  # four lengths of keys, with and without a bid


# --- reading ahead


def test_an_error_of_the_reader_is_raised_where_it_is_read() -> None:
    def broken() -> Any:
        yield 1
        raise RuntimeError("of the reader")

    found = read_ahead(broken())
    assert next(found) == 1
    with pytest.raises(RuntimeError, match="of the reader"):
        next(found)


def test_a_reader_that_is_left_ends() -> None:
    before = threading.active_count()
    ahead = read_ahead(iter(range(1_000_000)))
    assert next(ahead) == 0
    ahead.close()
    assert threading.active_count() == before


@pytest.mark.django_db(transaction=True)
def test_a_killed_import_leaves_nothing_and_is_repeated() -> None:
    strikes = range(20_000, 30_000, 50)
    rows = [
        ROW.replace("24000", str(strike)).replace("10:00:00", f"{hour:02d}:{minute:02d}:00")
        for hour in (10, 11, 12, 13)
        for minute in range(60)
        for strike in strikes
    ]
    name = str(Path(write(*rows)).resolve())
    code = (
        "import django; django.setup(); from django.db import connection;"
        "from django.core.management import call_command;"
        f"connection.settings_dict['NAME'] = {connection.settings_dict['NAME']!r};"
        f"call_command('import_quotes', {name!r}, preset='plain')"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "signalsite.settings"}
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    copying = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY %'"
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with connection.cursor() as cursor:
            cursor.execute(copying)
            if cursor.fetchone()[0]:
                break
    process.send_signal(signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    assert Quote.objects.count() in (0, len(rows) + 240)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Quote.objects.count() == len(rows) + 240
