"""Tick files of real markets, replayed through the streams."""

import csv
import gzip

import orjson
import pandas as pd
import pytest

from tests.integration.consume.live import tick
from tests.integration.processes import ROOT

DATA = ROOT.parent / "shared" / "data" / "6_ticks"


def nifty_seconds():
    with gzip.open(DATA / "NIFTY_1sec_ltp_2022-10-31.csv.gz", "rt") as lines:
        rows = [line.strip().split(",") for line in lines if line[0].isdigit()]
    return [tick(ltt=moment, ltp=float(price)) for moment, price in rows]


def nifty_ticks():
    """Ticks microseconds apart, with naive times in the exchange's zone."""
    with (DATA / "NIFTY_ltp_ticks_2025-02-11_12.csv").open() as lines:
        rows = [line.strip().split(",") for line in lines if line[0].isdigit()]
    return [tick(ltt=moment, ltp=float(price)) for moment, price in rows]


def stock_futures():
    """Ticks of several underlyings with the best bid and ask, where 0 stands for none."""
    made = []
    with gzip.open(DATA / "nse_stockfut_ticks_depth5_2025-11-17.csv.gz", "rt") as lines:
        for row in csv.DictReader(lines):
            if row["last_price"] is None:
                continue  # the last line is torn off
            book = {side: row[f"{side}_price_1"] for side in ("bid", "ask")}
            sizes = {f"{side}_size": row[f"{side}_qty_1"] for side in ("bid", "ask")}
            made.append(
                tick(
                    f"NSE@{row['Symbol']}@equity_futures@2025-11-25",
                    ltt=row["exchange_timestamp"],
                    ltp=row["last_price"],
                    last_quantity=row["last_traded_quantity"],
                    volume=row["volume_traded"],
                    oi=row["open_interest"],
                    **book,
                    **sizes,
                )
            )
    return made


def binance_trades():
    rows = pd.read_parquet(DATA / "binance_btcusdt_trades_2021-01-08.parquet")
    return [
        tick("BINANCE@BTC/USDT@crypto_spot", price, ltt=at.isoformat(), last_quantity=quantity, trade_id=trade)
        for at, trade, price, quantity in zip(rows.timestamp, rows.trade_id, rows.price, rows.quantity, strict=True)
    ]


def binance_socket():
    made = []
    with gzip.open(DATA / "binance_spot_btcusdt_20240808_ws.gz", "rt") as lines:
        for line in lines:
            message = orjson.loads(line.partition(" ")[2])
            trade = message.get("data", {})
            if trade.get("e") == "trade":
                made.append(
                    tick("BINANCE@BTC/USDT@crypto_spot", ltt=trade["T"], ltp=trade["p"], last_quantity=trade["q"])
                )
    return made


@pytest.mark.skipif(not DATA.is_dir(), reason="the real tick files are not here")
@pytest.mark.parametrize("read", [nifty_seconds, nifty_ticks, stock_futures, binance_trades, binance_socket])
def test_real_ticks_are_replayed(live, read):
    made = read()
    live.publish(made)
    with live.consumer("--write-back", "off", TICK_BATCH="1000"):
        live.drain(120)
    assert live.stored() == len(made)
    assert not live.dead()
    (low, high, total) = live.rows("SELECT min(ltp), max(ltp), sum(last_quantity) FROM ticks")[0]
    prices = [float(fields["ltp"]) for _, fields in made]
    assert (low, high) == (min(prices), max(prices))
    if total is not None:
        assert total == pytest.approx(sum(float(fields["last_quantity"]) for _, fields in made))
