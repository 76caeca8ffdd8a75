"""Live evaluations of chains: what they publish and keep, and what a kill, a broken state or a fault does to them."""

import signal
import time
from datetime import UTC, datetime, timedelta

import orjson

from moneyness.interest_sql import interest_day
from tests.integration.consume.live import EXPIRY, option, tick
from tests.integration.processes import until
from timeframes.core.sessions import local_date

EACH_SECOND = {"MONEYNESS_RECORD_SECONDS": "1", "CHAIN_ANALYTICS_SECONDS": "0.2"}
ROWS = "SELECT count(*) FROM signal_moneyness_greeks"
DOUBLED = """
SELECT time, count(*) FROM signal_moneyness_greeks GROUP BY time
HAVING count(*) <> (SELECT max(n) FROM (SELECT count(*) AS n FROM signal_moneyness_greeks GROUP BY time) counted)
"""


def chain(spot=24_000.0, oi=1_000):
    made = [tick(ltp=spot)]
    for strike in range(23_800, 24_300, 100):
        call = max(spot - strike, 0) + 250
        made.append(option(strike, "call", ltp=call, bid=call - 1, ask=call + 1, oi=oi, volume=10))
        put = call - spot + strike
        made.append(option(strike, "put", ltp=put, bid=put - 1, ask=put + 1, oi=2 * oi, volume=10))
    return made


def state(live, topic, namespace=""):
    found = live.redis.hget(f"{namespace}latest_chains:NSE@NIFTY", topic)
    return None if found is None else orjson.loads(found)


def test_an_evaluation_is_published_and_kept(live):
    before = interest_day("NSE", local_date("NSE", datetime.now(UTC))).before + timedelta(hours=15)
    key = f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"
    live.execute(
        "INSERT INTO timeframes_quote (instrument_key, time, open_interest, source)"
        f" VALUES ('{key}', '{before.isoformat()}', 400, 'test')"
    )
    live.publish(chain())
    with live.consumer():
        live.drain()
    analytics = state(live, f"analytics:NSE@NIFTY:{EXPIRY}")
    assert (analytics["call_open_interest"], analytics["put_call_ratio_open_interest"]) == (5_000, 2)
    assert analytics["call_open_interest_change"] == 600  # of the one option of which something is stored
    assert analytics["put_open_interest_change"] is None
    atm = state(live, "atm:NSE@NIFTY")
    assert atm["atm_strike"] == 24_000 and atm["receipt"]["forward_source"] == "parity"
    at_money = state(live, "moneyness:NSE@NIFTY:ATM")
    row = live.rows(
        "SELECT atm_strike, options, open_interest, implied_volatility, delta_mean, time, expiry::text"
        f" FROM signal_moneyness_greeks WHERE level_key = 'NSE@NIFTY:{EXPIRY}:ATM' AND side = 'both'"
    )
    both = at_money["both"]
    kept = (24_000, 2, 3_000, both["implied_volatility"], both["delta"]["mean"])
    assert [each[:5] for each in row] == [kept]
    assert row[0][5].second == 0 and row[0][6] == EXPIRY
    reading = live.rows(
        "SELECT implied_volatility, put_call_ratio_open_interest, max_pain, quotes_used FROM signal_chain_analytics"
        f" WHERE term_key = 'NSE@NIFTY:{EXPIRY}'"
    )
    told = analytics["atm_implied_volatility"], 2, analytics["max_pain"], analytics["receipt"]["quotes_used"]
    assert reading == [told]


def test_kills_leave_whole_rows_and_no_doubles(live):
    """Each time has all rows of one evaluation, however often the consumer dies and evaluates it again."""
    made = 0
    for number in range(2):
        live.publish(chain(24_000.0 + number))
        with live.consumer(**EACH_SECOND) as child:
            until(lambda: live.rows(ROWS)[0][0] > made, 20, "rows of an evaluation")  # noqa: B023 - called at once
            for step in range(5):
                live.publish([tick(ltp=24_000.0 + number + step / 10)])
                time.sleep(0.1)
            child.send_signal(signal.SIGKILL)
            child.wait(10)
        made = live.rows(ROWS)[0][0]
    assert live.rows(DOUBLED) == []
    assert len(live.rows("SELECT DISTINCT time FROM signal_moneyness_greeks")) >= 2
    with live.consumer(**EACH_SECOND):
        live.drain()
    assert live.rows(DOUBLED) == []


def test_a_broken_kept_state_is_dropped(live):
    texts = ("", "[]", "nonsense", '{"atm_strike": "24000"}', '{"atm_strike": true}', '{"atm_strike": 1e400}', "\x00{}")
    broken = {f"atm:NSE@NIFTY:2027-01-{day:02}": text for day, text in enumerate(texts, 1)}
    live.redis.hset("latest_chains:NSE@NIFTY", mapping={**broken, f"atm:NSE@NIFTY:{EXPIRY}": '{"atm_strike": -1}'})
    live.publish(chain())
    with live.consumer():
        live.drain()
    assert state(live, f"atm:NSE@NIFTY:{EXPIRY}")["atm_strike"] == 24_000
    assert not broken.keys() & set(live.redis.hkeys("latest_chains:NSE@NIFTY"))
    assert live.log.read_text().count("dropped the newest state") == len(broken) + 1


def test_the_next_consumer_holds_the_atm_strike(live):
    live.publish(chain(24_000.0))
    with live.consumer():
        live.drain()
    assert state(live, "atm:NSE@NIFTY")["atm_strike"] == 24_000
    live.publish(chain(24_052.0))
    with live.consumer():
        live.drain()
    atm = state(live, "atm:NSE@NIFTY")
    assert atm["receipt"]["forward"] > 24_050  # another strike is nearer
    assert (atm["atm_strike"], atm["atm_switched_from"]) == (24_000, None)


def test_the_settings_of_an_underlying_count(live):
    live.execute(
        "INSERT INTO signals_underlying (key, exchange, symbol, spot_key, volatility_index_key, pricing_model,"
        " dividend_yield) VALUES ('NSE@NIFTY', 'NSE', 'NIFTY', 'NSE@NIFTY@equity_spot', '', 'bsm', 0)"
        " ON CONFLICT DO NOTHING"
    )
    columns = "deltas, tenors, hysteresis, atm_volatility, gamma_formula, dealer_sign, walls, worst_fit, strikes"
    live.execute(
        f"INSERT INTO moneyness_chain_settings (underlying_id, bands, {columns}) VALUES ('NSE@NIFTY',"
        " 'OTM_PCT_0_2', '', '', 0.6, 'nearest', 'per_point', 'short_all', 1, 0.02, 1)"
    )
    live.publish(chain())
    with live.consumer():
        live.drain()
    levels = {
        topic.split(":")[2] for topic in live.redis.hkeys("latest_chains:NSE@NIFTY") if topic.startswith("moneyness:")
    }
    assert levels - {EXPIRY} == {"ATM", "ITM1", "OTM1", "ITM", "OTM", "OTM_PCT_0_2"}
    assert state(live, "atm:NSE@NIFTY")["method"] == "nearest"
    assert state(live, f"analytics:NSE@NIFTY:{EXPIRY}")["gamma_formula"] == "per_point"


def test_rows_that_cannot_be_stored_and_a_failed_look_up_cost_no_tick(live):
    live.execute("ALTER TABLE signal_moneyness_greeks RENAME TO elsewhere")
    live.execute("ALTER TABLE historical_data RENAME COLUMN oi TO interest")
    try:
        live.publish(chain())
        with live.consumer(TICK_BARS="false"):
            live.drain()
    finally:
        live.execute("ALTER TABLE elsewhere RENAME TO signal_moneyness_greeks")
        live.execute("ALTER TABLE historical_data RENAME COLUMN interest TO oi")
    assert live.stored() == 11 and not live.dead()
    assert state(live, "atm:NSE@NIFTY")["atm_strike"] == 24_000
    log = live.log.read_text()
    assert "what the chain of NSE@NIFTY said cannot be stored" in log
    assert "open interest of the session before failed" in log


def test_a_back_test_is_evaluated_in_its_namespace_and_nothing_is_kept(live):
    begin = datetime(2026, 11, 24, 5, 0, tzinfo=UTC).timestamp()
    ticks = [(stream, {**fields, "ltt": begin + place // 11}) for place, (stream, fields) in enumerate(chain() * 3)]
    live.publish(ticks)
    with live.consumer("--clock", "tick"):
        live.drain(group="backtest")
    atm = state(live, "atm:NSE@NIFTY", "backtest:")
    assert atm["as_of"] == "2026-11-24T05:00:02+00:00" and atm["atm_strike"] == 24_000
    assert not live.redis.exists("latest_chains:NSE@NIFTY", "latest:NSE@NIFTY") and live.rows(ROWS) == [(0,)]
