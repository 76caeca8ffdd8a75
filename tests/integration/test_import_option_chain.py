"""manage.py import_option_chain."""

import copy
import gzip
import io
import json
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from signals.instruments.models import Instrument
from timeframes.models import Quote

DATA = Path(__file__).parents[2] / "../shared/data/2_nse_chain"
LEG = {
    "strikePrice": 33000,
    "expiryDate": "20-May-2021",
    "underlying": "BANKNIFTY",
    "openInterest": 543,
    "totalTradedVolume": 194,
    "lastPrice": 22,
    "bidQty": 25,
    "bidprice": 17.5,
    "askQty": 0,
    "askPrice": 0,
}
CHAIN = {"records": {"timestamp": "17-May-2021 15:30:00", "underlyingValue": 33459.25, "data": [{"PE": LEG}]}}
KEY = "NSE@BANKNIFTY@equity_options@2021-05-20@put@33000"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str | Path) -> str:
    out = io.StringIO()
    call_command("import_option_chain", *map(str, arguments), stdout=out, stderr=io.StringIO())
    return out.getvalue()


def write(name: str, document: Any) -> Path:
    Path(name).write_text(json.dumps(document))
    return Path(name)


@pytest.mark.parametrize(
    ("name", "legs", "spot", "lot", "time"),
    [
        ("banknifty_2021-05-17_1530.json.gz", 1_891, 33459.25, 25, "2021-05-17T10:00:00"),
        ("nifty_2022-03-15_1301.json.gz", 1_871, 16743.4, 50, "2022-03-15T07:31:52"),
        ("nifty_2025-08-05_1359.json.gz", 1_346, 24623.45, 75, "2025-08-05T08:29:23"),
    ],
)
def test_a_real_chain(name: str, legs: int, spot: float, lot: int, time: str) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"the market data is not here: {name}")
    printed = run((DATA / name).resolve())
    assert f"loaded    {legs:>9,}  and 1 spot prices" in printed
    run((DATA / name).resolve())
    assert Quote.objects.count() == legs + 1
    assert set(Quote.objects.values_list("time", flat=True)) == {datetime.fromisoformat(time).replace(tzinfo=UTC)}
    assert Quote.objects.get(instrument_key__endswith="equity_spot").last == spot
    assert set(Instrument.objects.values_list("lot_size", flat=True)) - {None} == {lot}
    assert not Quote.objects.filter(bid=0).exists()
    # Open interest is a whole number of units, though older contracts show fractions of today's lot.
    assert all(
        interest == round(interest)
        for interest in Quote.objects.exclude(open_interest=None).values_list("open_interest", flat=True)
    )


def test_open_interest_is_in_units_where_the_lot_is_known() -> None:
    path = write("chain.json", CHAIN)
    run(path)
    quote = Quote.objects.get(instrument_key=KEY)
    assert (quote.bid, quote.ask, quote.last, quote.volume, quote.open_interest) == (17.5, None, 22, None, None)
    Instrument.objects.filter(key=KEY).update(lot_size=25)
    run(path)
    quote.refresh_from_db()
    assert (quote.volume, quote.open_interest, quote.source) == (194 * 25, 543 * 25, "nse-option-chain")


def test_the_units_are_of_the_lot_that_the_chain_proves_and_a_newer_lot_stays() -> None:
    chain = copy.deepcopy(CHAIN)
    rows = [{"PE": LEG | {"strikePrice": 33000 + 100 * n, "bidQty": 25 * (n + 1), "askQty": 75}} for n in range(30)]
    chain["records"]["data"] = rows
    path = write("chain.json", chain)
    run(path)
    assert set(Instrument.objects.values_list("lot_size", flat=True)) - {None} == {25}
    Instrument.objects.filter(key=KEY).update(lot_size=15, lot_size_as_of=date(2021, 5, 18))
    run(path)
    assert Quote.objects.get(instrument_key=KEY).open_interest == 543 * 25
    assert Instrument.objects.get(key=KEY).lot_size == 15


def test_a_chain_without_a_spot_price_stores_none() -> None:
    chain = copy.deepcopy(CHAIN)
    chain["records"]["underlyingValue"] = 0
    assert "spot" not in run(write("chain.json", chain))
    assert Quote.objects.count() == 1


def test_legs_that_cannot_be_used_are_reported() -> None:
    chain = copy.deepcopy(CHAIN)
    chain["records"]["data"].append({"CE": LEG | {"expiryDate": "someday"}})
    printed = run(write("chain.json", chain))
    assert "1  expiry is not a date" in printed
    assert "chain.json,2,expiry is not a date,someday" in Path("chain.json.rejects.csv").read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"records": {"data": [', "not JSON"),
        (b'{"error": "denied"}', "no records.data"),
        (gzip.compress(json.dumps(CHAIN).encode())[:-9], "truncated or damaged"),
    ],
)
def test_a_file_that_is_no_chain_says_why_and_stores_nothing(content: bytes, message: str) -> None:
    Path("bad.json").write_bytes(content)
    with pytest.raises(CommandError, match=message):
        run("bad.json")
    assert not Instrument.objects.exists()


def test_a_zip_holds_one_chain() -> None:
    with zipfile.ZipFile("two.zip", "w") as archive:
        archive.writestr("a.json", json.dumps(CHAIN))
        archive.writestr("b.json", json.dumps(CHAIN))
    with pytest.raises(CommandError, match="the zip holds 2 files"):
        run("two.zip")
