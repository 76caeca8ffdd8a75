"""The recipes of CONTRIBUTING.md, followed in a copy of the project; what they made is used as a user would.

A computation has its own file: test_new_computation.py.
"""

import csv
from pathlib import Path

import pytest

from tests.integration.recipes import Copy, follow

CORE = '''
"""Reading lines of `instrument_key,time,bid,ask`."""

import csv
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import InstrumentKey, InvalidInstrumentKey, parse_key


@dataclass(frozen=True, eq=False)
class QuoteLines:
    keys: list[InstrumentKey]
    times: list[datetime]
    bid: np.ndarray
    ask: np.ndarray
    rejected: list[tuple[int, str, str, str]]


def read_lines(text: str) -> QuoteLines:
    keys, times, prices, rejected = [], [], [], []
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        try:
            key, time, bid, ask = row
            exchange_named(parse_key(key).exchange)
            found = parse_key(key), datetime.fromisoformat(time), (float(bid) or np.nan, float(ask) or np.nan)
        except (ValueError, InvalidInstrumentKey, InvalidInput) as error:
            rejected.append((number, "unreadable line", str(error), ",".join(row)))
            continue
        keys.append(found[0])
        times.append(found[1])
        prices.append(found[2])
    bid, ask = np.array(prices, np.float64).reshape(-1, 2).T
    return QuoteLines(keys, times, bid, ask, rejected)
'''
ADAPTER = '''
"""Lines of quotes into contracts and quotes."""

from django.db import transaction

from signals.importers.core.quote_lines import read_lines
from signals.importers.files import UnreadableFile, decode, read_parts
from signals.importers.reports import ImportReport, RejectedRow
from signals.instruments.services import register_instruments
from timeframes.core.quotes import QuoteRows
from timeframes.quotes.services import record_quotes


def import_quote_lines(path, *, progress):
    (data,) = read_parts(path).values()
    read = read_lines(decode(data))
    if not read.keys:
        raise UnreadableFile("it has no usable line")
    names = [str(key) for key in read.keys]
    columns = {"instrument_key": names, "time": read.times, "source": "quote-lines", "bid": read.bid, "ask": read.ask}
    with transaction.atomic():
        register_instruments(dict(zip(names, read.keys, strict=True)))
        record_quotes(QuoteRows(**columns))
    progress(len(names), len(names))
    rejected = [RejectedRow(path.name, *each) for each in read.rejected]
    return ImportReport(path.name, "lines of quotes", len(names) + len(rejected), len(names), 0, rejected)
'''
COMMAND = '''
"""manage.py import_quote_lines FILE..."""

from signals.importers.commands import ImportCommand
from signals.importers.quote_lines import import_quote_lines


class Command(ImportCommand):
    help = "Import quotes, one a line: instrument_key,time,bid,ask."

    def handle(self, *, files, rejects, **options):
        self.import_files(files, rejects, lambda path, progress: import_quote_lines(path, progress=progress))
'''
CORE_TEST = """
import numpy as np

from signals.importers.core.quote_lines import read_lines


def test_lines():
    read = read_lines("NSE@NIFTY@equity_spot,2026-11-20T10:00:00+05:30,0,24001\\nNSE@NIFTY,now\\n")
    assert np.isnan(read.bid).tolist() == [True] and read.ask.tolist() == [24001.0]
    assert [row[:2] for row in read.rejected] == [(2, "unreadable line")]
"""
EXCHANGE = """            *(_american(name) for name in ("CBOE", "NYSE", "NASDAQ", "OPRA")),
"""
MCX = """            Exchange("MCX", KOLKATA, _MCX_HOURS, calendar="XBOM", expires=time(17)),
"""
HOURS = "_MCX_HOURS = (Hours(date.min, time(9), time(23, 30)),)\n"
SESSIONS_TEST = """

def test_mcx_closes_at_2330_and_its_options_expire_at_1700() -> None:
    assert session_close("MCX", date(2026, 11, 20)) == utc("2026-11-20 18:00")
    assert expiry_moment(parse_key("MCX@GOLD@equity_options@2026-11-27@call@120000")) == utc("2026-11-27 11:30")
"""
LINES = """key,time,bid,ask
MCX@GOLD@equity_spot,2026-11-20T10:00:00+05:30,119990,120010
MCX@GOLD@equity_options@2026-11-27@call@120000,2026-11-20T10:00:00+05:30,1500,1510
MCX@GOLD@equity_options@2026-11-27@put@120000,2026-11-20T10:00:00+05:30,1340,1350
XYZ@GOLD@equity_spot,2026-11-20T10:00:00+05:30,1,2
"""
RETENTION = 'JOB_RETENTION_DAYS = env.float("JOB_RETENTION_DAYS"'
LIMIT = 'IMPORT_MAX_ROWS = env.int("IMPORT_MAX_ROWS", 1_000_000, validate=at_least(1))\n'


def test_an_importer(copy: Copy, tmp_path: Path) -> None:
    copy.append("docs/imports.md", "\n## Lines of quotes: `manage.py import_quote_lines FILE...`\n")
    copy.append("CHANGELOG.md", "- Import of lines of quotes (`import_quote_lines`).\n")
    new = {
        "signals/importers/core/quote_lines.py": CORE,
        "signals/importers/quote_lines.py": ADAPTER,
        "signals/management/commands/import_quote_lines.py": COMMAND,
        "tests/core/test_quote_lines.py": CORE_TEST,
    }
    follow(copy, "An importer", "quote_lines", new)
    copy.stays_within_the_layers()
    copy.test("tests/core/test_quote_lines.py")
    file = tmp_path / "lines.csv"
    file.write_text("NSE@NIFTY@equity_spot,2026-11-20T10:00:00+05:30,24000,24002\nnothing\n")
    printed = copy.manage("import_quote_lines", str(file), "--rejects", str(tmp_path / "rejects.csv"))
    assert "loaded            1" in printed and "rejected          1" in printed
    out = tmp_path / "quotes.csv"
    copy.manage("compute", "quotes", "NSE@NIFTY@equity_spot", "--at", "2026-11-20T10:00:01", "--out", str(out))
    (row,) = csv.DictReader(out.open())
    assert (row["status"], row["price"], row["source"]) == ("ok", "24001", "quote-lines")


def test_an_exchange(copy: Copy, tmp_path: Path) -> None:
    file, out = tmp_path / "gold.csv", tmp_path / "gold.greeks.csv"
    file.write_text(LINES)
    copy.edit("timeframes/core/exchanges.py", EXCHANGE, EXCHANGE + MCX)
    copy.edit("timeframes/core/exchanges.py", "_NSE_HOURS = ", HOURS + "_NSE_HOURS = ")
    copy.append("tests/core/test_sessions.py", SESSIONS_TEST)
    copy.edit(
        "docs/data.md",
        "| NYSE, NASDAQ, OPRA |",
        "| MCX | Asia/Kolkata | 09:00 to 23:30 | 17:00 |\n| NYSE, NASDAQ, OPRA |",
    )
    copy.append("CHANGELOG.md", "- MCX.\n")
    follow(copy, "An exchange", "MCX", {})
    copy.test("tests/core/test_sessions.py", "-k", "mcx")
    printed = copy.manage("import_quotes", str(file), "--preset", "plain", "--rejects", str(tmp_path / "rejects.csv"))
    assert "loaded            3" in printed and "rejected          1" in printed
    at = ("--at", "2026-11-20T10:00:01")
    copy.manage("compute", "greeks", "MCX@GOLD@equity_options@2026-11-27@call@120000", *at, "--out", str(out))
    (row,) = csv.DictReader(out.open())
    assert row["status"] == "ok"
    seconds = (7 * 24 + 7) * 3600 - 1  # to 17:00 of the seventh day
    assert float(row["expiry_years"]) == pytest.approx(seconds / (365 * 86_400))


def test_a_setting(copy: Copy, tmp_path: Path) -> None:
    copy.edit("signalsite/settings/batch.py", RETENTION, LIMIT + RETENTION)
    undocumented = copy.run("-m", "pytest", "-n0", "tests/core/test_settings_page.py")
    assert undocumented.returncode != 0 and "IMPORT_MAX_ROWS" in undocumented.stdout
    copy.append("docs/settings.md", "| `IMPORT_MAX_ROWS` | `1000000` | most lines of an imported file |\n")
    before = "    JOB_RETENTION_DAYS:\n"
    copy.edit("docker-compose.yml", before, before + "    IMPORT_MAX_ROWS:\n")
    copy.append("deploy/env.example", "\n# Most lines of an imported file.\nIMPORT_MAX_ROWS=1000000\n")
    copy.append("CHANGELOG.md", "- `IMPORT_MAX_ROWS`.\n")
    follow(copy, "A setting", "batch", {})
    copy.test("tests/core/test_settings_page.py")
    refused = copy.run("manage.py", "check", IMPORT_MAX_ROWS="0")
    assert refused.returncode != 0 and "IMPORT_MAX_ROWS" in refused.stderr
    read = ("shell", "-v0", "-c", "from django.conf import settings; print(settings.IMPORT_MAX_ROWS)")
    assert copy.manage(*read, IMPORT_MAX_ROWS="7") == "7\n"
    assert copy.manage(*read) == "1000000\n"
