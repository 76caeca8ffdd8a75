"""manage.py compare: sentences for whatever file it is given, and no database."""

import gzip
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command

from signals.greeks.core.engine import model_greeks

HEADER = "symbol,expiry,strike,right,time,spot,last,bid,ask,volume,iv,delta"
PLAIN = ("--set", "exchange=NSE", "--volatility-in", "percent")


def rows() -> list[str]:
    """Return the options of a vendor that computes by Black-Scholes on the spot at 10 % and whole days / 365."""
    found = []
    for strike in range(22_800, 25_201, 200):
        for right, sign in (("call", 1.0), ("put", -1.0)):
            volatility = 0.13 + 0.5 * (strike / 24_000 - 1) ** 2
            fair = model_greeks(
                volatility=round(volatility, 4),
                underlying=24_000.0,
                strike=float(strike),
                expiry_years=20 / 365,
                rate=0.1,
                dividend_yield=0.0,
                sign=sign,
                black76=False,
            )
            price = float(fair.price[0])
            found.append(
                f"NIFTY,2026-12-29,{strike},{right},2026-12-09T11:20:00,24000,{price:.6f},{price * 0.98:.2f},"
                f"{price * 1.03:.2f},120,{volatility * 100:.2f},{fair.delta[0]:.5f}"
            )
    return found


def file(tmp_path: Path, lines: list[str], name: str = "vendor.csv") -> str:
    path = tmp_path / name
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return str(path)


def compare(*arguments: str) -> str:
    out = io.StringIO()
    call_command("compare", *arguments, stdout=out)
    return out.getvalue()


def test_the_settings_are_found_and_the_tables_printed(tmp_path: Path) -> None:
    told = compare(file(tmp_path, rows()), "--preset", "plain", *PLAIN, "--out", str(tmp_path / "rows.parquet"))
    nearest = next(line for line in told.splitlines() if line.startswith("Nearest"))
    for words in ("model=bsm", "rate=0.1 ", "dividend_yield=0 ", "day_count=calendar_days", "price=last"):
        assert words in nearest, nearest
    assert "implied_volatility: 26 of 26: half within" in told
    assert "By days to expiry:" in told and "By moneyness:" in told and "7 to 30 days" in told
    table = pq.read_table(tmp_path / "rows.parquet")
    assert table.num_rows == 26
    assert max(map(abs, table.column("implied_volatility_difference").to_pylist())) < 0.02


def test_settings_and_values_of_fields_are_both_set(tmp_path: Path) -> None:
    told = compare(
        file(tmp_path, rows()), "--preset", "plain", "--volatility-in", "percent",
        "--set", "exchange=NSE", "rate=0.05", "forward=spot",
    )  # fmt: skip
    assert "As the service computes: exercise=european model=bsm forward=spot rate=0.05" in told
    assert "Nearest settings: exercise=european model=bsm forward=spot rate=0.05" in told
    plain = compare(file(tmp_path, rows()), "--preset", "plain", *PLAIN, "--as-is")
    assert (
        "Nearest" not in plain
        and "As the service computes: exercise=european model=bsm forward=auto rate=0.065" in plain
    )


@pytest.mark.parametrize(
    ("exchange", "symbol", "exercise"),
    [("NYSE", "IBM", "american"), ("OPRA", "SPX", "european"), ("NSE", "NIFTY", "european")],
)
def test_the_service_exercises_as_a_new_underlying_of_the_file(
    tmp_path: Path, exchange: str, symbol: str, exercise: str
) -> None:
    path = file(tmp_path, [line.replace("NIFTY,", f"{symbol},") for line in rows()])
    arguments = (path, "--preset", "plain", "--set", f"exchange={exchange}", "--volatility-in", "percent", "--as-is")
    assert f"As the service computes: exercise={exercise} model=bsm forward=auto" in compare(*arguments)
    fixed = compare(path, "--preset", "plain", *PLAIN, "--as-is", "--set", f"exchange={exchange}", "exercise=american")
    assert "As the service computes: exercise=american" in fixed


def test_a_table_by_map_and_one_by_guess(tmp_path: Path) -> None:
    lines = [line.replace("NIFTY,", "NSE@NIFTY,") for line in rows()]
    path = tmp_path / "own.csv"
    path.write_text("\n".join([HEADER.replace("iv", "sigma").replace("last", "ltp"), *lines]) + "\n")
    columns = ["symbol", "expiry", "strike", "right", "time", "volume", "delta", "bid", "ask"]
    pairs = [*(f"{name}={name}" for name in columns), "spot=spot_price", "ltp=last", "sigma=implied_volatility"]
    with pytest.raises(CommandError, match="no option that can be read: 26 rows"):
        compare(str(path), *PLAIN, "--map", *pairs)  # NSE@NIFTY is no symbol
    path.write_text(path.read_text().replace("NSE@NIFTY", "NIFTY"))
    assert "rate=0.1 " in compare(str(path), *PLAIN, "--map", *pairs)
    assert "read as nse_chain" in compare(str(chain(tmp_path)))


def chain(tmp_path: Path) -> Path:
    data = []
    for line in rows():
        _, _, strike, right, _, _, last, bid, ask, volume, iv, _ = line.split(",")
        leg = {"lastPrice": float(last), "bidprice": float(bid), "askPrice": float(ask), "impliedVolatility": float(iv)}
        leg |= {"totalTradedVolume": int(volume), "openInterest": 5, "underlying": "NIFTY"}
        data.append({"expiryDate": "29-Dec-2026", "strikePrice": int(strike), "CE" if right == "call" else "PE": leg})
    document = {"records": {"data": data, "timestamp": "09-Dec-2026 11:20:00", "underlyingValue": 24000.0}}
    path = tmp_path / "chain.json.gz"
    path.write_bytes(gzip.compress(json.dumps(document).encode()))
    return path


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        (b"", (), "no preset finds a vendor's numbers"),
        (b"", ("--preset", "plain"), "empty"),
        (b"\x1f\x8b\x08junk", (), "no preset|truncated"),
        (b"PK\x03\x04junk", ("--preset", "plain"), "truncated or damaged"),
        (b"\x00" * 5_000, ("--preset", "plain"), "column"),
        (b"{" * 100_000, ("--preset", "deribit"), "JSON"),
        (b'{"a": ' + b"9" * 5_000 + b"}", ("--preset", "tda"), "."),
        (HEADER.encode(), ("--preset", "plain", *PLAIN), "no option that can be read"),
        (b"a,b\n1,2\n", ("--preset", "plain"), "no column for"),
    ],
)
def test_hostile_files_end_in_a_sentence(tmp_path: Path, content: bytes, arguments: tuple[str, ...], said: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=said):
        compare(str(path), *arguments)


def test_what_is_not_there_and_what_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        compare(str(tmp_path / "none.csv"), "--preset", "plain", *PLAIN)
    with pytest.raises(CommandError, match="directory"):
        compare(str(tmp_path), "--preset", "plain", *PLAIN)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "rate=ten"), "rate: 'ten' is not a number from -0.5 to 1"),
        (("--set", "rate=nan"), "rate: 'nan' is not a number"),
        (("--set", "rate=1e400"), "rate: '1e400' is not a number"),
        (("--set", "model=heston"), "model: 'heston' is none of bsm, black76"),
        (("--set", "shoe=9"), "no field 'shoe'"),
        (("--limit", "0"), "limit: 0 is not from 1"),
        (("--out", "x.xls"), "out: 'x.xls' ends in none of"),
        (("--preset", "bloomberg"), "no preset 'bloomberg'"),
    ],
)
def test_arguments_are_named_when_they_are_wrong(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    preset = () if "--preset" in arguments else ("--preset", "plain")
    with pytest.raises(CommandError, match=said.replace("(", r"\(")):
        compare(file(tmp_path, rows()), *preset, *arguments)


BAD = ("1e400", "-1e400", "nan", "inf", "-inf", "9" * 400, "", "x", "\x00", "=1+1", "-5", "0", "1e-320", "1e308")


@pytest.mark.parametrize("column", ["iv", "delta", "last", "bid", "ask", "spot", "strike", "volume", "expiry", "time"])
def test_bad_numbers_spoil_only_their_own_rows(tmp_path: Path, column: str) -> None:
    lines = rows()
    place = HEADER.split(",").index(column)
    for number, bad in enumerate(BAD):
        cells = lines[number].split(",")
        cells[place] = bad
        lines[number] = ",".join(cells)
    told = compare(file(tmp_path, lines), "--preset", "plain", *PLAIN, "--as-is", "--out", str(tmp_path / "rows.csv"))
    assert "implied_volatility" in told
    assert (tmp_path / "rows.csv").read_text().count("\n") >= 12


def test_options_that_expired_or_have_no_spot_have_a_reason(tmp_path: Path) -> None:
    lines = rows()
    lines[0] = lines[0].replace(",24000,", ",,", 1)
    lines = [line.replace("2026-12-09T11:20:00", "2026-12-29T15:40:00") for line in lines[:4]] + lines[4:]
    told = compare(
        file(tmp_path, lines), "--preset", "plain", *PLAIN, "--set", "forward=spot", "exchange=NSE", "--as-is"
    )
    assert "none of ours where the vendor has one:" in told
    assert "expired" in told


def test_only_the_first_rows_up_to_the_limit_are_compared(tmp_path: Path) -> None:
    told = compare(file(tmp_path, rows()), "--preset", "plain", *PLAIN, "--as-is", "--limit", "10")
    assert "10 options" in told and "the first 10 options of the file are compared" in told
