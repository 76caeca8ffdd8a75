"""Streams: IDs, assignment, progress and names; and which part of a chain a request asks for."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.core.entry_ids import after, format_id, parse_id
from realtime.core.group_progress import GroupProgress
from realtime.core.names import Names
from realtime.snapshot.core.chain_request import StrikeWindow, choose_expiry, options_by_expiry, parse_strikes
from realtime.ticks.core.stream_assignment import in_shard, share_streams
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import Right
from timeframes.core.tick_stream import tick_stream, underlying_of


def test_ids_are_compared_as_numbers():
    assert parse_id("9-10") > parse_id("9-9") > parse_id("8-99")
    assert parse_id("7") == (7, 0)
    assert format_id(after(parse_id("9-9"))) == "9-10"


def test_streams_are_named_after_their_underlyings():
    assert tick_stream("NSE@NIFTY") == "tick_stream:NSE@NIFTY"
    assert underlying_of("tick_stream:NSE@NIFTY") == "NSE@NIFTY"


def test_a_namespace_is_before_every_name():
    names = Names("backtest:")
    found = [names.raw_ticks("k"), names.computed_data("s"), names.output_stream("u"), names.latest("u")]
    found += [names.latest_seq("u"), names.dead_letters]
    assert all(name.startswith("backtest:") for name in found)
    assert Names().output_stream("NSE@NIFTY") == "signal_output_stream:NSE@NIFTY"


@given(st.integers(0, 40), st.integers(1, 6), st.data())
def test_consumers_come_to_own_every_stream_in_equal_shares(streams, consumers, data):
    names = [f"c{number}" for number in range(consumers)]
    owners = {f"s{number}": data.draw(st.sampled_from([None, *names])) for number in range(streams)}
    for _ in range(3):
        for me in names:
            take, give = share_streams(owners, me, consumers)
            owners |= dict.fromkeys(give, None) | dict.fromkeys(take, me)
    counts = [list(owners.values()).count(name) for name in names]
    assert None not in owners.values()
    assert max(counts) <= -(-streams // consumers)


def test_nothing_moves_once_it_is_shared():
    owners = {"a": "me", "b": "you", "c": "me"}
    assert share_streams(owners, "me", 2) == ([], [])
    assert share_streams(owners, "you", 2) == ([], [])


def test_every_stream_is_in_one_shard():
    for number in range(50):
        assert sum(in_shard(f"tick_stream:{number}", shard, 4) for shard in range(4)) == 1


def test_nothing_is_lost_while_trimming_stays_behind():
    progress = GroupProgress((0, 0), 0)
    assert progress.account(["1-0", "2-0"], (1, 0), 0) == 0
    assert progress.account(["3-0"], (3, 0), 2) == 0
    assert (progress.delivered, progress.position) == ((3, 0), 3)


def test_what_is_trimmed_unread_is_counted_once():
    progress = GroupProgress((3, 0), 3)
    assert progress.account(["9-0"], (9, 0), 8) == 5  # 4 to 8 are gone
    assert progress.account(["10-0"], (10, 0), 9) == 0
    assert progress.account((), (15, 0), 14) == 4  # noticed while nothing was read
    assert progress.account((), (15, 0), 14) == 0


def test_what_was_trimmed_after_it_was_read_is_not_lost():
    progress = GroupProgress((3, 0), 3)
    assert progress.account(["4-0", "5-0", "6-0"], (6, 0), 5) == 0


def test_an_unknown_position_raises_no_alarm():
    progress = GroupProgress((3, 0), None)
    assert progress.account(["9-0"], (9, 0), 8) == 0
    assert progress.delivered == (9, 0)


TOPICS = [
    "NSE@NIFTY@equity_spot",
    "chain:NSE@NIFTY:2026-12-29",
    "NSE@NIFTY@equity_options@2026-12-29@call@24000",
    "NSE@NIFTY@equity_options@2026-12-29@put@24000",
    "NSE@NIFTY@equity_options@2027-01-26@call@102.5",
    "NSE@NIFTY@equity_options@someday@call@1",
]


def test_options_are_found_among_topics():
    found = options_by_expiry(TOPICS)
    assert found == {
        date(2026, 12, 29): {24_000.0: {Right.CALL: TOPICS[2], Right.PUT: TOPICS[3]}},
        date(2027, 1, 26): {102.5: {Right.CALL: TOPICS[4]}},
    }
    assert choose_expiry(found, None, date(2026, 12, 29)) == date(2026, 12, 29)
    assert choose_expiry(found, None, date(2026, 12, 30)) == date(2027, 1, 26)
    assert choose_expiry(found, None, date(2028, 1, 1)) is None
    assert choose_expiry(found, date(2027, 1, 26), date(2026, 1, 1)) == date(2027, 1, 26)
    assert choose_expiry(found, date(2027, 1, 27), date(2026, 1, 1)) is None


@pytest.mark.parametrize(
    ("text", "money", "chosen"),
    [
        ("1", 104.0, [100, 105, 110]),
        ("1", 89.0, [90, 95]),
        ("0", 102.5, [100]),
        ("2", None, [95, 100, 105, 110, 115]),
        ("all", 100.0, [90, 95, 100, 105, 110, 115]),
        ("95:105", 100.0, [95, 100, 105]),
    ],
)
def test_strikes_around_the_money(text, money, chosen):
    assert parse_strikes(text).choose([115, 110, 105, 100, 95, 90], money) == chosen


def test_no_strikes_give_none():
    assert StrikeWindow().choose([], 100.0) == []


@pytest.mark.parametrize("text", ["", "many", "-1", "1001", "1:b"])
def test_strikes_that_cannot_be_read(text):
    with pytest.raises(InvalidInput):
        parse_strikes(text)
