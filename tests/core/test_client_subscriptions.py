"""What a feed subscribes to, without a connection: which messages it sends, and which events it gives."""

import json
import random
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.client import Gap, Refused, Snapshot, Update
from batch.client.core.subscriptions import Subscriptions

SPOT = "NSE@NIFTY@equity_spot"
CHAIN = "NSE@NIFTY@equity_options@2026-12-29@"


def update(topic: str, seq: str, data: Any = None, prev: str | None = None) -> dict[str, Any]:
    return {"type": "update", "topic": topic, "seq": seq, "prev": prev, "data": data}


def snapshot(topic: str, seq: str | None, data: Any = None) -> dict[str, Any]:
    return {"type": "snapshot", "topic": topic, "seq": seq, "data": data}


class TestSubscriptions:
    def resumed(self, subscriptions: Subscriptions) -> dict[str, str]:
        (message,) = map(json.loads, subscriptions.opening())
        return dict(message.get("resume_from", {}))

    def test_a_topic_resumes_from_what_came_last(self) -> None:
        subscriptions = Subscriptions()
        (message,) = map(json.loads, subscriptions.add([SPOT]))
        assert message == {"type": "subscribe", "id": 1, "topics": [SPOT], "cadence": "raw"}
        for number in (9, 10):  # as numbers, not as texts
            assert list(subscriptions.read(update(SPOT, f"100-{number}"))) == [
                Update(SPOT, f"100-{number}", None, None)
            ]
        assert self.resumed(subscriptions) == {SPOT: "100-10"}

    def test_what_came_before_is_left_out(self) -> None:
        subscriptions = Subscriptions()
        subscriptions.add([SPOT])
        came = [list(subscriptions.read(update(SPOT, seq))) for seq in ("5-0", "5-0", "4-9", "5-1")]
        assert [len(events) for events in came] == [1, 0, 0, 1]

    def test_a_topic_without_a_state_is_not_resumed(self) -> None:
        subscriptions = Subscriptions()
        subscriptions.add([SPOT])
        assert list(subscriptions.read(snapshot(SPOT, None))) == [Snapshot(SPOT, None, None)]
        assert self.resumed(subscriptions) == {}

    def test_a_wildcard_resumes_before_what_a_slow_connection_may_still_hold(self) -> None:
        subscriptions = Subscriptions()
        subscriptions.add([f"{CHAIN}*"])
        for seq in ("1000-0", "2000-0"):
            list(subscriptions.read(snapshot(f"{CHAIN}call@{seq[0]}", seq)))
        assert self.resumed(subscriptions) == {}  # further snapshots may be missing
        list(subscriptions.read(update(f"{CHAIN}call@1", "3000-0")))
        assert self.resumed(subscriptions) == {f"{CHAIN}*": "2000-0"}  # never before the snapshots
        list(subscriptions.read(update(f"{CHAIN}call@1", "90000-0")))
        assert self.resumed(subscriptions) == {f"{CHAIN}*": "80000-0"}
        # What came is sent again, and left out.
        assert list(subscriptions.read(update(f"{CHAIN}call@1", "90000-0"))) == []
        assert len(list(subscriptions.read(update(f"{CHAIN}call@2", "85000-0")))) == 1

    def test_after_a_gap_the_snapshot_counts_whatever_its_entry(self) -> None:
        subscriptions = Subscriptions()
        subscriptions.add([SPOT])
        list(subscriptions.read(update(SPOT, "900-0")))
        gap = {"type": "gap", "topic": SPOT, "reason": "reset", "since": "900-0"}
        assert list(subscriptions.read(gap)) == [Gap(SPOT, "reset", "900-0")]
        assert list(subscriptions.read(snapshot(SPOT, "5-0", 1))) == [Snapshot(SPOT, "5-0", 1)]
        assert self.resumed(subscriptions) == {SPOT: "5-0"}

    def test_outcomes_by_topic(self) -> None:
        subscriptions = Subscriptions()
        (text,) = subscriptions.add(["bad", "busy", "chain:NIFTY:x", SPOT])
        items = [
            {"topic": "bad", "ok": False, "code": "unknown_topic", "detail": "no"},
            {"topic": "busy", "ok": False, "code": "unavailable", "detail": "later"},
            {"topic": "chain:NSE@NIFTY:x", "ok": True, "cadence": "raw"},
            {"topic": SPOT, "ok": True, "cadence": "raw"},
        ]
        ack = {"type": "ack", "id": json.loads(text)["id"], "request": "subscribe", "items": items}
        assert list(subscriptions.read(ack)) == [Refused("bad", "unknown_topic", "no")]
        assert subscriptions.waiting
        assert [json.loads(each)["topics"] for each in subscriptions.again()] == [["busy"]]
        assert len(list(subscriptions.read(update("chain:NSE@NIFTY:x", "1-0")))) == 1  # by its whole name

    def test_many_topics_go_in_several_messages_below_the_limit_of_a_frame(self) -> None:
        subscriptions = Subscriptions()
        topics = [f"{CHAIN}call@{number}" for number in range(1000)]
        subscriptions.add(topics)
        for topic in topics:
            list(subscriptions.read(update(topic, "1790000000000-0")))
        messages = subscriptions.opening()
        assert [topic for each in messages for topic in json.loads(each)["topics"]] == topics
        assert max(map(len, messages)) < 65536 / 2

    def test_unsubscribed_topics_are_silent_and_not_resumed(self) -> None:
        subscriptions = Subscriptions()
        subscriptions.add([SPOT, "job:1"], resume_from="7-0")
        subscriptions.remove([SPOT])
        assert list(subscriptions.read(update(SPOT, "8-0"))) == []
        assert subscriptions.resume_points() == {"job:1": "7-0"}

    @pytest.mark.parametrize("wrong", ["", "yesterday", "1", "1-x", "-1-0", "²-0"])
    def test_a_wrong_entry_is_named(self, wrong: str) -> None:
        with pytest.raises(ValueError, match="is not an entry ID"):
            Subscriptions().add([SPOT], resume_from=wrong)

    @settings(deadline=None)
    @given(st.lists(st.integers(0, 60), max_size=40), st.integers(0, 2**32))
    def test_each_update_once_whenever_the_connection_breaks(self, breaks: list[int], seed: int) -> None:
        """A stream of entries; each connection starts where the client says, and loses what it had not read."""
        chance, topics = random.Random(seed), [f"{CHAIN}call@{n}" for n in range(3)]
        entries = [(chance.choice(topics), f"{1000 + n // 3}-{n % 3}") for n in range(60)]
        order = {seq: place for place, (_, seq) in enumerate(entries)}
        subscriptions = Subscriptions()
        subscriptions.add([f"{CHAIN}*"], resume_from="999-0")
        got: list[str] = []
        for end in [*breaks, 60]:
            (message,) = map(json.loads, subscriptions.opening())
            since = message["resume_from"][f"{CHAIN}*"]
            start = order.get(since, -1) + 1
            for topic, seq in entries[start:end]:
                got += [event.seq for event in subscriptions.read(update(topic, seq)) if isinstance(event, Update)]
        by_topic = {topic: [seq for seq in got if entries[order[seq]][0] == topic] for topic in topics}
        assert by_topic == {topic: [seq for name, seq in entries if name == topic] for topic in topics}


def acknowledged(text: str) -> dict[str, Any]:
    """The service's answer to a subscription that it accepts."""
    asked = json.loads(text)
    items = [{"topic": topic, "ok": True, "cadence": "raw"} for topic in asked["topics"]]
    return {"type": "ack", "id": asked["id"], "request": "subscribe", "items": items}


class TestReplays:
    """A subscription with `resume_from` to a topic that has states already: all after that entry come again."""

    def seqs(self, subscriptions: Subscriptions, *messages: dict[str, Any]) -> list[str | None]:
        events = [event for message in messages for event in subscriptions.read(message)]
        return [event.seq for event in events if isinstance(event, Update)]

    @pytest.mark.parametrize("held", [SPOT, "NSE@NIFTY@*"])
    @pytest.mark.parametrize("asked", [SPOT, "NSE@NIFTY@*"])
    def test_what_came_before_comes_again(self, held: str, asked: str) -> None:
        subscriptions = Subscriptions()
        subscriptions.add([held])
        assert self.seqs(subscriptions, update(SPOT, "100-0")) == ["100-0"]
        (text,) = subscriptions.add([asked], resume_from="50-0")
        replay = [update(SPOT, seq) for seq in ("60-0", "100-0", "100-0", "101-0")]
        assert self.seqs(subscriptions, acknowledged(text), *replay) == ["60-0", "100-0", "101-0"]
        assert subscriptions.resume_points()[asked] == ("101-0" if asked == SPOT else "50-0")

    def test_a_state_on_its_way_does_not_end_the_replay_before_it_begins(self) -> None:
        subscriptions = Subscriptions()
        (first,) = subscriptions.add([SPOT])
        (again,) = subscriptions.add([SPOT], resume_from="50-0")
        live = update(SPOT, "100-0")
        assert self.seqs(subscriptions, acknowledged(first), live) == []
        replay = [update(SPOT, "60-0"), live]
        assert self.seqs(subscriptions, acknowledged(again), *replay) == ["60-0", "100-0"]

    def test_a_connection_lost_before_the_answer_asks_again(self) -> None:
        subscriptions = Subscriptions()
        subscriptions.add([SPOT])
        assert self.seqs(subscriptions, update(SPOT, "100-0")) == ["100-0"]
        subscriptions.add([SPOT], resume_from="50-0")
        lost = {"type": "gap", "topic": SPOT, "reason": "reset", "since": "100-0"}  # of the subscription before
        assert list(subscriptions.read(lost)) == [Gap(SPOT, "reset", "100-0")]
        assert self.seqs(subscriptions, update(SPOT, "101-0")) == []
        (message,) = map(json.loads, subscriptions.opening())
        assert message["resume_from"] == {SPOT: "50-0"}
        assert self.seqs(subscriptions, *(update(SPOT, seq) for seq in ("60-0", "100-0"))) == ["60-0", "100-0"]


class TestThreads:
    @pytest.fixture
    def switching(self) -> Iterator[None]:
        """Threads take turns as often as they can."""
        usual = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        yield
        sys.setswitchinterval(usual)

    def together(self, *works: Callable[[], object]) -> None:
        failures: list[Exception] = []

        def run(work: Callable[[], object]) -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - of a thread: shown below
                failures.append(error)

        threads = [threading.Thread(target=run, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []

    def test_one_reads_while_others_subscribe_and_unsubscribe(self, switching: None) -> None:
        subscriptions = Subscriptions()
        subscriptions.add([f"{CHAIN}*"])
        read: list[object] = []
        ids: list[int] = []

        def listen() -> None:
            for number in range(3000):
                read.extend(subscriptions.read(update(f"{CHAIN}call@{number}", f"{1000 + number}-0")))

        def choose(topic: str) -> None:
            for _ in range(300):
                ids.extend(json.loads(text)["id"] for text in subscriptions.add([topic]))
                subscriptions.resume_points()
                ids.extend(json.loads(text)["id"] for text in subscriptions.remove([topic]))

        self.together(listen, lambda: choose("job:1"), lambda: choose("job:2"))
        assert len(read) == 3000
        assert sorted(ids) == list(range(2, 1202))
