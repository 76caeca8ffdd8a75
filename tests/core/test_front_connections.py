"""Which connection is closed."""

from signalsite.front.connections import Connections


def test_there_is_room_up_to_the_limit():
    connections = Connections(2, 2, 10.0)
    assert connections.enter("a", 0.0) is None
    assert connections.enter("b", 1.0) is None
    assert len(connections) == 2


def test_the_one_that_has_waited_longest_gives_way():
    connections = Connections(2, 2, 10.0)
    for name in ("a", "b"):
        connections.enter(name, 0.0)
    connections.wait("a", 5.0)  # it had a request meanwhile
    assert connections.enter("c", 6.0) == "b"
    connections.leave("b")
    assert len(connections) == 2


def test_the_newcomer_gives_way_where_all_have_a_request_in_hand():
    connections = Connections(2, 2, 10.0)
    for name in ("a", "b"):
        connections.enter(name, 0.0)
        connections.engage(name)
    assert connections.enter("c", 1.0) == "c"


def test_who_waits_too_long_is_told_again_and_again():
    connections = Connections(9, 9, 10.0)
    for name, at in (("a", 0.0), ("b", 4.0), ("c", 8.0)):
        connections.enter(name, at)
    connections.engage("b")
    assert connections.overdue(9.9) == []
    assert connections.overdue(12.0) == ["a"]
    assert connections.overdue(18.0) == ["c"]
    assert connections.overdue(22.0) == ["a"]
    connections.leave("a")
    assert connections.overdue(60.0) == ["c"]


def test_who_has_left_does_not_wait():
    connections = Connections(9, 9, 10.0)
    connections.enter("a", 0.0)
    connections.leave("a")
    connections.wait("a", 1.0)
    assert connections.overdue(60.0) == [] and len(connections) == 0


def test_a_network_has_a_share():
    connections = Connections(9, 2, 10.0)
    for name in ("a", "b"):
        connections.enter(name, 0.0, "192.0.2.1")
        assert not connections.exceeds_share(name)
    connections.enter("c", 0.0, "192.0.2.1")
    connections.enter("d", 0.0, "192.0.2.2")
    for name in ("e", "f", "g"):
        connections.enter(name, 0.0, None)  # of a proxy
    assert [name for name in "abcdefg" if connections.exceeds_share(name)] == ["a", "b", "c"]
    connections.leave("c")
    assert not any(connections.exceeds_share(name) for name in "abdefg")
