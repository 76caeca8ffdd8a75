"""manage.py consume_configs: what messages do, in which order, and what is refused."""

import random
import signal

import orjson
import psutil
import pytest

from tests.integration.configs_stream.feed import BANKNIFTY, NIFTY, STREAM, asking, configuration
from tests.integration.processes import until

ONE = configuration()
OPTION = "NSE@NIFTY@equity_options@2036-12-25@call@24000"


def test_an_update_is_kept_and_shown_for_each_instrument(running):
    document = configuration("one", NIFTY, BANKNIFTY)
    running.send(document)
    running.settle()
    assert list(running.kept()) == ["one"]
    shown = running.shown()
    assert set(shown) == {f"config:{key}-5m-bar" for key in (NIFTY, BANKNIFTY)}
    for key in (NIFTY, BANKNIFTY):
        assert shown[f"config:{key}-5m-bar"] == {**running.kept()["one"], "instruments": [key]}
    owner = running.rows("SELECT username, password FROM auth_user u JOIN signal_configurations c ON c.owner_id = u.id")
    assert owner[0][0] == "subscription-manager"
    assert owner[0][1].startswith("!")


def test_what_a_configuration_lacks_is_none_in_its_key(running):
    running.send({"name": "one", "instruments": [OPTION], "greeks": ["delta"]})
    running.settle()
    assert list(running.shown()) == [f"config:{OPTION}-none-none"]


@pytest.mark.parametrize("as_object", [True, False], ids=["object", "text"])
def test_a_message_in_one_field(running, as_object):
    inner = ONE if as_object else orjson.dumps(ONE).decode()
    running.redis.xadd(STREAM, {"data": orjson.dumps({"config_json": inner, "action": "update"})})
    running.settle()
    assert list(running.kept()) == ["one"]


def test_the_owner_that_a_message_names(running):
    running.execute(
        "INSERT INTO auth_user (username, password, is_superuser, first_name, last_name, email, is_staff, is_active,"
        " date_joined) SELECT 'trader', '!', false, '', '', '', false, true, now()"
        " WHERE NOT EXISTS (SELECT 1 FROM auth_user WHERE username = 'trader')"
    )
    running.send(ONE, owner="trader")
    running.send(ONE, owner="nobody")
    running.settle()
    found = running.rows("SELECT u.username FROM auth_user u JOIN signal_configurations c ON c.owner_id = u.id")
    assert found == [("trader",)]
    assert running.dead() == {"unknown_owner": 1}
    running.send({"name": "one"}, "delete")  # of the stream's own user, who has none
    running.send({"name": "one"}, "delete", owner="trader")
    running.settle()
    assert running.kept() == {} == running.shown()
    assert running.dead() == {"unknown_owner": 1, "not_found": 1}


def test_a_configuration_is_deleted_by_what_it_is_for(running):
    unnamed = {key: value for key, value in configuration("", BANKNIFTY).items() if key not in ("name", "instruments")}
    running.send_all([ONE, {**unnamed, "instrument_key": BANKNIFTY}])
    running.settle()
    assert len(running.shown()) == 2
    for key in (NIFTY, BANKNIFTY):
        running.send({"instrument_key": key, "interval": "5m", "frequency": "bar"}, "delete")
    running.settle()
    assert running.kept() == {} == running.shown()
    assert not running.dead()


def test_of_several_for_the_same_a_name_is_asked_for(running):
    running.send_all([configuration("one"), configuration("two")])
    running.send({"instrument_key": NIFTY, "interval": "5m", "frequency": "bar"}, "delete")
    running.settle()
    assert set(running.kept()) == {"one", "two"}
    assert running.dead() == {"ambiguous": 1}
    assert "one, two" in running.letters()[0]["detail"]


REFUSED = {
    "no document": ({"action": "update"}, "malformed", ["config_json"]),
    "no action, no document": ({"color": "red"}, "malformed", ["action", "config_json"]),
    "another action": ({"config_json": "{}", "action": "upsert"}, "malformed", ["action"]),
    "in capitals": ({"config_json": "{}", "action": "UPDATE"}, "malformed", ["action"]),
    "no JSON": ({"config_json": "{'name': 1}", "action": "update"}, "malformed", ["config_json"]),
    "cut": ({"config_json": '{"name": "on', "action": "update"}, "malformed", ["config_json"]),
    "a list": ({"config_json": "[]", "action": "update"}, "malformed", ["config_json"]),
    "null": ({"config_json": "null", "action": "delete"}, "malformed", ["config_json"]),
    "deep": ({"config_json": "[" * 5_000 + "]" * 5_000, "action": "update"}, "malformed", ["config_json"]),
    "huge number": ({"config_json": '{"bars": 1%s}' % ("0" * 400), "action": "update"}, "malformed", ["config_json"]),
    "NaN": ({"config_json": '{"bars": NaN}', "action": "update"}, "malformed", ["config_json"]),
    "half a character": ({"config_json": '{"name": "\\ud800"}', "action": "update"}, "malformed", ["config_json"]),
    "not UTF-8": ({"config_json": b'{"name": "\xff\xfe"}', "action": b"\xff"}, "malformed", ["action", "config_json"]),
    "large": ({"config_json": '{"name": "%s"}' % ("x" * 70_000), "action": "update"}, "too_large", ["config_json"]),
    "both forms": ({"config_json": "{}", "data": "{}", "action": "update"}, "malformed", ["data"]),
    "data, no object": ({"data": "7"}, "malformed", ["data"]),
    "data, owner": ({"data": '{"config_json": {}, "action": "update", "owner": 7}'}, "malformed", ["owner"]),
    "NUL in an owner": ({"config_json": "{}", "action": "update", "owner": "a\0b"}, "malformed", ["owner"]),
    "invalid": ({"config_json": "{}", "action": "update"}, "invalid", ["instruments"]),
    "delete of nothing": ({"config_json": '{"name": "none"}', "action": "delete"}, "not_found", ["name"]),
    "delete, NUL": ({"config_json": '{"name": "a\\u0000"}', "action": "delete"}, "invalid", ["name"]),
    "delete of what": ({"config_json": "{}", "action": "delete"}, "invalid", ["name"]),
    "delete, interval": (
        {"config_json": '{"instrument_key": "NSE@A@equity_spot", "interval": "5 parsecs"}', "action": "delete"},
        "invalid",
        ["interval"],
    ),
}


def test_malformed_messages_end_in_the_dead_letters_and_take_nobody_along(running):
    sent = {}
    for number, (what, (fields, _, _)) in enumerate(REFUSED.items()):
        running.send(configuration(f"good-{number}"))
        sent[running.redis.xadd(STREAM, fields)] = what
    running.redis.execute_command(
        "XADD", STREAM, "*", "action", "update", "action", "delete"
    )  # a name that occurs twice
    running.settle()
    letters = running.letters()
    assert len(letters) == len(REFUSED) + 1
    for letter in letters[:-1]:
        _, reason, fields = REFUSED[sent[letter["entry_id"]]]
        faults = orjson.loads(letter["faults"])
        assert letter["reason"] == reason, sent[letter["entry_id"]]
        assert [fault["field"] for fault in faults][: len(fields)] == fields, sent[letter["entry_id"]]
        assert all(fault["message"] for fault in faults)
        assert len(letter["entry"]) <= 4_096
    assert len(running.kept()) == len(REFUSED)


def test_a_refused_update_leaves_the_old_one_running(running):
    running.send(ONE)
    running.send({**ONE, "indicators": ["rsi(length=7)"], "bogus": 1, "interval": "5 parsecs", "bars": -1})
    running.settle()
    assert running.shown()[asking(ONE)]["indicators"] == running.kept()["one"]["indicators"]
    assert "9" in str(running.kept()["one"]["indicators"])
    (letter,) = running.letters()
    named = {fault["field"] for fault in orjson.loads(letter["faults"])}
    assert {"bogus", "interval", "bars"} <= named


@pytest.mark.parametrize("number", [1_000, pytest.param(5_000, marks=pytest.mark.faults)])
def test_a_flood_ends_with_the_last_of_each(feed, number):
    drawn = random.Random(5)
    sent = [
        configuration(f"c{drawn.randrange(100)}", indicators=[f"rsi(length={drawn.randrange(20, 200)})"])
        for _ in range(number)
    ]
    feed.send_all(sent)
    with feed.consumer():
        feed.settle(120)
    last = {document["name"]: document["indicators"] for document in sent}
    assert {name: kept["indicators"] for name, kept in feed.kept().items()} == last
    assert not feed.dead()
    newest = feed.rows("SELECT document FROM signal_configurations ORDER BY updated_at DESC, id DESC LIMIT 1")[0][0]
    assert feed.shown() == {asking(newest): newest}


def test_the_group_begins_again_after_a_flush(feed):
    with feed.consumer():
        feed.send(ONE)
        feed.settle()
        feed.redis.flushall()
        until(lambda: set(feed.shown()) == {asking(ONE)}, 10, "keys restored")
        feed.send(configuration("two", BANKNIFTY))
        until(lambda: len(feed.shown()) == 2, 10, "read again")
    assert set(feed.kept()) == {"one", "two"}


def test_a_stream_that_begins_anew_with_lower_ids_is_read(feed):
    feed.redis.xadd(STREAM, {"config_json": orjson.dumps(ONE), "action": "update"}, id="99999999999999-0")
    with feed.consumer():
        feed.settle()
        feed.redis.delete(STREAM)
        until(lambda: feed.redis.exists(STREAM), 10, "the group again")
        feed.send(configuration("two", BANKNIFTY))
        until(lambda: set(feed.kept()) == {"one", "two"}, 10, "kept")
        feed.send({**ONE, "indicators": ["rsi(length=3)"]})
        feed.send({"name": "one"}, "delete")
        feed.settle()
    assert set(feed.kept()) == {"one", "two"}
    assert feed.dead() == {"older": 2}  # the sender is told, since `one` has a message that counts as newer


def test_a_key_of_another_type_stops_the_stream_and_no_change(feed):
    feed.redis.set(STREAM, "text")
    with feed.consumer():
        until(lambda: "left alone" in feed.log.read_text(), 10, "told")
        feed.redis.delete(STREAM)
        feed.send(ONE)
        feed.settle()
        feed.redis.set("config_dead_letter", "text")
        feed.send({}, "update")
        until(lambda: "config_dead_letter" in feed.log.read_text(), 10, "told")
        assert feed.unacknowledged() == 1
        feed.redis.delete("config_dead_letter")
        feed.settle()
    assert feed.dead() == {"invalid": 1}


def test_messages_that_were_trimmed_unread_are_counted(feed):
    with feed.consumer() as consumer:
        feed.send(ONE)
        feed.settle()
        consumer.send_signal(signal.SIGSTOP)
        until(lambda: psutil.Process(consumer.pid).status() == psutil.STATUS_STOPPED, 10, "a stop")
        for number in range(10):
            feed.send(configuration(f"c{number}"))
        feed.redis.xtrim(STREAM, maxlen=3, approximate=False)
        consumer.send_signal(signal.SIGCONT)
        until(lambda: "removed before they were read" in feed.log.read_text(), 20, "told")
        feed.settle()
    kept = set(feed.kept())  # with c0 perhaps, which the server may have handed over before it was removed
    assert {"one", "c7", "c8", "c9"} <= kept <= {"one", "c0", "c7", "c8", "c9"}


def test_a_refused_first_message_takes_no_owner_along(feed):
    """Its user is rolled back with it: the next message of the same read makes the user again."""
    feed.execute("DELETE FROM auth_user WHERE username = 'subscription-manager'")
    feed.send_all([{**ONE, "name": "wrong", "interval": "5min"}, ONE])
    with feed.consumer():
        feed.settle()
    assert list(feed.kept()) == ["one"] and feed.dead() == {"invalid": 1}
    assert "the consumer failed" not in feed.log.read_text()
