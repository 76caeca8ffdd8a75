"""One read of Redis for many live reads."""

import asyncio
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from realtime.snapshot import newest
from realtime.snapshot.newest import MOST_FIELDS, NewestStates, TooLarge
from realtime.snapshot.selectors import live_values
from signalsite.embedded.service import free_port
from signalsite.foundation.errors import RedisConnectionError
from signalsite.foundation.redis import client

HASH, OTHER = "live_reads_test", "live_reads_test:of another type"


@pytest.fixture
def kept():
    of = client(settings.REDIS_URL)
    of.hset(HASH, mapping={"a": "1", "b": "2"})
    of.set(OTHER, "no hash")
    yield of
    of.delete(HASH, OTHER)


def wanting(*wanted):
    return (yield list(wanted))


async def with_states(asks, url=""):
    states = NewestStates(url or settings.REDIS_URL)
    try:
        return await asks(states)
    finally:
        await states.close()


def commands(of):
    return of.info("commandstats")["cmdstat_hmget"]["calls"]


def test_readers_at_once_are_one_read_and_each_gets_its_own(kept):
    async def asks(states):
        await states.run(wanting((HASH, ("a",))))  # connect first
        before = commands(kept)
        found = await asyncio.gather(
            *(states.run(wanting((HASH, (field,)), (HASH, None))) for field in ["a", "b", "none"] * 20)
        )
        return found, commands(kept) - before

    found, asked = asyncio.run(with_states(asks))
    assert [values for values, _ in found] == [[b"1"], [b"2"], [None]] * 20
    assert all(sorted(names) == [b"a", b"b"] for _, names in found)
    assert asked == 1


def test_whoever_comes_while_a_read_is_under_way_gets_what_was_written_since(kept):
    """A response is never older than its request: it does not join the read that is running."""

    async def asks(states):
        async def changing():
            for number in range(300):
                kept.hset(HASH, "a", number)
                (value,) = await states.run(wanting((HASH, ("a",))))
                assert int(value[0]) >= number

        async def crowd():
            while not changes.done():
                await states.run(wanting((HASH, ("a", "b"))))

        changes = asyncio.create_task(changing())
        await asyncio.gather(changes, *(crowd() for _ in range(4)))

    asyncio.run(with_states(asks))


def test_a_key_of_another_type_harms_its_own_readers_only(kept):
    async def asks(states):
        return await asyncio.gather(
            states.run(wanting((HASH, ("a",)))), states.run(wanting((OTHER, ("a",)))), return_exceptions=True
        )

    good, bad = asyncio.run(with_states(asks))
    assert good == [[b"1"]] and isinstance(bad, RedisConnectionError)


def test_what_is_too_much_for_the_loop_is_left_to_others(kept):
    keys = [f"NSE@NIFTY@equity_options@2026-12-29@call@{strike}" for strike in range(1, MOST_FIELDS + 2)]

    async def asks(states):
        assert await states.run(live_values(keys[:-1], datetime.now(UTC))) == [None] * MOST_FIELDS
        with pytest.raises(TooLarge):
            await states.run(live_values(keys, datetime.now(UTC)))

    asyncio.run(with_states(asks))


def test_a_reader_that_gives_up_takes_nobody_along(kept):
    async def asks(states):
        given_up, other = (asyncio.create_task(states.run(wanting((HASH, ("b",))))) for _ in range(2))
        await asyncio.sleep(0)
        given_up.cancel()
        return await other

    assert asyncio.run(with_states(asks)) == [[b"2"]]


def test_redis_away_is_said_once_and_each_reader_is_told(caplog):
    async def asks(states):
        for _ in range(5):
            with pytest.raises(RedisConnectionError):
                await states.run(wanting((HASH, ("a",))))

    asyncio.run(with_states(asks, f"redis://127.0.0.1:{free_port()}/0"))
    assert len([each for each in caplog.records if each.name == "realtime.snapshot.newest"]) == 1


@pytest.mark.parametrize(("names", "rounds"), [(15, 5), (1, 1)])  # three names each; equal reads share one
def test_names_count_in_a_round_as_their_hashes_are_large(kept, names, rounds):
    async def asks(states):
        await states.run(wanting((HASH, ("a",))))
        before = kept.info("commandstats")["cmdstat_exec"]["calls"]
        found = await asyncio.gather(*(states.run(wanting((f"{HASH}:{number % names}", None))) for number in range(15)))
        assert found == [[[]]] * 15
        return kept.info("commandstats")["cmdstat_exec"]["calls"] - before

    assert asyncio.run(with_states(asks)) == rounds


def test_at_the_end_all_who_wait_are_told_and_the_log_calls_no_redis_away(kept, caplog):
    async def main():
        async def hang(reader, writer):
            await reader.read()
            writer.close()

        async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
            states = NewestStates(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
            waiting = []
            for _ in range(2):  # the running round and the next
                waiting.append(asyncio.create_task(states.run(wanting((HASH, ("a",))))))
                await asyncio.sleep(0.1)
            begun = time.monotonic()
            await states.close()
            ends = await asyncio.gather(*waiting, return_exceptions=True)
            return ends, time.monotonic() - begun

    ends, seconds = asyncio.run(main())
    assert [type(each) for each in ends] == [RedisConnectionError] * 2 and seconds < 0.5
    assert [each for each in caplog.records if each.name == "realtime.snapshot.newest"] == []


def relay(after_answer):
    """Return a handler of connections that passes them on to Redis. `after_answer(writer)` follows each answer."""

    async def handle(reader, writer):
        from_redis, to_redis = await asyncio.open_unix_connection(urlsplit(settings.REDIS_URL).path)
        while not writer.is_closing() and (asked := await reader.read(65536)):
            to_redis.write(asked)
            answer = await from_redis.read(65536)
            await after_answer(writer, answer)
        to_redis.close()
        writer.close()

    return handle


async def through(handle, asks):
    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        return await with_states(asks, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")


def test_a_connection_that_redis_has_closed_is_made_anew_and_no_reader_notices(kept):
    async def answer_and_close(writer, answer):
        writer.write(answer)
        if answer.startswith(b"+OK\r\n+QUEUED"):
            writer.close()

    async def asks(states):
        found = []
        for field in "ab":
            found += await states.run(wanting((HASH, (field,))))
            await asyncio.sleep(0.01)
        return found

    assert asyncio.run(through(relay(answer_and_close), asks)) == [[b"1"], [b"2"]]


def test_an_answer_that_comes_too_late_is_no_later_readers(kept, monkeypatch):
    monkeypatch.setattr(newest, "REDIS_SECONDS", 0.2)
    slow = [0.4]

    async def answer_late(writer, answer):
        if answer.startswith(b"+OK\r\n+QUEUED") and slow:
            await asyncio.sleep(slow.pop())
        writer.write(answer)

    async def asks(states):
        with pytest.raises(RedisConnectionError):
            await states.run(wanting((HASH, ("a",))))
        return await states.run(wanting((HASH, ("b",))))

    assert asyncio.run(through(relay(answer_late), asks)) == [[b"2"]]


def test_a_redis_that_hangs_holds_readers_for_a_second_or_two_each():
    async def main():
        async def hang(reader, writer):
            await reader.read()  # and stays silent until the other side goes
            writer.close()

        async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]

            async def asks(states):
                async def one(after):
                    await asyncio.sleep(after)
                    begun = time.monotonic()
                    with pytest.raises(RedisConnectionError):
                        await states.run(wanting((HASH, ("a",))))
                    return time.monotonic() - begun

                return await asyncio.gather(*(one(after / 10) for after in range(10)))

            return await with_states(asks, f"redis://127.0.0.1:{port}/0")

    assert max(asyncio.run(main())) < 4.5


def test_a_slow_redis_holds_a_reader_of_many_reads_for_four_seconds():
    async def main():
        async def delay(reader, writer):
            from_redis, to_redis = await asyncio.open_unix_connection(urlsplit(settings.REDIS_URL).path)
            while asked := await reader.read(65536):
                to_redis.write(asked)
                answer = await from_redis.read(65536)
                await asyncio.sleep(0.9)  # just below the socket's timeout
                writer.write(answer)
            to_redis.close()
            writer.close()

        async with await asyncio.start_server(delay, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]

            async def asks(states):
                begun = time.monotonic()
                with pytest.raises(RedisConnectionError):
                    await states.run(several())
                return time.monotonic() - begun

            def several():
                for _ in range(8):
                    assert (yield [(HASH, ("a",))])

            return await with_states(asks, f"redis://127.0.0.1:{port}/0")

    assert 3.5 < asyncio.run(main()) < 4.5
