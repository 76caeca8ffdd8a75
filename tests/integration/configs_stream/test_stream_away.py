"""The stream of configurations goes away and comes back: what is stored stays, and new messages are read."""

import pytest

from tests.integration.configs_stream.feed import BANKNIFTY, GROUP, NIFTY, STREAM, asking, configuration
from tests.integration.processes import until

ONE, TWO = configuration("one"), configuration("two", BANKNIFTY)


def lose_group(feed):
    feed.redis.xgroup_destroy(STREAM, GROUP)


def lose_stream(feed):
    feed.redis.delete(STREAM)


def lose_everything(feed):
    feed.redis.flushall()


def versions(feed):
    return dict(feed.rows("SELECT name, version FROM signal_configurations"))


@pytest.mark.parametrize(
    ("lose", "while_it_runs"),
    [(lose_group, True), (lose_stream, True), (lose_group, False), (lose_stream, False), (lose_everything, False)],
)
def test_what_was_kept_counts_once_and_what_comes_is_read(feed, lose, while_it_runs):
    def lose_it():
        lose(feed)
        feed.send({**ONE, "bars": 77})
        feed.send(TWO)

    with feed.consumer():
        feed.send({"name": "bad", "instruments": 7})
        feed.settle()
        feed.send(ONE)
        feed.send(configuration("gone", NIFTY, interval="15m"))
        feed.send({"name": "gone"}, "delete")
        feed.settle()
        if while_it_runs:
            lose_it()
            until(lambda: "two" in feed.kept(), 20, "read again")
            feed.settle()
    if not while_it_runs:
        lose_it()
        with feed.consumer():
            until(lambda: "two" in feed.kept(), 20, "read again")
            feed.settle()
    assert versions(feed) == {"one": 2, "two": 1}
    until(lambda: set(feed.shown()) == {asking(ONE), asking(TWO)}, 10, "shown")
    assert feed.shown()[asking(ONE)]["bars"] == 77
    # Nothing is refused a second time, not even the deletion of what is gone already.
    assert feed.dead() == ({} if lose is lose_everything else {"invalid": 1})


@pytest.mark.parametrize("unread", [True, False])
def test_messages_that_nobody_acknowledged_go_with_their_stream_and_hold_up_no_other(feed, unread):
    """Those in a consumer's hands, or unread, when the stream is removed. The sender sends them again."""
    feed.send(ONE)
    if not unread:
        feed.redis.xgroup_create(STREAM, GROUP, id="0")
        feed.redis.xreadgroup(GROUP, "dead", {STREAM: ">"})
    feed.redis.delete(STREAM)
    with feed.consumer():
        feed.send(TWO)
        until(lambda: "two" in feed.kept(), 20, "kept")
        feed.settle()
        assert set(feed.kept()) == {"two"}
        feed.send(ONE)
        feed.settle()
    assert versions(feed) == {"one": 1, "two": 1}
    assert not feed.dead() and "ERROR" not in feed.log.read_text()
