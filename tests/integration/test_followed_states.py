"""Live reads from the hub's memory: what many requests ask for."""

import asyncio
import time
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from realtime.core.names import Names
from realtime.snapshot.newest import NewestStates
from realtime.sockets import followed
from realtime.sockets.fan_out import READ_COUNT
from realtime.sockets.followed import FOLLOW_READS, FollowedStates
from realtime.sockets.hub import FRESH_SECONDS, Hub
from signalsite.foundation.redis import client

UNDERLYING = "CBOE@FLW"
STREAM, LATEST, SEQ = Names().output(UNDERLYING)
KEYS = [f"{UNDERLYING}@equity_options@2099-03-18@call@{strike}" for strike in range(1, 4)]


def state(number):
    return b'{"number":%d}' % number


class Market:
    """Publishes as the consumer does: an entry and both hashes in one transaction."""

    def __init__(self):
        self.redis, self.number = client(settings.REDIS_URL), 0

    def publish(self, *keys, count=1):
        with self.redis.pipeline(transaction=True) as pipeline:
            for _ in range(count):
                self.number += 1
                seq = f"{1_900_000_000_000 + self.number}-0"
                states = dict.fromkeys(keys, state(self.number))
                pipeline.xadd(STREAM, states, id=seq)
                pipeline.hset(LATEST, mapping=states)
                pipeline.hset(SEQ, mapping=dict.fromkeys(keys, seq))
            pipeline.execute()

    def delete(self):
        self.redis.delete(STREAM, LATEST, SEQ)


@pytest.fixture
def market(monkeypatch):
    monkeypatch.setattr(followed, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(followed, "LINGER_LOOKS", 3)
    found = Market()
    found.delete()
    found.publish(*KEYS)
    yield found
    found.delete()


class Service:
    """The reader of a web process and its hub."""

    def __init__(self, url):
        self.hub = Hub(url)
        self.memory = FollowedStates(lambda: self.hub)
        self.states = NewestStates(settings.REDIS_URL, self.memory)

    async def read(self, *wanted):
        return await self.states.run(wanting(*wanted))

    async def follow(self):
        """Read until the hub follows the stream."""
        deadline = time.monotonic() + 10
        while not self.remembers():
            assert time.monotonic() < deadline
            for _ in range(FOLLOW_READS):
                await self.read((LATEST, (KEYS[0],)))
            await asyncio.sleep(0.01)

    def remembers(self):
        return self.memory.replies([(LATEST, (KEYS[0],))]) is not None

    async def until(self, holds, seconds=5.0):
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline
            await self.read((LATEST, (KEYS[0],)))
            await asyncio.sleep(0.001)


def wanting(*wanted):
    return (yield list(wanted))


def with_service(asks, url=""):
    async def main():
        service = Service(url or settings.REDIS_URL)
        try:
            return await asks(service)
        finally:
            await service.states.close()
            await service.hub.stop()

    return asyncio.run(main())


def test_what_many_ask_for_is_answered_from_memory_as_redis_would(market):
    wanted = [
        (LATEST, None),
        (LATEST, (*KEYS, f"{UNDERLYING}@equity_spot")),  # there is no spot
        (SEQ, tuple(KEYS)),
        (LATEST, ()),
    ]

    async def asks(service):
        from_redis = await service.read(*wanted)
        await service.follow()
        before = market.redis.info("commandstats")["cmdstat_hmget"]["calls"]
        found = await asyncio.gather(*(service.read(*wanted) for _ in range(200)))
        assert market.redis.info("commandstats")["cmdstat_hmget"]["calls"] == before
        assert found == [from_redis] * 200

    with_service(asks)


def test_memory_has_what_is_published(market):
    async def asks(service):
        await service.follow()
        for _ in range(50):
            market.publish(KEYS[0])
            newest = (state(market.number), b"%d-0" % (1_900_000_000_000 + market.number))
            await service.until(
                lambda newest=newest: (
                    service.memory.replies([(LATEST, (KEYS[0],)), (SEQ, (KEYS[0],))]) == [[newest[0]], [newest[1]]]
                ),
                seconds=1.0,
            )

    with_service(asks)


def test_a_new_contract_is_there_at_once_and_soon_among_the_names(market):
    new = KEYS[0].replace("call", "put")

    async def asks(service):
        await service.follow()
        assert service.memory.replies([(LATEST, (new,))]) == [[None]]
        market.publish(new)
        await service.until(lambda: service.memory.replies([(LATEST, (new,))]) not in (None, [[None]]), seconds=1.0)
        await service.until(lambda: new.encode() in (service.memory.replies([(LATEST, None)]) or [[]])[0])

    with_service(asks)


def test_a_removed_state_is_soon_gone_and_a_new_one_comes_back(market):
    async def asks(service):
        await service.follow()
        market.redis.hdel(LATEST, KEYS[1])
        await service.until(lambda: service.memory.replies([(LATEST, (KEYS[1],))]) == [[None]])
        assert KEYS[1].encode() not in service.memory.replies([(LATEST, None)])[0]
        market.publish(KEYS[1])
        await service.until(lambda: service.memory.replies([(LATEST, (KEYS[1],))]) not in (None, [[None]]))
        market.delete()
        await service.until(lambda: service.memory.replies([(LATEST, None), (LATEST, (KEYS[0],))]) == [[], [None]])

    with_service(asks)


def test_a_state_that_the_hub_cannot_read_is_left_to_redis(market):
    market.redis.hset(LATEST, KEYS[1], "{no JSON")
    market.publish(KEYS[0])

    async def asks(service):
        await service.follow()
        assert service.memory.replies([(LATEST, (KEYS[1],))]) is None
        assert await service.read((LATEST, tuple(KEYS[:2]))) == [[state(2), b"{no JSON"]]

    with_service(asks)


def test_few_reads_follow_nothing_and_a_stream_that_few_still_read_is_left(market):
    async def asks(service):
        for _ in range(FOLLOW_READS - 1):
            await service.read((LATEST, (KEYS[0],)))
        await asyncio.sleep(0.2)
        assert not service.hub.streams
        await service.follow()
        assert service.hub.streams[STREAM].pins == 1
        deadline = time.monotonic() + 5
        while service.memory._followed:
            assert time.monotonic() < deadline
            await service.read((LATEST, (KEYS[0],)))
            await asyncio.sleep(0.02)
        assert service.hub.streams[STREAM].pins == 0 and not service.memory._tasks

    with_service(asks)


def test_a_hub_that_hears_nothing_or_is_behind_is_not_asked(market):
    @asynccontextmanager
    async def relay(holds):
        async def pass_on(reader, writer, held):
            while data := await reader.read(1 << 16):
                if held:
                    await holds.wait()
                writer.write(data)
            writer.close()

        async def handle(reader, writer):
            from_redis, to_redis = await asyncio.open_unix_connection(urlsplit(settings.REDIS_URL).path)
            await asyncio.gather(pass_on(reader, to_redis, False), pass_on(from_redis, writer, True))

        async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
            yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"

    async def main():
        flows = asyncio.Event()
        flows.set()
        async with relay(flows) as url:
            service = Service(url)
            try:
                await service.follow()
                flows.clear()  # nothing comes from Redis any more
                await asyncio.sleep(FRESH_SECONDS + 0.1)
                assert not service.remembers()
                market.publish(KEYS[0])
                assert await service.read((LATEST, (KEYS[0],))) == [[state(market.number)]]
                flows.set()
                await service.until(service.remembers)
                assert await service.read((LATEST, (KEYS[0],))) == [[state(market.number)]]

                seen = []
                publish = service.hub._fan_out.publish

                async def watched(found, positions):
                    await publish(found, positions)
                    seen.append((max((len(entries) for _, entries in found), default=0), service.remembers()))

                service.hub._fan_out.publish = watched
                market.publish(KEYS[0], count=READ_COUNT + 1)  # more than one read brings
                newest = state(market.number)
                await service.until(lambda: service.memory.replies([(LATEST, (KEYS[0],))]) == [[newest]])
                assert (READ_COUNT, False) in seen
            finally:
                flows.set()
                await service.states.close()
                await service.hub.stop()

    asyncio.run(main())


def test_what_cannot_be_followed_is_read_from_redis_and_said_once(market, caplog):
    market.redis.delete(STREAM, LATEST)
    market.redis.set(LATEST, "no hash")

    async def asks(service):
        for _ in range(3 * FOLLOW_READS):
            with pytest.raises(Exception, match="Redis did not answer"):
                await service.read((LATEST, (KEYS[0],)))
        await asyncio.sleep(0.3)
        assert not service.memory._followed

    with_service(asks)
    assert len([each for each in caplog.records if each.name == "realtime.sockets.followed"]) == 1


def test_reads_of_ten_thousand_underlyings_follow_none_of_them(market):
    async def asks(service):
        for number in range(10_000):
            assert service.memory.replies([(f"latest:CBOE@U{number}", (KEYS[0],))]) is None
        assert not service.memory._tasks
        assert service.memory.replies([("job_events", None)]) is None

    with_service(asks)


def test_one_caller_cannot_take_all_streams_of_the_sockets(market, monkeypatch):
    monkeypatch.setattr(followed, "MOST_FOLLOWED", 3)

    async def asks(service):
        for _ in range(FOLLOW_READS):
            for number in range(10):
                service.memory.replies([(f"latest:CBOE@U{number}", (KEYS[0],))])
        await asyncio.sleep(0.2)
        assert len(service.memory._tasks) == len(service.hub.streams) == 3

    with_service(asks)
