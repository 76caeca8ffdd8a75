"""Real files of quotes by command, and what is known of them: our Greeks of the stored quotes beside the vendor's."""

import io
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from signals.greeks.core.conventions import DayCount, ForwardSource, GreeksParams, Model, PriceSource
from signals.greeks.market import load_market
from signals.greeks.selectors import load_options, option_groups
from signals.greeks.services import compute_greeks
from signals.importers.core.presets import PRESETS
from signals.importers.quote_files import read_quote_frame
from signals.instruments.models import Instrument
from timeframes.models import Quote

DATA = (Path(__file__).parents[2] / "../shared/data").resolve()
CHAINS, INDIA, VENDORS = (DATA / name for name in ("2_nse_chain", "3_intraday_india", "4_vendor_greeks"))
YEARS = pd.Timedelta(days=365)

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.exists(), reason="the shared market data is not on this machine"),
]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(path: Path, preset: str, *arguments: str) -> str:
    out = io.StringIO()
    call_command("import_quotes", str(path), "--preset", preset, *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def greeks(
    keys: Sequence[str], as_of: datetime, params: GreeksParams, volatility: float | None = None
) -> dict[str, Any]:
    rows = load_options(keys, as_of, params.max_quote_age_seconds)
    overrides = {} if volatility is None else {"volatility": {0: volatility}}
    found = compute_greeks(keys, rows, overrides, as_of, params, load_market(option_groups([keys]), as_of, params))
    return {
        name: np.array(column, dtype=None if name == "status" else float)
        for name, column in found.items()
        if name in ("status", "implied_volatility", "delta", "gamma", "vega", "price_used", "expiry_years")
    }


def count(printed: str, what: str) -> int:
    found = re.search(rf"{re.escape(what)}\s+([0-9,]+)", printed)
    assert found, printed
    return int(found[1].replace(",", ""))


def test_nse_volatilities_of_the_exact_chain() -> None:
    """406 of 406 legs within 0.011 points: Merton on the spot, 10 %, calendar days, last price."""
    path = CHAINS / "banknifty_2021-05-17_1530.json.gz"
    assert count(run(path, "nse_chain"), "loaded") == 1_891
    theirs = read_quote_frame(path, PRESETS["nse_chain"]).table
    assert len(theirs) == 1_891
    theirs = theirs[theirs.implied_volatility > 0]
    params = GreeksParams(
        model=Model.BSM,
        forward=ForwardSource.SPOT,
        rate=0.1,
        dividend_yield=0.0,
        day_count=DayCount.CALENDAR_DAYS,
        price=PriceSource.LAST,
    )
    ours = greeks(theirs.key.tolist(), datetime(2021, 5, 17, 10, tzinfo=UTC), params)
    assert len(theirs) == 406
    assert set(ours["status"]) == {"ok"}
    assert np.abs(ours["implied_volatility"] - theirs.implied_volatility).max() < 0.011 / 100


@pytest.mark.parametrize(
    ("name", "legs"), [("nifty_2022-03-15_1301.json.gz", 1_871), ("nifty_2025-08-05_1359.json.gz", 1_346)]
)
def test_the_other_nse_chains_by_both_readers(name: str, legs: int) -> None:
    """The table of the preset has the same contracts and prices as the importer that proves the lots."""
    run(CHAINS / name, "nse_chain")
    table = read_quote_frame(CHAINS / name, PRESETS["nse_chain"]).table.set_index("key")
    assert len(table) == legs
    stored = pd.DataFrame(Quote.objects.exclude(instrument_key__endswith="spot").values()).set_index("instrument_key")
    assert set(stored.index) == set(table.index)
    for column in ("bid", "ask", "last"):
        pd.testing.assert_series_equal(
            stored[column].astype(float), table[column].reindex(stored.index), check_names=False
        )
    assert (stored.time == table.time.reindex(stored.index)).all()


@pytest.mark.parametrize(
    ("name", "rows", "far"), [("deribit_BTC_2020-05-21.csv.gz", 326, 200), ("deribit_ETH_2021-02-11.csv.gz", 996, 50)]
)
def test_deribit_greeks_of_the_stored_quotes(name: str, rows: int, far: int) -> None:
    """Black-76 on the stored future of the row's moment, no rate, ACT/365 to 08:00 UTC: beyond two days to expiry."""
    printed = run(VENDORS / name, "deribit")
    assert count(printed, "loaded") == rows
    assert "prices in coin are converted to USD by the row's underlying price" in printed
    theirs = read_quote_frame(VENDORS / name, PRESETS["deribit"]).table
    ends = pd.to_datetime(theirs.expiry.astype(str), utc=True) + pd.Timedelta(hours=8)
    theirs = theirs[(ends - theirs.time > pd.Timedelta(days=2)) & theirs.implied_volatility.notna()]
    params = GreeksParams(
        model=Model.BLACK76, forward=ForwardSource.FUTURE, rate=0.0, price=PriceSource.SETTLE, max_quote_age_seconds=1.0
    )
    answers = [
        greeks([row.key], row.time.to_pydatetime(), params, row.implied_volatility) for row in theirs.itertuples()
    ]
    ours = {name: np.array([answer[name][0] for answer in answers]) for name in answers[0]}
    good = ours["status"] == "ok"
    assert good.sum() > far
    for greek, tolerance in (("delta", 1e-4), ("gamma", 2e-5), ("vega", 0.02)):
        assert np.abs(ours[greek] - theirs[greek])[good].max() < tolerance, greek


def test_the_stored_mark_of_deribit_implies_the_mark_volatility() -> None:
    """The price, in coin with six decimals, was multiplied by the underlying price: its volatility is the vendor's."""
    path = VENDORS / "deribit_BTC_2020-05-21.csv.gz"
    run(path, "deribit")
    theirs = read_quote_frame(path, PRESETS["deribit"]).table
    theirs = theirs[theirs.expiry > date(2020, 5, 23)]
    # Six decimals of the price and of the forward, and two of the volatility, in points.
    theirs["digits"] = 1.5e-6 * theirs.underlying_price / theirs.vega
    theirs = theirs[theirs.digits < 0.05]
    params = GreeksParams(
        model=Model.BLACK76, forward=ForwardSource.FUTURE, rate=0.0, price=PriceSource.SETTLE, max_quote_age_seconds=1.0
    )
    ours = [greeks([row.key], row.time.to_pydatetime(), params)["implied_volatility"][0] for row in theirs.itertuples()]
    error = 100 * np.abs(ours - theirs.implied_volatility)
    assert len(error) > 100
    assert np.median(error) < 0.01
    assert (error < 0.05).mean() > 0.85


def test_cboe_volatilities_and_deltas_of_the_stored_quotes() -> None:
    """Mid, Black-76 on the parity forward of each root and expiry, 7 to 120 days, both legs with a bid."""
    path = VENDORS / "cboe_SPX_2022-07-12_1155ET.csv.gz"
    printed = run(path, "cboe")
    assert count(printed, "loaded") == 19_378
    theirs = read_quote_frame(path, PRESETS["cboe"]).table
    as_of = datetime(2022, 7, 12, 15, 55, tzinfo=UTC)
    assert set(theirs.time) == {pd.Timestamp(as_of)}
    params = GreeksParams(model=Model.BLACK76, forward=ForwardSource.PARITY, rate=0.02, price=PriceSource.MID)
    ours = greeks(theirs.key.tolist(), as_of, params)
    days = ours["expiry_years"] * 365
    twin = theirs.groupby(["underlying", "expiry", "strike"]).bid.transform("count") == 2  # a bid of 0 is none
    known = ((days > 7) & (days < 120) & twin & (theirs.implied_volatility > 0) & (ours["status"] == "ok")).to_numpy()
    assert known.sum() > 9_000
    error = np.abs(ours["implied_volatility"] - theirs.implied_volatility)[known]
    assert np.median(error) < 0.001
    assert np.quantile(np.abs(ours["delta"] - theirs.delta)[known], 0.9) < 0.005
    # The morning series end at the opening: 6.5 hours earlier than the afternoon series of the same day.
    ends = dict(Instrument.objects.filter(expiry=date(2022, 9, 16)).values_list("underlying_id", "expires_at"))
    assert ends["CBOE@SPX"] == datetime(2022, 9, 16, 13, 30, tzinfo=UTC)
    assert ends["CBOE@SPXW"] == datetime(2022, 9, 16, 20, 0, tzinfo=UTC)


def test_tda_chain_of_an_american_stock() -> None:
    path = VENDORS / "tda_MSFT_2021-05-17.json.gz"
    printed = run(path, "tda")
    assert count(printed, "loaded") == 380
    assert "American" in printed
    assert Instrument.objects.exclude(right="").count() == 380
    assert set(Instrument.objects.exclude(right="").values_list("lot_size", flat=True)) == {100}
    spot = Quote.objects.get(instrument_key="OPRA@MSFT@equity_spot")
    assert spot.last == 245.375
    assert spot.time == Quote.objects.order_by("-time").first().time
    option = Quote.objects.get(instrument_key="OPRA@MSFT@equity_options@2021-05-21@put@215")
    assert (option.bid, option.ask, option.last) == (0.06, 0.07, 0.06)
    assert (option.volume, option.open_interest) == (386_000, 795_900)
    theirs = read_quote_frame(path, PRESETS["tda"]).table.set_index("key").loc[option.instrument_key]
    assert theirs.implied_volatility == pytest.approx(0.51745)
    assert (theirs.delta, theirs.theta, theirs.vega) == (-0.013, -0.052, 0.009)


@pytest.mark.parametrize(
    ("folder", "name", "preset", "loaded", "rejected", "spots"),
    [
        (INDIA, "NIFTY_chain_5min_snapshots_20260511_exp19MAY2026.csv.gz", "nse_flat", 11_023, 522, 68),
        (INDIA, "NIFTY_chain_1min_snapshots_20260820.parquet", "nse_snapshots", 4_198, 0, 9),
        (INDIA, "NIFTY_chain_1min_snapshots_20260821.parquet", "nse_snapshots", 470, 0, 1),
        (INDIA, "NSE_allstocks_chain_20260203_1503.csv.gz", "nse_wide", 17_944, 0, 193),
        (INDIA, "NIFTY_options_1min_gold_sample_20210104.csv.gz", "dhan_bars", 192, 55, 3),
    ],
)
def test_every_indian_chain_goes_in_and_again_changes_nothing(
    folder: Path, name: str, preset: str, loaded: int, rejected: int, spots: int
) -> None:
    printed = run(folder / name, preset)
    assert (count(printed, "loaded"), count(printed, "rejected")) == (loaded, rejected), printed
    assert f"{spots:,} spot prices" in printed
    stored = list(Quote.objects.order_by("instrument_key", "time").values())
    assert len(stored) == loaded + spots == count(printed, "written")
    assert count(run(folder / name, preset), "written") == 0
    assert list(Quote.objects.order_by("instrument_key", "time").values()) == stored


def test_values_of_indian_chains() -> None:
    run(INDIA / "NIFTY_chain_5min_snapshots_20260511_exp19MAY2026.csv.gz", "nse_flat")
    key = "NSE@NIFTY@equity_options@2026-05-19@call@25000"
    # The capture of 09:01 shows the last day's prices and is rejected: the first one is of 09:20.
    first = Quote.objects.filter(instrument_key=key).earliest("time")
    assert first.time > datetime(2026, 5, 11, 3, 45, tzinfo=UTC)
    assert Instrument.objects.get(key=key).lot_size == 65  # volume in units over contracts
    assert first.open_interest % 65 == 0
    run(INDIA / "NIFTY_chain_1min_snapshots_20260820.parquet", "nse_snapshots")
    quote = Quote.objects.get(
        instrument_key="NSE@NIFTY@equity_options@2026-08-25@call@23900", time="2026-08-20T06:32:00Z"
    )
    assert (quote.last, quote.volume) == (396.15, None)  # contracts, and no lot is known of this expiry
    assert Quote.objects.get(instrument_key="NSE@NIFTY@equity_spot", time=quote.time).last == 24216.75
    run(INDIA / "NSE_allstocks_chain_20260203_1503.csv.gz", "nse_wide")
    stock = Quote.objects.get(instrument_key="NSE@M&M@equity_spot")
    assert stock.time == datetime(2026, 2, 3, 9, 33, 5, tzinfo=UTC)
    untraded = Quote.objects.get(instrument_key="NSE@360ONE@equity_options@2026-02-24@call@920")
    assert (untraded.last, untraded.volume) == (None, 0)


def test_the_greeks_of_a_vendors_bars() -> None:
    """The file's own Black-Scholes volatilities at 10 % on the spot, from the closes as stored."""
    path = INDIA / "NIFTY_options_1min_gold_sample_20210104.csv.gz"
    run(path, "dhan_bars")
    theirs = read_quote_frame(path, PRESETS["dhan_bars"]).table
    theirs = theirs[theirs.implied_volatility.notna()]
    params = GreeksParams(
        model=Model.BSM, forward=ForwardSource.SPOT, rate=0.1, price=PriceSource.LAST, max_quote_age_seconds=1.0
    )
    for time, rows in theirs.groupby("time"):
        ours = greeks(rows.key.tolist(), time.to_pydatetime(), params)
        good = ours["status"] == "ok"
        assert good.mean() > 0.9
        # Their T is of the bar's beginning, ours of its end: a minute of 75,000, and half of that in volatility.
        assert np.abs(ours["implied_volatility"] - rows.implied_volatility)[good].max() < 2e-4
        assert np.abs(ours["delta"] - rows.delta)[good].max() < 2e-3


def test_india_vix_and_index_bars() -> None:
    printed = run(INDIA / "INDIAVIX_1min_2023-04.csv.gz", "india_vix")
    assert (count(printed, "loaded"), count(printed, "rejected")) == (6_375, 0)
    first = Quote.objects.filter(instrument_key="NSE@INDIAVIX@equity_spot").earliest("time")
    assert (first.last, first.time) == (13.26, datetime(2023, 4, 3, 3, 46, tzinfo=UTC))  # known at the bar's end
    printed = run(INDIA / "INDIAVIX_daily_2009_2021.csv.gz", "index_days", "--set", "symbol=INDIAVIX")
    assert count(printed, "loaded") == 3_061
    day = Quote.objects.get(instrument_key="NSE@INDIAVIX@equity_spot", time="2009-03-02T10:00:00Z")
    assert (day.close, day.last) == (43.17, None)
    arguments = ("--map", "Time=time", "--time-format", "epoch_s", "--bar", "15m", "--set", "symbol=BANKNIFTY")
    assert count(run(INDIA / "BANKNIFTY_15min_2018_2023-04_epoch.csv.gz", "index_bars", *arguments), "loaded") == 32_600
    bar = Quote.objects.get(instrument_key="NSE@BANKNIFTY@equity_spot", time="2018-01-01T04:00:00Z")
    assert bar.last == 25551.7


def test_traps_are_reported() -> None:
    printed = run(VENDORS / "deribit_ETH_2021-02-11.csv.gz", "deribit")
    assert "implied volatility is 80 % on 908 of 996 rows (91%)" in printed
    printed = run(VENDORS / "cboe_SPX_2022-07-12_1155ET.csv.gz", "cboe")
    assert "2 lines before the header gave spot_price, time" in printed
    assert "9 column names occur twice" in printed
    assert "7,184 contracts of SPX settle at the opening of their last day" in printed
    assert "12,194 contracts of SPXW end at the close of their last day" in printed


def test_traps_of_index_bars_are_reported() -> None:
    path = INDIA / "BANKNIFTY_1min_2024-01_05.csv.gz"
    with pytest.raises(CommandError, match="file's name says BANKNIFTY, its rows say NIFTY"):
        run(path, "index_clock_bars")
    assert not Quote.objects.exists()
    printed = run(path, "index_clock_bars", "--set", "symbol=BANKNIFTY")
    assert "37,127 rows say Instrument=NIFTY, taken as symbol=BANKNIFTY as you set" in printed
    # Saturday 20 January 2024 was a session, and its tail after the close is flat: rejected, with row numbers.
    assert count(printed, "rejected") == 167
    saturday = Quote.objects.filter(time__date="2024-01-20")
    assert (saturday.count(), saturday.latest("time").time) == (375, datetime(2024, 1, 20, 10, tzinfo=UTC))
    rejects = pd.read_csv(f"{path.name}.rejects.csv")
    assert set(rejects.reason) == {"after the session's close"}
    assert rejects.row.min() == 6002
    with pytest.raises(CommandError, match="the bars are 300 s apart, not 1m: give --bar 300s"):
        run(INDIA / "BANKNIFTY_5min_kite_2024-01_05.csv.gz", "index_bars", "--set", "symbol=BANKNIFTY")


@pytest.mark.parametrize(("contract", "fills"), [("47200@call", 6_291), ("47400@call", 6_076), ("47400@put", 4_819)])
def test_bars_without_trades_are_no_prices(contract: str, fills: int) -> None:
    strike, right = contract.split("@")
    path = INDIA / f"BANKNIFTY_10JAN2024_{strike}{right[0].upper()}E_1min.csv.gz"
    key = f"NSE@BANKNIFTY@equity_options@2024-01-10@{right}@{strike}"
    printed = run(path, "option_bars", "--set", f"key={key}")
    assert count(printed, "rejected") == fills
    assert f"{fills:,}  no trade in the bar" in printed
    assert count(printed, "loaded") == 9_000 - fills == Quote.objects.filter(instrument_key=key).count()
    assert fills / 9_000 > 0.48
