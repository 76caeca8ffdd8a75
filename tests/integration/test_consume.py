"""manage.py consume_ticks: what it keeps, tells, refuses and acknowledges."""

import csv
import gzip
import json
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import orjson
import pandas as pd
import pytest
import redis

from realtime.ownership import LeaseLost, Ownership
from realtime.streams import connect
from signalsite.embedded import state as places
from signalsite.embedded.hold import hold
from tests.integration.live import KILLED, POISONED, UNANSWERED, UNWRITABLE, Live, kill_server, tick
from tests.integration.processes import ROOT, fresh_state, until

DATA = ROOT.parent / "shared" / "data" / "6_ticks"
EXPIRY = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with fresh_state() as state, pytest.MonkeyPatch.context() as patch:
        for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("SIGNALSITE_STATE", str(state))
        live = Live(state, tmp_path_factory.mktemp("live") / "consumer.log")
        live.log.touch()
        with hold(wait=True):
            subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=live.environment, check=True)
            yield live


@pytest.fixture
def live(servers):
    servers.empty()
    servers.log.write_text("")
    return servers


def option(strike: int, right: str, **more):
    return tick(f"NSE@NIFTY@equity_options@{EXPIRY}@{right}@{strike}", **more)


def chain(spot: float = 24_000.0):
    """A spot, India VIX and a few options around it, priced so that put-call parity gives the spot."""
    made = [tick(ltp=spot), tick("NSE@INDIAVIX@equity_spot", 13.5)]
    for strike in range(23_800, 24_300, 100):
        call = max(spot - strike, 0) + 250
        made.append(option(strike, "call", ltp=call, bid=call - 1, ask=call + 1))
        put = call - spot + strike
        made.append(option(strike, "put", ltp=put, bid=put - 1, ask=put + 1))
    return made


@pytest.mark.parametrize("one_field", [True, False])
def test_ticks_are_kept_priced_and_told_of(live, one_field):
    made = chain()
    live.publish(made, one_field=one_field)
    with live.consumer():
        live.drain()
    assert live.stored() == len(made)
    assert not live.dead()
    key = f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"
    state = orjson.loads(live.redis.hget("latest:NSE@NIFTY", key))
    assert state["greeks"]["status"] == "ok"
    assert state["greeks"]["forward_source"] == "parity"
    assert state["greeks"]["underlying_price"] == 24_000
    assert state["greeks"]["volatility_index"] == 0.135
    assert state["tick"]["instrument_key"] == key
    assert live.redis.llen(f"raw_ticks:{key}") == 1
    assert live.redis.ttl(f"raw_ticks:{key}") > 0
    assert live.redis.llen("computed_data:NIFTY") == len(made) - 1
    topics = {
        topic: entry_id for entry_id, fields in live.redis.xrange("signal_output_stream:NSE@NIFTY") for topic in fields
    }
    assert topics == live.redis.hgetall("latest_seq:NSE@NIFTY")
    instruments = {topic for topic in topics if ":" not in topic}
    assert instruments == {fields["instrument_key"] for _, fields in made if "VIX" not in fields["instrument_key"]}
    levels = [f"{side}{depth}" for side in ("ITM", "OTM") for depth in (1, 2)]
    assert topics.keys() - instruments == {
        f"chain:NSE@NIFTY:{EXPIRY}",
        *(f"moneyness:NSE@NIFTY:{when}{level}" for when in ("", f"{EXPIRY}:") for level in ["ATM", *levels]),
    }
    atm = orjson.loads(live.redis.hget("latest:NSE@NIFTY", "moneyness:NSE@NIFTY:ATM"))
    assert (atm["atm_strike"], atm["call"]["strike"]) == (24_000, 24_000)
    sliced = orjson.loads(live.redis.hget("latest:NSE@NIFTY", f"chain:NSE@NIFTY:{EXPIRY}"))
    assert sliced["call"]["delta"][sliced["strikes"].index(24_000)] == state["greeks"]["delta"]
    assert live.rows("SELECT count(*) FROM timeframes_quote WHERE source = 'stream'") == [(len(made),)]


def test_copies_bear_the_state_p_and_are_never_copied_again(live):
    made = [tick(ltp=24_000 + number, extra="rides along") for number in range(50)]
    live.publish(made, one_field=False)
    stream, fields = tick(ltp=1.0, trade_id=2**70)
    live.publish([(stream, json.dumps(fields))])
    live.publish([tick(ltp=2.0, **{f"f{number}": "1" for number in range(2_050)})], one_field=False)
    with live.consumer():
        live.drain()
        time.sleep(1.5)
        live.drain()
    entries = [fields for _, fields in live.redis.xrange("tick_stream:NSE@NIFTY")]
    wholes = [json.loads(fields["data"]) if "data" in fields else fields for fields in entries]
    states = [whole["state"] for whole in wholes]
    assert (states.count("U"), states.count("P")) == (52, 52)
    new, copied = (
        sorted(json.dumps({**whole, "state": ""}, sort_keys=True) for whole in wholes if whole["state"] == state)
        for state in "UP"
    )
    assert new == copied
    assert live.stored() == 52
    newest = orjson.loads(live.redis.lindex("computed_data:NIFTY", 0))
    assert newest["tick"]["extra"] == "rides along"


def test_lists_end_with_the_newest_and_are_cut(live):
    live.publish([tick(ltp=1.0 + number) for number in range(3_000)])
    with live.consumer("--write-back", "off", TICK_BATCH="20", RAW_TICKS_LENGTH="100"):
        live.drain()
    key = "raw_ticks:NSE@NIFTY@equity_spot"
    assert 100 <= live.redis.llen(key) <= 125 + 3 * 20
    newest = [orjson.loads(each)["ltp"] for each in live.redis.lrange(key, -100, -1)]
    assert newest == [1.0 + number for number in range(2_900, 3_000)]


def test_bad_ticks_are_put_aside_with_their_reasons_and_harm_no_neighbour(live):
    good = [*chain(), tick(ltp=24_001)]
    key = "NSE@NIFTY@equity_spot"
    bad = {
        "malformed": '{"instrument_key":',
        "missing_ltt": {"instrument_key": key, "ltp": 1},
        "missing_instrument_key": {"ltt": 1.7e9, "ltp": 1},
        "missing_price": {"instrument_key": key, "ltt": 1.7e9},
        "future_ltt": {"instrument_key": key, "ltt": time.time() + 3600, "ltp": 1},
        "bad_ltt": {"instrument_key": key, "ltt": "yesterday", "ltp": 1},
        "not_finite": {"instrument_key": key, "ltt": 1.7e9, "ltp": "NaN"},
        "negative": {"instrument_key": key, "ltt": 1.7e9, "ltp": -1},
        "wrong_type": {"instrument_key": key, "ltt": 1.7e9, "ltp": [1]},
        "oversized": {"instrument_key": key, "ltt": 1.7e9, "ltp": 1, "note": "x" * 20_000},
        "unknown_instrument": {"instrument_key": "NSE@NOBODY@equity_spot", "ltt": 1.7e9, "ltp": 1},
        "bad_state": {"instrument_key": key, "ltt": 1.7e9, "ltp": 1, "state": "X"},
        "too_large": {"instrument_key": key, "ltt": 1.7e9, "ltp": 1e16},
    }
    assert len(good) == len(bad)
    for neighbour, value in zip(good, bad.values(), strict=True):
        live.publish([neighbour, ("NSE@NIFTY", value)])
    live.redis.xadd("tick_stream:NSE@NIFTY", {"data": b'{"instrument_key":"\xff"}'})
    live.redis.xadd("tick_stream:NSE@NIFTY", {"data": orjson.dumps(tick()[1]), "source": b"\xff"})
    with live.consumer():
        live.drain()
    assert live.stored() == len(good)
    assert live.dead() == {**dict.fromkeys(bad, 1), "malformed": 3}
    letter = live.redis.xrange("tick_dead_letter")[0][1]
    assert letter.keys() == {"stream", "entry_id", "reason", "detail", "entry"}


@pytest.mark.parametrize("where", ["before", "between", "after"])
def test_a_killed_consumer_loses_and_doubles_nothing(live, where):
    made = [each for number in range(100) for each in chain(24_000 + number)]
    live.publish(made)
    with live.consumer("--write-back", "off", script=KILLED, KILL=where) as first:
        assert first.wait(30) == -signal.SIGKILL
    assert live.waiting() > 0
    with live.consumer("--write-back", "off"):
        live.drain()
    assert live.stored() == len(made)
    assert live.redis.llen("raw_ticks:NSE@NIFTY@equity_spot") == 100
    assert not live.dead()


@pytest.mark.parametrize("script", [POISONED, UNWRITABLE], ids=["priced", "written"])
def test_a_poison_tick_is_given_up_alone(live, script):
    made = [tick(ltp=1.0 + number) for number in range(100)]
    made.insert(57, tick(ltp=666))
    live.publish(made)
    with live.consumer("--write-back", "off", script=script, TICK_MAX_DELIVERIES="3", TICK_BATCH="10"):
        until(lambda: live.stored() == 100, 60, "neighbours kept")
        live.drain()
    assert live.dead() == {"handler_error": 1}
    assert orjson.loads(live.redis.xrange("tick_dead_letter")[0][1]["entry"])["data"].count("666")
    assert live.stored() == 100


def test_an_answer_that_is_lost_doubles_nothing(live):
    made = [tick(ltp=1.0 + number) for number in range(300)]
    live.publish(made)
    with live.consumer(script=UNANSWERED, RAW_TICKS_LENGTH="1000"):
        live.drain()
    assert "no answer" in live.log.read_text()
    assert live.stored() == live.redis.llen("raw_ticks:NSE@NIFTY@equity_spot") == 300
    assert live.redis.xlen("tick_stream:NSE@NIFTY") == 2 * 300
    assert not live.dead()


def test_a_pair_on_no_exchange_is_told_of_by_the_consumers_of_several(live):
    exchanges = "BINANCE", "KRAKEN"
    for exchange in exchanges:
        live.publish([(f"{exchange}@BTC/USDT", tick("BTC/USDT", 1.0 + number)[1]) for number in range(2_000)])
    with ExitStack() as running:
        for exchange in exchanges:
            running.enter_context(live.consumer("--streams", f"{exchange}@BTC/USDT", TICK_BATCH="20"))
        live.drain()
    told = live.redis.xrange("signal_output_stream:BTC/USDT")
    assert live.redis.hget("latest_seq:BTC/USDT", "BTC/USDT") == told[-1][0]
    assert live.stored() == 4_000
    assert "ERROR" not in live.log.read_text()


def test_a_lease_that_was_lost_is_lost_though_it_be_free_again(live):
    client = connect(places.redis_url(live.state))
    ownership = Ownership(client, group="signals", name="one", choice="all", seconds=60)
    assert ownership.settle({"NSE@NIFTY"}, ()) == ({"NSE@NIFTY"}, [])
    assert ownership.settle({"NSE@NIFTY"}, {"NSE@NIFTY"}) == ({"NSE@NIFTY"}, [])
    client.delete(ownership.lease("NSE@NIFTY"))
    with pytest.raises(LeaseLost):
        ownership.settle({"NSE@NIFTY"}, {"NSE@NIFTY"})


def test_what_kills_its_consumers_is_given_up_alone(live):
    made = [tick(ltp=1.0 + number) for number in range(100)]
    made.insert(57, tick(ltp=666))
    live.publish(made)
    fatal = POISONED.replace('raise ArithmeticError("poison")', "import os; os.kill(os.getpid(), 9)")
    for _ in range(3):
        with live.consumer("--write-back", "off", script=fatal, TICK_MAX_DELIVERIES="5") as consumer:
            assert consumer.wait(60) == -signal.SIGKILL
    while live.waiting():  # a neighbour in hand during a stall beyond the lease (1 s here) has a delivery to spare
        with live.consumer("--write-back", "off", script=fatal, TICK_MAX_DELIVERIES="5") as consumer:
            until(lambda: consumer.poll() is not None or not live.waiting(), 60, "killed or done")
    assert live.dead() == {"handler_error": 1}
    assert live.stored() == 100


def test_a_tick_delivered_again_is_stored_once(live):
    live.publish(chain())
    for number in range(3):
        with live.consumer("--group", f"reader{number}"):
            live.drain(group=f"reader{number}")
    assert live.stored() == len(chain())


@pytest.mark.parametrize("flushed", [False, True])
def test_redis_goes_and_comes_back(live, flushed):
    live.publish(chain())
    with live.consumer("--write-back", "off") as consumer:
        live.drain()
        if flushed:
            live.redis.flushall()
        else:
            kill_server(live.state, "valkey")
            until(lambda: _answers(live), 60, "Redis came back")
        live.publish(chain(24_100))
        live.drain()
        assert consumer.poll() is None
    assert live.stored() == 2 * len(chain())
    assert not live.dead()


@pytest.mark.parametrize("known", ["latest", "quotes", "settlement"])
def test_a_new_consumer_knows_the_market_of_the_one_before(live, known):
    """From Redis; when that was flushed, from PostgreSQL's quotes."""
    future = f"NSE@NIFTY@equity_futures@{EXPIRY}"
    at = time.time() - 5
    before = [tick(ltt=at), tick("NSE@INDIAVIX@equity_spot", 13.5, ltt=at), tick(future, 24_130.0, ltt=at)]
    live.publish(before)
    with live.consumer():
        live.drain()
    if known != "latest":
        live.redis.flushall()
    if known == "settlement":
        live.execute("UPDATE timeframes_quote SET settle = last, last = NULL, source = 'day'")
    quotes = live.rows("SELECT * FROM timeframes_quote ORDER BY 1")
    live.publish([option(24_000, "call", ltp=400.0)])
    with live.consumer("--write-back", "off"):
        live.drain()
    key = f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"
    greeks = orjson.loads(live.redis.hget("latest:NSE@NIFTY", key))["greeks"]
    assert (greeks["status"], greeks["underlying_price"], greeks["underlying_restored"]) == ("ok", 24_000, True)
    assert 5 <= greeks["underlying_age_seconds"] < 60 and 5 <= greeks["volatility_index_age_seconds"] < 60
    assert (greeks["volatility_index"], greeks["forward_source"], greeks["forward"]) == (0.135, "future", 24_130)
    assert live.rows("SELECT * FROM timeframes_quote WHERE instrument_key NOT LIKE '%@call@%' ORDER BY 1") == quotes


def test_a_back_test_does_not_know_the_market_of_today(live):
    live.publish([tick(), tick("NSE@INDIAVIX@equity_spot", 13.5)])
    with live.consumer():
        live.drain()
    live.redis.flushall()
    live.publish([option(24_000, "call", ltp=400.0)])
    with live.consumer("--clock=tick"):
        live.drain(group="backtest")
    key = f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"
    greeks = orjson.loads(live.redis.hget("backtest:latest:NSE@NIFTY", key))["greeks"]
    assert (greeks["status"], greeks["underlying_price"]) == ("no_underlying", None)


def _answers(live) -> bool:
    try:
        return live.redis.ping()
    except redis.ConnectionError:
        return False


@pytest.mark.faults
def test_postgresql_is_down_for_ten_seconds(live):
    live.publish(chain())
    with live.consumer("--write-back", "off") as consumer:
        live.drain()
        end = time.monotonic() + 10
        published = 0
        while time.monotonic() < end:
            kill_server(live.state, "postgres")
            live.publish(chain(24_000 + published))
            published += 1
            time.sleep(0.2)
        live.drain(60)
        assert consumer.poll() is None
    assert live.stored() == (1 + published) * len(chain())
    assert not live.dead()


@pytest.mark.faults
def test_a_stream_moves_when_consumers_come_and_go(live):
    live.publish([*chain(), tick("NSE@BANKNIFTY@equity_spot", 55_000.0)])

    def owners() -> dict[str, str]:
        found = live.redis.keys("tick_owner:signals:*")
        return {key: (live.redis.get(key) or "nobody:").split(":")[0] for key in found}

    with live.consumer("--consumer", "one") as one:
        until(lambda: set(owners().values()) == {"one"} and len(owners()) == 3, 60, "one owns all")
        with live.consumer("--consumer", "two") as two:
            until(lambda: sorted(owners().values()).count("two") == 1, 60, "two owns its share")
            one.kill()
            until(lambda: set(owners().values()) == {"two"} and len(owners()) == 3, 60, "two owns all")
            live.publish(chain(24_050))
            live.drain()
            two.send_signal(signal.SIGSTOP)
            with live.consumer("--consumer", "three"):
                until(lambda: set(owners().values()) == {"three"}, 60, "three took over from a paused one")
                live.publish(chain(24_060))
                two.send_signal(signal.SIGCONT)
                live.drain()
    assert live.stored() == 3 * len(chain()) + 1
    assert not live.dead()


def test_acknowledged_entries_are_trimmed_behind_every_group(live):
    live.redis.xgroup_create("tick_stream:NSE@NIFTY", "other", id="0", mkstream=True)
    made = [tick(ltp=1.0 + number) for number in range(3000)]
    live.publish(made)
    (first,) = live.redis.xreadgroup("other", "x", {"tick_stream:NSE@NIFTY": ">"}, count=1000)
    with live.consumer("--write-back", "off", TICK_KEEP_SECONDS="0"):
        live.drain()
        time.sleep(2.5)
        assert live.redis.xlen("tick_stream:NSE@NIFTY") == 3000
        live.redis.xack("tick_stream:NSE@NIFTY", "other", *(entry_id for entry_id, _ in first[1]))
        until(lambda: live.redis.xlen("tick_stream:NSE@NIFTY") <= 2100, 60, "trimmed")
        assert live.redis.xlen("tick_stream:NSE@NIFTY") >= 2000


def test_trimming_that_overtakes_the_consumer_is_counted(live):
    live.publish([tick(ltp=1.0)])
    with live.consumer("--write-back", "off") as consumer:
        live.drain()
        consumer.send_signal(signal.SIGSTOP)
        live.publish([tick(ltp=2.0 + number) for number in range(30)])
        live.redis.xtrim("tick_stream:NSE@NIFTY", maxlen=10, approximate=False)
        consumer.send_signal(signal.SIGCONT)
        alarm = "entries of tick_stream:NSE@NIFTY were removed before they were read"
        until(lambda: alarm in live.log.read_text(), 60, "alarm")
        live.drain()
    lost = sum(int(line.split(alarm)[0].split()[-1]) for line in live.log.read_text().splitlines() if alarm in line)
    assert lost in (19, 20)  # a read that was waiting got the first of them at once
    assert live.stored() == 31 - lost


def test_sigterm_drains(live):
    live.publish(chain())
    with live.consumer() as consumer:
        live.drain()
        consumer.terminate()
        assert consumer.wait(10) == 0
    assert "drained" in live.log.read_text()
    assert not live.redis.keys("tick_owner:*")


def test_a_back_test_has_a_namespace_of_its_own(live):
    begin = 1_700_000_000
    made = []
    for second in range(20):
        for stream, fields in chain(24_000 + second):
            made.append((stream, {**fields, "ltt": begin + second}))
    live.publish(made)
    with live.consumer("--clock=tick", "--write-back", "off"):
        live.drain(group="backtest")
    assert (live.stored(), live.stored("backtest_ticks")) == (0, len(made))
    assert not live.redis.keys("latest:*")
    state = orjson.loads(live.redis.hget("backtest:latest:NSE@NIFTY", f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"))
    assert state["as_of"].startswith("2023-11-14T22:13:39")
    assert state["greeks"]["price_age_seconds"] == 0


def nifty_seconds():
    with gzip.open(DATA / "NIFTY_1sec_ltp_2022-10-31.csv.gz", "rt") as lines:
        rows = [line.strip().split(",") for line in lines if line[0].isdigit()]
    return [tick(ltt=moment, ltp=float(price)) for moment, price in rows]


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


def nifty_ticks():
    """Microseconds apart, and naive: they are in the exchange's time."""
    with (DATA / "NIFTY_ltp_ticks_2025-02-11_12.csv").open() as lines:
        rows = [line.strip().split(",") for line in lines if line[0].isdigit()]
    return [tick(ltt=moment, ltp=float(price)) for moment, price in rows]


def stock_futures():
    """Of several underlyings, with the best of their books; nobody bids where the price is 0."""
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
