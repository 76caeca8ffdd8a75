"""The mailbox of a socket: the newest state of each topic, replies in order, bounded and counted."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from realtime.core.entry_ids import parse_id
from realtime.sockets.core.frames import Frame
from realtime.sockets.core.mailbox import Mailbox
from realtime.sockets.core.websocket_frames import framed, unframed


def frame(topic: str, number: int) -> Frame:
    return Frame(topic, f"{number}-0", f"{number - 1}-0" if number > 1 else None, b'{"n":%d}' % number)


def empty(box: Mailbox) -> list[Any]:
    found = []
    while (taken := box.take()) is not None:
        message = json.loads(unframed(taken[0]))
        assert (taken[1] is None) == (message["type"] not in ("update", "snapshot"))
        found.append(message)
    return found


def test_of_a_topic_only_the_newest_waits_at_the_place_of_the_first() -> None:
    box = Mailbox(10)
    for each in (frame("a", 1), frame("b", 1), frame("a", 2), frame("a", 3)):
        box.put(each)
    assert [(each["topic"], each["seq"]) for each in empty(box)] == [("a", "3-0"), ("b", "1-0")]
    assert (box.conflated, box.dropped, len(box)) == (2, 0, 0)
    assert box.take() is None


def test_the_same_state_by_two_subscriptions_is_one() -> None:
    box, same = Mailbox(10), frame("a", 1)
    box.put(same)
    box.put(same)
    assert len(empty(box)) == 1 and box.conflated == 0


def test_a_snapshot_that_still_waits_stays_one_and_becomes_newer() -> None:
    box = Mailbox(10)
    box.put_snapshot(frame("a", 1))
    box.put(frame("a", 2))
    assert empty(box) == [{"type": "snapshot", "topic": "a", "seq": "2-0", "data": {"n": 2}}]
    assert box.conflated == 1


def test_a_snapshot_takes_the_place_of_older_states() -> None:
    box = Mailbox(10)
    box.put(frame("a", 1))
    box.put(frame("b", 1))
    box.put_snapshot(frame("a", 2))
    assert [(each["type"], each["topic"]) for each in empty(box)] == [("update", "b"), ("snapshot", "a")]
    assert box.conflated == 1


def test_beyond_the_limit_the_longest_waiting_topic_is_dropped_but_no_answer() -> None:
    box = Mailbox(2)
    box.reply('{"type":"ack"}')
    for name in "abc":
        box.put(frame(name, 1))
    box.put_snapshot(frame("d", 1))
    assert [each.get("topic") for each in empty(box)] == [None, "c", "d"]
    assert (box.dropped, box.conflated, box.replies) == (2, 0, 0)


def test_a_notice_replaces_an_unsent_one_and_goes_with_the_answers_before_states() -> None:
    box = Mailbox(10)
    box.notify("gap b", '{"type":"gap","n":0}')
    box.notify("gap a", '{"type":"gap","n":1}')
    box.put(frame("a", 1))
    box.reply('{"type":"pong"}')
    box.notify("gap b", '{"type":"gap","n":2}')
    assert [(each["type"], each.get("n")) for each in empty(box)] == [
        ("gap", 1), ("pong", None), ("gap", 2), ("update", None)
    ]  # fmt: skip
    box.forget("a")
    assert box.conflated == 0


def test_while_states_are_held_back_answers_go() -> None:
    box = Mailbox(10)
    box.put(frame("a", 1))
    box.put(frame("b", 1))
    assert box.take(states=False) is None and box.has_states
    box.reply('{"type":"pong"}')
    taken = box.take(states=False)
    assert taken is not None and json.loads(unframed(taken[0])) == {"type": "pong"}
    box.retain(lambda topic: topic == "b")
    assert [each["topic"] for each in empty(box)] == ["b"] and box.conflated == 1


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.booleans())), st.integers(1, 5))
def test_sent_conflated_and_dropped_add_up_to_what_was_put(steps: list[tuple[str, bool]], limit: int) -> None:
    box, numbers, sent = Mailbox(limit), dict.fromkeys("abcde", 0), []
    for topic, take in steps:
        numbers[topic] += 1
        box.put(frame(topic, numbers[topic]))
        assert len(box) <= limit
        if take:
            sent.append(box.take())
    sent += [box.take() for _ in range(len(box))]
    assert len(sent) + box.conflated + box.dropped == sum(numbers.values())
    for topic in numbers:
        seen = [taken[1].seq for taken in sent if taken and taken[1] and taken[1].topic == topic]
        assert seen == sorted(seen, key=lambda seq: parse_id(str(seq)))


def test_a_frame_of_every_size_is_read_by_the_library() -> None:
    from websockets.frames import Frame as Read
    from websockets.frames import Opcode
    from websockets.streams import StreamReader

    for size in (0, 1, 125, 126, 65_535, 65_536, 200_000):
        body = b"x" * size
        reader = StreamReader()
        reader.feed_data(framed(body))
        reading = Read.parse(reader.read_exact, mask=False)
        try:
            while True:
                next(reading)
        except StopIteration as done:
            assert (done.value.opcode, done.value.data, done.value.fin) == (Opcode.TEXT, body, True)
        assert unframed(framed(body)) == body.decode()


def test_entry_ids_are_ordered_as_numbers() -> None:
    assert parse_id("9-10") > parse_id("9-9") > parse_id("8-100")
    assert parse_id("9") == (9, 0)
    assert frame("a", 5).milliseconds == 5 and Frame("a", None, None, None).milliseconds == 0


def test_a_state_as_it_is_sent() -> None:
    told = Frame('a"b', "5-1", None, b'{"x":1.50}')
    assert unframed(told.update) == '{"type":"update","topic":"a\\"b","seq":"5-1","prev":null,"data":{"x":1.50}}'
    assert told.update is told.update and told.snapshot is told.snapshot
    nothing = Frame("a", None, None, None)
    assert json.loads(unframed(nothing.snapshot)) == {"type": "snapshot", "topic": "a", "seq": None, "data": None}


def bar(number: int, *, final: bool = False) -> Frame:
    return Frame("bars", f"{number}-0", None, b"{}", read_at=float(number), final=final)


def test_a_final_state_is_never_replaced_unsent() -> None:
    box = Mailbox(10)
    for each in (bar(1), bar(2, final=True), bar(3), bar(4), bar(5, final=True), bar(6)):
        box.put(each)
    box.conflate()
    assert len(box) == 3
    assert [each["seq"] for each in empty(box)] == ["2-0", "5-0", "6-0"]
    assert (box.conflated, box.dropped) == (3, 0)


def test_kept_and_final_states_are_sent_in_their_order() -> None:
    box = Mailbox(10)
    box.keeping = True
    for each in (bar(1), bar(2, final=True), bar(3), bar(4, final=True), bar(5), bar(6)):
        box.put(each)
    assert [each["seq"] for each in empty(box)] == [f"{number}-0" for number in range(1, 7)]


def test_final_states_are_bounded_and_leave_with_their_topic() -> None:
    box = Mailbox(3)
    for number in range(1, 7):
        box.put(bar(number, final=True))
    assert box.dropped == 2
    box.retain(lambda topic: False)
    assert (len(box), box.conflated) == (0, 4)
