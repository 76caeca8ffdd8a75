"""manage.py consume_ticks with a hostile feed: what it rejects, what it marks as suspect, and that others go on."""

import json
import time
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from realtime.core.entry_ids import parse_id
from tests.core.hostile import ENTRIES
from tests.integration.consume.faulty_consumers import COUNTED
from tests.integration.consume.live import EXPIRY, chain, option, tick
from tests.integration.processes import until

SPOT, BANK = "NSE@NIFTY@equity_spot", "NSE@BANKNIFTY@equity_spot"
INDIAVIX = "NSE@INDIAVIX@equity_spot"
JUNK = '"+05:30'


def latest(live, underlying="NSE@NIFTY"):
    return {topic: orjson.loads(state) for topic, state in live.redis.hgetall(f"latest:{underlying}").items()}


def test_what_cannot_be_is_refused_at_once(live):
    """Junk in times, numbers beyond any type, a price of 0: rejected at the first delivery, with no harm to others."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    injected = f'{at}","greeks":{{"delta":9}},"x":"+05:30'
    times = [tick(ltt=ltt) for ltt in (at + JUNK, injected, f"{at}\\+05:30")]
    notes = ("1e400", "9" * 400, "[" * 900 + "]" * 900)
    texts = [f'{{"instrument_key":"{SPOT}","ltt":{time.time()},"ltp":1,"note":{note}}}' for note in notes]
    texts.append(json.dumps({"instrument_key": SPOT, "ltt": time.time(), "ltp": 10**400}))
    strikes = ("12345678901234567890", "0.0000001")
    keys = [f"NSE@NIFTY@equity_options@{EXPIRY}@call@{strike}" for strike in strikes]
    keys += [f"NSE@NIFTY@equity_futures@{expiry}" for expiry in ("0001-01-01", "9999-12-31")]
    zeros = [option(24_000, "call", ltp=0, bid=1, ask=2), tick(ltp="0.0")]
    live.publish([*chain(), *times, *map(tick, keys), *(("NSE@NIFTY", text) for text in texts), *zeros])
    with live.consumer():
        until(lambda: live.stored() == len(chain()), 60, "the good ones kept")
        live.drain(seconds=3)
    assert live.dead() == {"bad_ltt": 3, "unknown_instrument": 4, "too_large": 3, "malformed": 1, "not_positive": 2}
    assert latest(live)[SPOT]["tick"]["ltp"] == 24_000
    told = [value for _, topics in live.redis.xrange("signal_output_stream:NSE@NIFTY") for value in topics.values()]
    assert all(orjson.loads(each) for each in told)


def test_whatever_comes_is_kept_or_refused_with_a_reason(live):
    """PostgreSQL and Redis accept whatever decoding accepts: nothing ends as an error of ours."""
    sent = 0

    @given(st.lists(ENTRIES, max_size=20))
    @settings(max_examples=60, deadline=None, database=None, phases=[Phase.generate])
    def publish(entries):
        nonlocal sent
        with live.redis.pipeline(transaction=False) as pipeline:
            for entry in entries:
                values = (each.encode("utf-8", "surrogatepass") for each in entry)
                pipeline.execute_command("XADD", "tick_stream:NSE@NIFTY", "*", *values)
            pipeline.execute()
        sent += len(entries)

    publish()
    live.publish(chain())
    with live.consumer("--write-back", "off", TICK_MAX_LATE_SECONDS="0", TICK_REFUSE_ZERO="false"):
        live.drain()
    dead = live.dead()
    assert "handler_error" not in dead and len(dead) > 5
    assert sent > live.stored() > len(chain())
    assert "Traceback" not in live.log.read_text()
    with live.consumer("--write-back", "off", TICK_MAX_LATE_SECONDS="0"):  # what they wrote can be restored
        until(lambda: "took tick_stream:NSE@NIFTY" in live.log.read_text().split("drained")[-1], 60, "restored")
    assert "dropped the newest state" not in live.log.read_text()


def test_a_state_that_cannot_be_read_is_dropped_and_the_others_are_restored(live):
    """A state as an earlier version wrote it, which killed the consumer at every start."""
    poison = f'{{"instrument_key":"{SPOT}","entry_id":"1-0","time":"2026-12-01T10:00:00{JUNK}","tick":{{"ltp":1}}}}'
    future = f"NSE@NIFTY@equity_futures@{EXPIRY}"
    at = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
    good = {"instrument_key": future, "entry_id": "7-0", "time": at, "tick": {"ltt": at, "ltp": 24_130}}
    states = {SPOT: poison, future: orjson.dumps({**good, "tick": {**good["tick"], "instrument_key": future}})}
    bad = [
        "7",
        '{"entry_id":"1-0"}',
        '{"entry_id":"\\"","time":"2026-12-01T10:00:00Z","tick":{"ltp":1}}',
        '{"entry_id":"1-0","time":"0001-01-01T00:00:00Z","tick":{"ltp":1}}',
        '{"entry_id":"1-0","time":"2026-12-01T10:00:00Z","tick":[]}',
    ]
    for strike, state in enumerate(bad, 1):
        states[f"NSE@NIFTY@equity_options@{EXPIRY}@call@{strike}"] = state
    live.redis.hset("latest:NSE@NIFTY", mapping={**states, "chain:NSE@NIFTY:x": "7", "no key": "{}"})
    live.redis.hset("latest_seq:NSE@NIFTY", mapping=dict.fromkeys(states, "1-0"))
    live.publish([option(24_000, "call", ltp=400.0), tick(BANK, 55_000.0)])
    with live.consumer():
        live.drain()
    assert live.stored() == 2
    key = f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"
    assert {topic for topic in latest(live) if ":" not in topic} == {future, key}
    assert live.redis.hgetall("latest_seq:NSE@NIFTY").keys() == latest(live).keys() - {"chain:NSE@NIFTY:x"}
    assert latest(live)[key]["greeks"]["forward_source"] == "future"
    assert live.log.read_text().count("dropped the newest state of") == len(bad) + 2
    assert latest(live, "NSE@BANKNIFTY")[BANK]["tick"]["ltp"] == 55_000


def test_a_fault_of_one_underlying_stops_no_other(live):
    live.redis.set("latest:NSE@BANKNIFTY", "no hash")
    live.redis.xadd("tick_stream:nobody's", {"data": "{}"})
    live.redis.xadd(b"tick_stream:\xff", {"data": "{}"})
    live.publish([*chain(), tick(BANK, 55_000.0)])
    with live.consumer("--write-back", "off") as consumer:
        until(lambda: live.stored() == len(chain()), 60, "the others' ticks kept")
        live.publish(chain(24_100))
        until(lambda: live.stored() == 2 * len(chain()), 60, "and those that come later")
        assert "tick_stream:NSE@BANKNIFTY is put aside" in live.log.read_text()
        live.redis.delete("latest:NSE@BANKNIFTY")
        until(lambda: live.stored() == 2 * len(chain()) + 1, 60, "the stream came back")
        assert consumer.poll() is None
    assert not live.dead()
    assert live.log.read_text().count("name is no tick_stream:EXCHANGE@SYMBOL") == 2


def test_a_jump_and_a_late_tick_are_kept_marked_and_told_to_nobody(live):
    day = time.time() - 86_400
    key = f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"
    live.publish([*chain(), tick(ltp=1.0), tick(ltp=240_000.0), option(24_000, "call", ltp=9.0, ltt=day - 5)])
    late = f"NSE@NIFTY@equity_options@{EXPIRY}@put@1"
    live.publish([tick(late, 9.0, ltt=day - 5)])
    with live.consumer():
        live.drain()
    marked = "SELECT ltp, suspect FROM ticks WHERE suspect <> '' ORDER BY ltp"
    assert live.rows(marked) == [(1.0, "jump"), (9.0, "late"), (9.0, "late"), (240_000.0, "jump")]
    states = latest(live)
    assert states[SPOT]["tick"]["ltp"] == states[key]["greeks"]["underlying_price"] == 24_000
    assert states[key]["tick"]["ltp"] == 250 and late not in states
    raw = [orjson.loads(each) for each in live.redis.lrange(f"raw_ticks:{SPOT}", 0, -1)]
    assert [(each["ltp"], each.get("suspect")) for each in raw] == [(24_000, None), (1, "jump"), (240_000, "jump")]
    assert live.rows(f"SELECT max(last) FROM timeframes_quote WHERE instrument_key = '{SPOT}'") == [(24_000,)]
    assert not live.dead()


def test_a_back_test_doubts_by_its_own_times(live):
    begin = 1_700_000_000
    prices = [24_000, 240_000, 24_001, 48_500]
    times = [begin, begin + 1, begin + 2, begin + 90]
    live.publish([tick(ltp=price, ltt=at) for price, at in zip(prices, times, strict=True)])
    with live.consumer("--clock=tick"):
        live.drain(group="backtest")
    rows = live.rows("SELECT ltp, suspect FROM backtest_ticks ORDER BY time")
    assert rows == [(24_000, ""), (240_000, "jump"), (24_001, ""), (48_500, "")]


def test_what_a_feed_lists_by_its_own_word_is_bounded(live):
    far = (datetime.now(UTC) + timedelta(days=3_700)).date().isoformat()
    live.publish([tick(), tick(f"NSE@NIFTY@equity_futures@{far}")])
    live.publish([option(strike, "call") for strike in range(31_001, 31_021)])
    with live.consumer("--write-back", "off", TICK_MAX_NEW_CONTRACTS="8"):
        live.drain()
    dead = live.dead()
    assert dead["far_expiry"] == 1 and 11 <= dead["too_many_new"] <= 13  # the spot may be known already
    assert live.stored() == 22 - sum(dead.values())
    known = live.rows("SELECT count(*) FROM signals_instrument WHERE strike BETWEEN 31001 AND 31020")[0][0]
    assert known == 20 - dead["too_many_new"]
    live.publish([option(strike, "call") for strike in range(31_001, 31_001 + known)])
    before = live.stored()
    live.publish([tick(ltp=0)])
    with live.consumer("--write-back", "off", TICK_MAX_NEW_CONTRACTS="1", TICK_REFUSE_ZERO="false"):
        live.drain()
    assert live.stored() == before + known + 1, "what is known may tick on, and a price of 0 be allowed"
    ids = [parse_id(fields["entry_id"]) for _, fields in live.redis.xrange("tick_dead_letter")]
    assert ids == sorted(ids)


def test_refused_keys_cost_no_memory_whoever_owns_their_stream(live):
    days = [(datetime.now(UTC) + timedelta(days=4_000 + day)).date().isoformat() for day in range(300)]
    live.publish([tick(), tick(INDIAVIX, 13.5)])
    live.publish([option(strike, "call", ltt="x") for strike in range(1, 301)])
    live.publish([tick(f"NSE@{name}@equity_futures@{day}") for name in ("NIFTY", "INDIAVIX") for day in days])
    with live.consumer("--streams", "NSE@NIFTY", "--write-back", "off", script=COUNTED, TICK_BATCH="1000"):
        until(lambda: "hearing tick_stream:NSE@INDIAVIX" in live.log.read_text(), 60, "heard")
        until(lambda: live.dead() == {"bad_ltt": 300, "far_expiry": 300}, 60, "refused")
    kept = int(live.log.read_text().rpartition("contracts kept: ")[2].split()[0])
    assert 2 <= kept < 10


def test_a_key_of_another_type_harms_only_those_that_write_to_it(live):
    live.redis.set("computed_data:NIFTY", "no list")
    live.publish([*chain(), tick(BANK, 55_000.0)])
    with live.consumer("--write-back", "off") as consumer:
        live.drain()
        until(lambda: "tick_stream:NSE@NIFTY is put aside" in live.log.read_text(), 60, "put aside")
        live.publish([tick(BANK, 55_001.0), tick(ltp=24_001.0)])
        until(lambda: latest(live, "NSE@BANKNIFTY")[BANK]["tick"]["ltp"] == 55_001, 60, "the other goes on")
        until(lambda: "put aside for 2 s" in live.log.read_text(), 60, "longer each time")
        assert latest(live)[SPOT]["tick"]["ltp"] == 24_001, "all but the key itself is done"
        live.redis.delete("computed_data:NIFTY")
        live.publish([tick(ltp=24_002.0)])
        until(lambda: live.redis.llen("computed_data:NIFTY") > 0, 60, "the stream came back")
        live.drain()
        assert consumer.poll() is None
    log = live.log.read_text()
    assert "computed_data:NIFTY cannot be written, for tick_stream:NSE@NIFTY: RPUSH: WRONGTYPE" in log
    assert log.count("took tick_stream:NSE@BANKNIFTY") == 1 and log.count("took tick_stream:NSE@NIFTY") == 3
    assert live.stored() == len(chain()) + 4 and not live.dead()
    assert live.redis.llen(f"raw_ticks:{SPOT}") == 3


def test_an_output_stream_of_another_type_harms_only_its_own(live):
    live.redis.set("signal_output_stream:NSE@NIFTY", "no stream")
    live.redis.set("tick_dead_letter", "no stream")
    live.publish([tick(), tick(ltp=-1), tick(BANK, 55_000.0)])
    with live.consumer("--write-back", "off"):
        live.drain()
        live.publish([tick(BANK, 55_001.0)])
        until(lambda: latest(live, "NSE@BANKNIFTY")[BANK]["tick"]["ltp"] == 55_001, 60, "the other goes on")
    log = live.log.read_text()
    assert "signal_output_stream:NSE@NIFTY cannot be written, for tick_stream:NSE@NIFTY: XADD" in log
    assert log.count("has no dead letter: negative") == 1 and "Traceback" not in log
    assert latest(live)[SPOT]["tick"]["ltp"] == 24_000 and live.stored() == 3
    assert log.count("took tick_stream:NSE@BANKNIFTY") == 1


@pytest.mark.parametrize("key", ["tick_stream:NSE@INDIAVIX", "latest:NSE@INDIAVIX"])
def test_an_index_that_cannot_be_heard_is_left_alone_and_heard_later(live, key):
    live.redis.set(key, "something else")
    live.publish([tick(), option(24_000, "call", ltp=400.0)])
    with live.consumer("--streams", "NSE@NIFTY", "--write-back", "off"):
        until(lambda: live.stored() == 2, 60, "the ticks kept")
        until(lambda: "and not heard meanwhile" in live.log.read_text(), 60, "put aside")
        time.sleep(1.5)
        log = live.log.read_text()
        assert log.count("Traceback") <= log.count("is put aside for") <= 3
        assert log.count("took tick_stream:NSE@NIFTY") == 1
        live.redis.delete(key)
        live.publish([tick(INDIAVIX, 13.5)])
        until(lambda: "hearing tick_stream:NSE@INDIAVIX: 0" in log_since(live, log), 60, "heard")
        live.publish([tick(ltp=24_001.0)])
        option_key = f"NSE@NIFTY@equity_options@{EXPIRY}@call@24000"
        until(lambda: latest(live)[option_key]["greeks"]["volatility_index"] == 0.135, 60, "priced with it")


WRONG_TYPES = {
    "list": ("RPUSH", "x"),
    "set": ("SADD", "x"),
    "hash": ("HSET", "x", "y"),
    "zset": ("ZADD", "1", "x"),
    "stream": ("XADD", "*", "x", "y"),
}


@pytest.mark.parametrize("kind", WRONG_TYPES)
def test_a_lease_key_of_another_type_bars_its_own_stream_only(live, kind):
    lease = "tick_owner:signals:tick_stream:NSE@BANKNIFTY"
    command, *arguments = WRONG_TYPES[kind]
    live.redis.execute_command(command, lease, *arguments)
    live.publish([tick(), tick(BANK, 55_000.0)])
    with live.consumer("--write-back", "off") as consumer:
        until(lambda: live.stored() == 1, 60, "the other's tick kept")
        until(lambda: f"{lease} holds no lease" in live.log.read_text(), 60, "told of")
        live.publish([tick(ltp=24_001.0)])
        until(lambda: live.stored() == 2, 60, "the other goes on")
        assert live.redis.type(lease) == kind, "what stands there is not ours to delete"
        live.redis.delete(lease)
        until(lambda: live.stored() == 3, 60, "the stream came back")
        live.redis.delete(lease)
        live.redis.execute_command(command, lease, *arguments)  # while we own the stream
        live.publish([tick(ltp=24_002.0), tick(BANK, 55_001.0)])
        until(lambda: latest(live)[SPOT]["tick"]["ltp"] == 24_002, 60, "the other goes on after that too")
        live.redis.delete(lease)
        live.drain()
        assert live.stored() == 5
        assert consumer.poll() is None
    assert "Traceback" not in live.log.read_text() and not live.dead()


def test_a_members_key_of_another_type_stops_nobody(live):
    with live.consumer("--write-back", "off"):
        until(lambda: live.redis.keys("tick_consumers:signals:*"), 60, "it lives")
        (members,) = live.redis.keys("tick_consumers:signals:*")
    live.redis.delete(members)
    live.redis.set(members, "something else")
    live.publish([tick(), tick(BANK, 55_000.0)])
    with live.consumer("--write-back", "off"):
        live.drain()
    assert live.stored() == 2
    assert f"{members} holds something else" in live.log.read_text()


def log_since(live, before):
    return live.log.read_text()[len(before) :]


def test_a_feed_cannot_mark_its_ticks(live):
    live.publish([tick(), tick(ltp=24_001.0, suspect="jump")])
    live.publish([tick(ltp=24_002.0, suspect="jump")], one_field=False)
    with live.consumer():
        live.drain()
    assert live.dead() == {"reserved": 2}
    assert [orjson.loads(each).get("suspect") for each in live.redis.lrange(f"raw_ticks:{SPOT}", 0, -1)] == [None]
    assert "suspect" not in latest(live)[SPOT]["tick"]
