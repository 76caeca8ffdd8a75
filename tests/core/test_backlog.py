"""The backlog: a repricing is published in portions."""

from realtime.ticks.core.backlog import PORTION, Backlog


def states(count: int, text: bytes = b"old") -> dict[str, bytes]:
    return {f"t{number}": text for number in range(count)}


def test_all_is_told_once_in_order_a_portion_at_a_time():
    backlog = Backlog()
    backlog.add({"A": states(3 * PORTION)})
    told: list[str] = []
    while backlog:
        topics: dict[str, dict[str, bytes]] = {}
        backlog.move_into(topics, 0)
        assert len(topics["A"]) == PORTION
        told += topics["A"]
    assert told == list(states(3 * PORTION))


def test_what_a_batch_tells_itself_is_newer():
    backlog = Backlog()
    backlog.add({"A": states(4), "B": states(1)})
    topics = {"A": {"t1": b"new"}}
    backlog.move_into(topics, 1)
    assert topics == {"A": {"t1": b"new", "t0": b"old", "t2": b"old", "t3": b"old"}, "B": {"t0": b"old"}}
    assert not backlog


def test_a_later_repricing_takes_the_place_and_does_not_lose_its_turn():
    backlog = Backlog()
    backlog.add({"A": states(PORTION + 1)})
    backlog.add({"A": {"t0": b"new"}})
    topics: dict[str, dict[str, bytes]] = {}
    backlog.move_into(topics, 0)
    assert topics["A"]["t0"] == b"new" and len(topics["A"]) == PORTION and backlog


def test_much_is_told_in_larger_portions_and_busy_batches_take_more():
    backlog = Backlog()
    backlog.add({"A": states(8_000)})
    topics: dict[str, dict[str, bytes]] = {}
    backlog.move_into(topics, 10)
    assert len(topics["A"]) == 1_000
    topics = {}
    backlog.move_into(topics, 2_000)
    assert len(topics["A"]) == 4_000


def test_the_underlying_that_is_given_back_is_told_of_by_its_new_owner():
    backlog = Backlog()
    backlog.add({"A": states(2), "B": states(1)})
    backlog.forget("A")
    topics: dict[str, dict[str, bytes]] = {}
    backlog.move_into(topics, 0)
    assert topics == {"B": {"t0": b"old"}}


def test_a_portion_that_was_not_told_waits_again_first():
    backlog = Backlog()
    backlog.add({"A": states(PORTION + 2)})
    portion = backlog.move_into({}, 0)
    backlog.add({"A": {"t0": b"new"}})
    backlog.put_back(portion)
    topics: dict[str, dict[str, bytes]] = {}
    backlog.move_into(topics, 0)
    assert list(topics["A"]) == list(states(PORTION)) and topics["A"]["t0"] == b"new"
    backlog.move_into(topics, 0)
    assert len(topics["A"]) == PORTION + 2 and not backlog


def test_what_ticks_tell_apart_leaves_nothing_older_behind():
    backlog = Backlog()
    backlog.add({"A": states(2)})
    backlog.supersede({"A": {"t1": b"new"}})
    topics: dict[str, dict[str, bytes]] = {}
    backlog.move_into(topics, 0)
    assert topics == {"A": {"t0": b"old"}}
