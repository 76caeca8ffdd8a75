"""The fold on real bars: finer files fold to the coarser ones that the same sources publish."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from signals.importers.core.bar_presets import BAR_PRESETS
from signals.importers.core.bar_table import BarTable
from tests.core.bar_files import whole_file
from timeframes.core.bars import BarColumns, FoldedBars
from timeframes.core.fold import fold
from timeframes.core.grid import SECOND, Anchor, default_anchor, instant, make_grid
from timeframes.core.timeframe import parse_timeframe

DATA = Path(__file__).parents[2] / "../shared/data"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the shared market data is not on this machine")

INDIA, CRYPTO = "3_intraday_india", "5_crypto_ohlcv"
NIFTY, BANKNIFTY = "NSE@NIFTY@equity_spot", "NSE@BANKNIFTY@equity_spot"
BTC, ETH = "BINANCE@BTC/USDT@crypto_spot", "BINANCE@ETH/USDT@crypto_spot"
OHLC = ("open", "high", "low", "close")


def read(name: str, key: str, timeframe: str, **changes: object) -> BarTable:
    return whole_file(DATA / name, BAR_PRESETS["plain"].changed(**changes).with_constants({"key": key}), timeframe)


def folded(bars: BarColumns, exchange: str, finer: str, timeframe: str) -> FoldedBars:
    first, last = (instant(int(bars.time[place])).date() for place in (0, -1))
    one = timedelta(days=1)
    grid = make_grid(exchange, parse_timeframe(timeframe), default_anchor(exchange), first - one, last + one)
    seconds = parse_timeframe(finer)
    assert isinstance(seconds, int)
    return fold({seconds: bars}, None, grid)


def whole(bars: BarColumns, made: FoldedBars, finer: int, coarser: int) -> np.ndarray:
    """Which of the bars made have all their parts."""
    begins = np.searchsorted(bars.time, made.time)
    ends = np.searchsorted(bars.time, made.time + coarser * SECOND)
    return ends - begins == coarser // finer


@pytest.mark.parametrize(
    ("fine", "coarse", "key", "finer", "coarser", "least"),
    [
        ("BTCUSDT_1m_2021", "BTCUSDT_1h_2017-08_2022-12", BTC, "1m", "1h", 800),
        ("BTCUSDT_1m_2022", "BTCUSDT_1h_2017-08_2022-12", BTC, "1m", "1h", 800),
        ("BTCUSDT_1h_2017-08_2022-12", "BTCUSDT_1d_2020_2022", BTC, "1h", "1d", 1_070),
    ],
)
def test_binance_folds_exactly(fine: str, coarse: str, key: str, finer: str, coarser: str, least: int) -> None:
    bars = read(f"{CRYPTO}/{fine}.csv.gz", key, finer).bars
    wanted = read(f"{CRYPTO}/{coarse}.csv.gz", key, coarser).bars
    made = folded(bars, "BINANCE", finer, coarser)
    complete = whole(bars, made, parse_timeframe(finer), parse_timeframe(coarser))  # type: ignore[arg-type]
    _, mine, theirs = np.intersect1d(made.time[complete], wanted.time, return_indices=True)
    mine = np.flatnonzero(complete)[mine]
    assert len(mine) >= least
    for name in OHLC:
        np.testing.assert_array_equal(getattr(made, name)[mine], getattr(wanted, name)[theirs], err_msg=name)
    # Binance gives volumes to eight decimals; their sum is exact to those.
    np.testing.assert_allclose(made.volume[mine], wanted.volume[theirs], rtol=0, atol=5e-7)


def test_the_clock_of_a_file_that_is_eight_hours_ahead() -> None:
    """Read as UTC, its hours equal the minutes' only eight hours later."""
    hours = read(
        f"{CRYPTO}/ETHUSDT_1h_2017-08_2022-10_UTCplus8.json.gz",
        ETH,
        "1h",
        names=("time", "open", "high", "low", "close", "volume"),
        time_format="epoch_ms",
    ).bars
    minutes = read(f"{CRYPTO}/ETHUSDT_1m_2021.csv.gz", ETH, "1m").bars
    made = folded(minutes, "BINANCE", "1m", "1h")
    complete = whole(minutes, made, 60, 3_600)
    for shift, equal in ((0, False), (8 * 3_600, True)):
        _, mine, theirs = np.intersect1d(made.time[complete] + shift * SECOND, hours.time, return_indices=True)
        same = made.open[complete][mine] == hours.open[theirs]
        assert len(mine) > 700 and same.mean() == 1.0 if equal else same.mean() < 0.05


@pytest.mark.parametrize(("symbol", "key"), [("NIFTY", NIFTY), ("BANKNIFTY", BANKNIFTY)])
def test_indian_minutes_fold_to_the_brokers_five_minutes(symbol: str, key: str) -> None:
    """Two vendors of one index: 97 % of the opens and closes of 2024 are the same number, and none is far off."""
    minutes = read(f"{INDIA}/{symbol}_1min_2024-01_05.csv.gz", key, "1m").bars
    broker = read(f"{INDIA}/{symbol}_5min_kite_2024-01_05.csv.gz", key, "5m").bars
    made = folded(minutes, "NSE", "1m", "5m")
    _, mine, theirs = np.intersect1d(made.time, broker.time, return_indices=True)
    assert len(mine) == len(made) and len(mine) > 7_300
    for name, least in (("open", 0.96), ("high", 0.91), ("low", 0.91), ("close", 0.96)):
        assert (getattr(made, name)[mine] == getattr(broker, name)[theirs]).mean() > least, name
    for name in ("open", "close"):
        difference = getattr(made, name)[mine] / getattr(broker, name)[theirs] - 1
        assert abs(np.median(difference)) < 1e-9 and abs(difference).max() < 0.01, name


def test_seven_minutes_begin_at_the_opening_of_each_session() -> None:
    minutes = read(f"{INDIA}/NIFTY_1min_2024-01_05.csv.gz", NIFTY, "1m").bars
    made = folded(minutes, "NSE", "1m", "7m")
    clocks = {instant(int(time)).strftime("%H:%M") for time in made.time}
    assert "03:45" in clocks and len(clocks) == 54  # 09:15, 09:22, ... 15:26 in Kolkata
    first = {instant(int(time)).date(): int(time) for time in made.time[::-1]}
    assert {instant(time).strftime("%H:%M") for time in first.values()} == {"03:45"}


def test_a_day_is_the_session_and_not_the_flat_tail_after_it() -> None:
    """On 20 January 2024 the file goes on to 18:16; on 2 March and 18 May the session ended at 12:30."""
    minutes = read(f"{INDIA}/NIFTY_1min_2024-01_05.csv.gz", NIFTY, "1m").bars
    daily = read(f"{INDIA}/NIFTY_daily_to_2024-05.csv.gz", NIFTY, "1d").bars
    made = folded(minutes, "NSE", "1m", "1d")
    _, mine, theirs = np.intersect1d(made.time, daily.time, return_indices=True)
    assert len(mine) == len(made) > 95
    assert (made.open[mine] == daily.open[theirs]).mean() > 0.9
    for day, minutes_of_session in ((date(2024, 1, 20), 375), (date(2024, 3, 2), 195), (date(2024, 5, 18), 195)):
        session = make_grid("NSE", 60, Anchor.SESSION, day, day)
        assert session.ends[0] - session.begins[0] == minutes_of_session * 60 * SECOND
        bars = fold({60: minutes}, None, session)
        assert 100 <= len(bars) <= minutes_of_session
        assert bars.close[-1] == made.close[made.time == session.begins[0]]


def test_what_the_importer_says_of_the_traps() -> None:
    nifty = read(f"{INDIA}/NIFTY_1min_2024-01_05.csv.gz", NIFTY, "1m")
    assert nifty.facts["bars outside the hours of their session: kept, and in no bar anchored at sessions"] == 167
    assert any("repeat one price, 10 or more in a row" in fact and count > 160 for fact, count in nifty.facts.items())
    banknifty = read(f"{INDIA}/BANKNIFTY_1min_2024-01_05.csv.gz", BANKNIFTY, "1m")
    assert banknifty.facts[f"rows say Instrument=NIFTY, taken as {BANKNIFTY} as you set"] == 37_127
    option = read(
        f"{INDIA}/BANKNIFTY_10JAN2024_47200CE_1min.csv.gz", "NSE@BANKNIFTY@equity_options@2024-01-10@call@47200", "1m"
    )
    assert 0.48 < option.facts["bars without volume that repeat the price before them"] / option.read < 0.76
    outages = read(f"{CRYPTO}/BTCUSDT_1m_2021.csv.gz", BTC, "1m")
    assert outages.facts["bars missing on dates that have some"] > 0
