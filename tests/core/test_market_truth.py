"""The engine compared with published tables, and with figures that exchanges and vendors publish with their prices."""

import ast
import csv
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from signals.greeks.core.engine import implied_greeks, model_greeks
from signals.greeks.core.parity import ParityColumns, parity_forwards
from signals.greeks.core.status import Status

DATA = Path(__file__).parents[2] / "../shared/data"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the shared market data is not on this machine")
DAY = 86_400_000  # milliseconds


def test_haug_1998():
    with (DATA / "7_reference/haug1998_prices.csv").open() as file:
        rows = list(csv.DictReader(file))
    column = {name: np.array([float(row[name]) for row in rows]) for name in ("strike", "spot", "q", "r", "t", "vol")}
    answer = model_greeks(
        volatility=column["vol"],
        underlying=column["spot"],
        strike=column["strike"],
        expiry_years=column["t"],
        rate=column["r"],
        dividend_yield=column["q"],
        sign=[1.0 if row["type"] == "Call" else -1.0 for row in rows],
        black76=False,
    )
    assert len(rows) == 43
    # two of the printed prices (1.8734 for 1.87334) are rounded a digit too high
    np.testing.assert_allclose(answer.price, [float(row["expected"]) for row in rows], rtol=0, atol=6e-5)


def test_py_vollib_table():
    """The table's theta and vega are annual and per 1.00, its rho is per 1.00."""
    table = pd.read_json(DATA / "7_reference/py_vollib_test_data.json", orient="split")
    units = {"D": ("delta", 1), "G": ("gamma", 1), "T": ("theta", 365), "V": ("vega", 100), "R": ("rho", 100)}
    for side, sign, price in (("C", 1.0, "bs_call"), ("P", -1.0, "bs_put")):
        answer = model_greeks(
            volatility=table.v,
            underlying=table.S,
            strike=table.K,
            expiry_years=table.t,
            rate=table.R,
            dividend_yield=0.0,
            sign=sign,
            black76=False,
        )
        np.testing.assert_allclose(answer.price, table[price], rtol=1e-6, atol=1e-8)
        for letter, (name, unit) in units.items():
            np.testing.assert_allclose(getattr(answer, name) * unit, table[side + letter], rtol=1e-6, atol=1e-8)


def test_nse_option_chain():
    """NSE: Black-Scholes-Merton on the index, 10 % continuous, no yield, whole calendar days / 365, last price."""
    with gzip.open(DATA / "2_nse_chain/banknifty_2021-05-17_1530.json.gz") as file:
        chain = json.load(file)["records"]["data"]
    legs = [(1.0 if side == "CE" else -1.0, row[side]) for row in chain for side in ("CE", "PE") if side in row]
    legs = [(sign, leg) for sign, leg in legs if leg["impliedVolatility"] > 0]
    today = datetime(2021, 5, 17, tzinfo=UTC)
    days = [(datetime.strptime(leg["expiryDate"], "%d-%b-%Y").replace(tzinfo=UTC) - today).days for _, leg in legs]
    answer = implied_greeks(
        price=[leg["lastPrice"] for _, leg in legs],
        underlying=[leg["underlyingValue"] for _, leg in legs],
        strike=[leg["strikePrice"] for _, leg in legs],
        expiry_years=np.array(days) / 365,
        rate=0.10,
        dividend_yield=0.0,
        sign=[sign for sign, _ in legs],
        black76=False,
    )
    assert len(legs) == 406
    assert (answer.status == Status.OK).all()
    theirs = np.array([leg["impliedVolatility"] for _, leg in legs])
    assert np.abs(100 * answer.implied_volatility - theirs).max() < 0.011


def deribit(name):
    frame = pd.read_csv(DATA / "4_vendor_greeks" / name)
    if "greeks" in frame:
        greeks = pd.DataFrame([ast.literal_eval(text) for text in frame.greeks])
    else:
        greeks = frame.filter(like="greeks.").rename(columns=lambda c: c.removeprefix("greeks."))
    parts = frame.instrument_name.str.split("-", expand=True)
    expiry = pd.to_datetime(parts[1], format="%d%b%y", utc=True) + pd.Timedelta(hours=8)
    days = (expiry - pd.to_datetime(frame.timestamp, unit="ms", utc=True)) / pd.Timedelta(days=1)
    answer = model_greeks(
        volatility=frame.mark_iv / 100,
        underlying=frame.underlying_price,
        strike=parts[2].astype(float),
        expiry_years=days / 365,
        rate=0.0,
        dividend_yield=0.0,
        sign=np.where(parts[3] == "C", 1.0, -1.0),
        black76=True,
    )
    return frame, greeks, days.to_numpy(), answer, parts


@pytest.mark.parametrize("name", ["deribit_BTC_2020-05-21.csv.gz", "deribit_ETH_2021-02-11.csv.gz"])
def test_deribit_greeks(name):
    """Black-76 on the row's own underlying, no rate, expiry at 08:00 UTC, ACT/365."""
    _, greeks, days, answer, _ = deribit(name)
    far = (days > 2) & (answer.status == Status.OK)
    assert far.sum() > 50
    for greek, tolerance in (("delta", 1e-4), ("gamma", 2e-5), ("vega", 0.02)):
        assert np.abs(getattr(answer, greek) - greeks[greek])[far].max() < tolerance, greek


@pytest.mark.parametrize("name", ["deribit_BTC_2020-05-21.csv.gz", "deribit_ETH_2021-02-11.csv.gz"])
def test_deribit_volatility(name):
    """The mark price, in coin, reproduces the mark IV if the price has enough digits."""
    frame, _, days, answer, parts = deribit(name)
    sign = np.where(parts[3] == "C", 1.0, -1.0)
    implied = implied_greeks(
        price=frame.mark_price * frame.underlying_price,
        underlying=frame.underlying_price,
        strike=parts[2].astype(float),
        expiry_years=days / 365,
        rate=0.0,
        dividend_yield=0.0,
        sign=sign,
        black76=True,
    )
    # six decimals of the price and five digits of the forward, in points of volatility
    digits = (5e-7 + 1e-6) * frame.underlying_price / answer.vega
    exact = (days > 2) & (digits < 0.05)
    error = np.abs(implied.implied_volatility * 100 - frame.mark_iv)[exact]
    assert exact.sum() > 20
    assert np.nanmedian(error) < 0.01


@pytest.mark.parametrize(
    ("rate", "volatility_median", "volatility_p90", "delta_p90"),
    [(0.02, 0.0003, 0.004, 0.003), (0.0, 0.0008, 0.009, 0.007), (0.05, 0.001, 0.024, 0.018)],
)
def test_cboe_index_options(rate, volatility_median, volatility_p90, delta_p90):
    """SPX of one moment on the engine's parity forward. The figures are those of docs/engine.md, which rounds them.

    AM and PM settlement are told apart by the root.
    """
    frame = pd.read_csv(DATA / "4_vendor_greeks/cboe_SPX_2022-07-12_1155ET.csv.gz", skiprows=2)
    now = pd.Timestamp("2022-07-12 11:55")
    opens_at = frame.Calls.str.startswith("SPXW").map({True: 16.0, False: 9.5})
    expiry = pd.to_datetime(frame["Expiration Date"], format="%a %b %d %Y") + pd.to_timedelta(opens_at, unit="h")
    frame["years"] = (expiry - now) / pd.Timedelta(days=365)
    frame["call"], frame["put"] = (frame.Bid + frame.Ask) / 2, (frame["Bid.1"] + frame["Ask.1"]) / 2
    frame = frame[(frame.years * 365).between(7, 120) & (frame.Bid > 0) & (frame["Bid.1"] > 0)]
    frame = frame.sort_values(["years", "Strike"])
    groups = frame.groupby("years")
    unknown = np.full(len(frame), np.nan)
    forwards = parity_forwards(
        ParityColumns(
            strike=frame.Strike.to_numpy(float),
            call=frame.call.to_numpy(),
            put=frame.put.to_numpy(),
            call_spread=(frame.Ask - frame.Bid).to_numpy(),
            put_spread=(frame["Ask.1"] - frame["Bid.1"]).to_numpy(),
            call_volume=unknown,
            put_volume=unknown,
            call_time=unknown,
            put_time=unknown,
        ),
        groups.size().to_numpy(),
        rate=rate,
        expiry_years=groups.years.first().to_numpy(),
    )
    volatility_errors, delta_errors = [], []
    for (years, chain), forward in zip(groups, forwards, strict=True):
        for sign, price, iv, delta in ((1.0, "call", "IV", "Delta"), (-1.0, "put", "IV.1", "Delta.1")):
            answer = implied_greeks(
                price=chain[price],
                underlying=forward.value,
                strike=chain.Strike,
                expiry_years=years,
                rate=rate,
                dividend_yield=0.0,
                sign=sign,
                black76=True,
            )
            known = ((answer.status == Status.OK) & (chain[iv] > 0)).to_numpy()
            volatility_errors.append(np.abs(answer.implied_volatility - chain[iv])[known])
            delta_errors.append(np.abs(answer.delta - chain[delta])[known])
    volatility_error, delta_error = np.concatenate(volatility_errors), np.concatenate(delta_errors)
    assert volatility_error.size == 9892 if rate == 0.02 else volatility_error.size > 9000
    assert np.median(volatility_error) == pytest.approx(volatility_median, abs=0.00005)
    assert np.quantile(volatility_error, 0.9) == pytest.approx(volatility_p90, abs=0.0005)
    assert np.quantile(delta_error, 0.9) == pytest.approx(delta_p90, abs=0.0005)
