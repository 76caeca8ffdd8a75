"""What live reads stand on: one read of Redis for many, and tokens whose proof is young."""

import asyncio
import threading
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import OperationalError
from rest_framework_simplejwt.tokens import AccessToken

from realtime import listed, selectors
from realtime.control_listener import ControlListener
from realtime.core.chain_request import options_by_expiry
from realtime.hub import Hub
from realtime.listed import ListedOptions
from realtime.newest import MOST_FIELDS, NewestStates, TooLarge
from realtime.selectors import live_values
from signalsite import asgi
from signalsite.embedded.service import free_port
from signalsite.foundation.errors import RedisConnectionError
from signalsite.foundation.redis import client
from signalsite.front import standing
from signalsite.front.credentials import KNOWN_TOKENS
from signalsite.front.live import MOST_KINDS, LiveReads
from signalsite.front.pages import Answer
from signalsite.front.standing import StandingTokens, TokensUnknown

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
        await states.run(wanting((HASH, ("a",))))  # the connection is there
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
    """An answer is never older than its question, as it would be if it joined the read under way."""

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
    assert len([each for each in caplog.records if each.name == "realtime.newest"]) == 1


@pytest.mark.parametrize(("names", "rounds"), [(15, 5), (1, 1)])  # three names each; those who want the same share it
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
            for _ in range(2):  # the round under way, and the next
                waiting.append(asyncio.create_task(states.run(wanting((HASH, ("a",))))))
                await asyncio.sleep(0.1)
            begun = time.monotonic()
            await states.close()
            ends = await asyncio.gather(*waiting, return_exceptions=True)
            return ends, time.monotonic() - begun

    ends, seconds = asyncio.run(main())
    assert [type(each) for each in ends] == [RedisConnectionError] * 2 and seconds < 0.5
    assert [each for each in caplog.records if each.name == "realtime.newest"] == []


def test_a_redis_that_hangs_holds_readers_for_a_second_or_two_each():
    async def main():
        async def hang(reader, writer):
            await reader.read()  # and says nothing, until the other side goes
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
                await asyncio.sleep(0.9)  # short of the socket's timeout
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


def token(user_id=1, **claims):
    made = AccessToken()
    made["user_id"] = str(user_id)
    for name, value in claims.items():
        made[name] = value
    return str(made).encode()


def chain_of(underlying, strikes):
    return [f"{underlying}@equity_options@2026-12-29@call@{strike}".encode() for strike in range(1, strikes + 1)]


def test_readers_of_many_chains_parse_each_once(monkeypatch):
    parsed = []
    monkeypatch.setattr(listed, "options_by_expiry", lambda topics: parsed.append(1) or options_by_expiry(topics))
    options = ListedOptions()
    chains = {f"NSE@U{number}": chain_of(f"NSE@U{number}", 5) for number in range(100)}
    for _ in range(3):
        for underlying, topics in chains.items():
            (found,) = options.of(underlying, list(topics)).values()
            assert len(found) == 5
    assert len(parsed) == 100
    (found,) = options.of("NSE@U1", chain_of("NSE@U1", 6)).values()  # one more is listed
    assert len(found) == 6


def test_parsed_chains_are_bounded_by_their_topics():
    options = ListedOptions(most_topics=100)
    for number in range(30):
        options.of(f"NSE@U{number}", chain_of(f"NSE@U{number}", 30))
        options.of("NSE@NONE", [])
    options.of("NSE@LONG", chain_of("NSE@LONG", 200))
    assert options._topics == sum(len(topics) for topics, _ in options._kept.values()) <= 100
    assert "NSE@NONE" not in options._kept


def test_broken_states_without_number_are_a_bounded_number_of_lines(caplog, monkeypatch):
    monkeypatch.setattr(selectors, "_said", {})
    for state in (b"{", b"[", b"1"):
        for number in range(2 * selectors.MOST_SAID):
            selectors.live_value(f"NSE@U{number}", state, None, datetime.now(UTC))
    assert len(caplog.records) == len(selectors._said) == selectors.MOST_SAID
    monkeypatch.setattr(selectors, "SAY_SECONDS", 0.0)  # a minute later
    selectors.live_value("NSE@U500", b"{", None, datetime.now(UTC))
    assert len(caplog.records) == selectors.MOST_SAID + 1 and len(selectors._said) == selectors.MOST_SAID


def asked_of(live, accept=b"*/*", query=b""):
    headers = [(b"authorization", b"Bearer x"), (b"accept", accept)]
    path = "/api/v2/signals/realtime/greeks"
    return live.asked({"method": "GET", "path": path, "scheme": "http", "headers": headers, "query_string": query})


def test_lists_that_are_too_long_are_left_to_django_before_their_keys_are_checked():
    live = LiveReads(lambda: None, StandingTokens(Database().prove, dict))
    for comma in (b",", b"%2C", b"%2c"):
        assert asked_of(live, query=b"keys=" + comma.join([b"A@B"] * MOST_FIELDS)) is not None
        assert asked_of(live, query=b"keys=" + comma.join([b"A@B"] * (MOST_FIELDS + 1))) is None


def test_kinds_in_use_are_remembered_whatever_others_ask():
    async def main():
        live = LiveReads(lambda: None, StandingTokens(Database().prove, dict))
        used = asked_of(live)
        live.learn(used, Answer(200, [], b""))
        for number in range(2 * MOST_KINDS):
            live.learn(asked_of(live, b"text/%d" % number), Answer(200, [], b""))
            await live.answer(used)  # its token is none, but it is of this kind
        return used.kind in live._learned, len(live._learned)

    assert asyncio.run(main()) == (True, MOST_KINDS)


def test_what_was_ended_is_forgotten_when_no_token_of_before_can_live():
    async def main():
        hub = Hub(settings.REDIS_URL)
        listener = ControlListener(hub)
        try:
            now, gone = time.time(), time.time() - settings.ACCESS_TOKEN_MINUTES * 60 - 120
            hub.ended["900001"] = gone
            listener._look({"900002": gone, "900003": now - 60})
            return {subject for subject in hub.ended if subject.startswith("90000")}
        finally:
            await listener.stop()
            await hub.stop()

    assert asyncio.run(main()) == {"900003"}


class Database:
    def __init__(self):
        self.asked, self.answer, self.seconds, self.at_work, self.most = [], True, 0.0, 0, 0

    async def prove(self, tokens):
        self.asked.append(len(tokens))
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        await asyncio.sleep(self.seconds)
        self.at_work -= 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return [self.answer] * len(tokens)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(standing, "FRESH_SECONDS", 0.5)
    monkeypatch.setattr(standing, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(standing, "GATHER_SECONDS", 0.05)


def test_a_crowd_with_one_token_is_one_query_and_a_young_proof_none():
    async def main():
        database = Database()
        tokens, shown = StandingTokens(database.prove, dict), token()
        assert all(await asyncio.gather(*(tokens.stands(shown) for _ in range(50))))
        assert await tokens.stands(shown)
        return database.asked

    assert asyncio.run(main()) == [1]


def test_tokens_in_use_are_renewed_together_and_a_revocation_holds_in_time(quick):
    async def main():
        database = Database()
        tokens, shown = StandingTokens(database.prove, dict), [token(n) for n in range(20)]
        for each in shown:
            assert await tokens.stands(each)
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            assert all([await tokens.stands(each) for each in shown])
            await asyncio.sleep(0.01)
        renewals = database.asked[20:]
        database.answer, revoked = False, time.monotonic()
        while any([await tokens.stands(each) for each in shown]):
            await asyncio.sleep(0.01)
        return renewals, time.monotonic() - revoked

    renewals, seconds = asyncio.run(main())
    assert renewals and max(renewals) == 20 and len(renewals) <= 4
    assert seconds < 0.6


def test_tokens_are_proved_while_all_of_djangos_threads_are_at_work():
    async def main():
        free = threading.Event()
        at_work = [asyncio.create_task(asgi.pages.run(free.wait, 30)) for _ in range(settings.WEB_THREADS + 1)]
        await asyncio.sleep(0.1)
        try:
            async with asyncio.timeout(2):
                return await asgi.prove([])
        finally:
            free.set()
            await asyncio.gather(*at_work)

    assert asyncio.run(main()) == []


def test_tokens_that_are_shown_for_the_first_time_share_a_query():
    async def main():
        database = Database()
        database.seconds = 0.05
        tokens = StandingTokens(database.prove, dict)
        assert all(await asyncio.gather(*(tokens.stands(token(n)) for n in range(100))))
        first = asyncio.create_task(tokens.stands(token(200)))
        await asyncio.sleep(0.01)
        assert all(await asyncio.gather(first, *(tokens.stands(token(n)) for n in range(201, 300))))
        return database.asked, database.most

    assert asyncio.run(main()) == ([100, 1, 99], 1)


def test_a_proof_that_took_too_long_or_was_ended_meanwhile_is_none(quick):
    async def main():
        database, ended = Database(), {}
        tokens = StandingTokens(database.prove, lambda: ended)
        database.seconds = 0.6  # over FRESH_SECONDS
        assert not await tokens.stands(token(7))
        assert database.asked == [1, 1]
        database.seconds = 0.1
        asking = asyncio.create_task(tokens.stands(token(8)))
        await asyncio.sleep(0.05)
        database.answer, ended["8"] = False, time.time()  # the query under way has seen the user before
        return await asking

    assert asyncio.run(main()) is False


def test_an_end_that_comes_while_a_token_is_proved_is_asked_for_once_more():
    async def main():
        database, ended = Database(), {}
        tokens = StandingTokens(database.prove, lambda: ended)
        database.seconds = 0.1
        asking = asyncio.create_task(tokens.stands(token(9)))
        await asyncio.sleep(0.05)
        ended["9"] = time.time()  # only the user's sockets were ended
        return await asking, database.asked

    assert asyncio.run(main()) == (True, [1, 1])


def test_a_database_that_is_away_and_back_is_one_line_each(caplog):
    async def main():
        database = Database()
        tokens = StandingTokens(database.prove, dict)
        database.answer = OperationalError("away")
        for number in range(5):
            with pytest.raises(TokensUnknown):
                await tokens.stands(token(number))
        database.answer = True
        for number in range(5):
            assert await tokens.stands(token(number))

    asyncio.run(main())
    assert [each.levelname for each in caplog.records if each.name == standing.__name__] == ["ERROR", "WARNING"]


def test_a_database_that_hangs_holds_nobody_for_long(monkeypatch):
    monkeypatch.setattr(standing, "PROOF_SECONDS", 0.2)

    async def main():
        database = Database()
        database.seconds = 60.0
        tokens = StandingTokens(database.prove, dict)
        begun = time.monotonic()
        for number in range(3):
            with pytest.raises(TokensUnknown):
                await tokens.stands(token(number))
        return time.monotonic() - begun

    assert asyncio.run(main()) < 1.0


def test_a_proof_grows_old_while_the_machine_is_suspended(monkeypatch):
    """CLOCK_MONOTONIC stands still meanwhile, CLOCK_BOOTTIME does not."""
    read, slept = time.clock_gettime, 0.0

    def told(clock):
        return read(clock) + (slept if clock == time.CLOCK_BOOTTIME else 0)

    monkeypatch.setattr(time, "clock_gettime", told)

    async def main():
        nonlocal slept
        database = Database()
        tokens, shown = StandingTokens(database.prove, dict), token()
        assert await tokens.stands(shown)
        database.answer, slept = False, 60.0
        return await tokens.stands(shown)

    assert asyncio.run(main()) is False


@pytest.mark.parametrize("fault", [OperationalError("away"), 60.0])
def test_where_the_database_is_silent_nothing_stands_for_long(quick, fault):
    async def main():
        database = Database()
        tokens, shown = StandingTokens(database.prove, dict), token()
        assert await tokens.stands(shown)
        database.answer, database.seconds = (fault, 0) if isinstance(fault, Exception) else (True, fault)
        begun = time.monotonic()
        with pytest.raises((TokensUnknown, TimeoutError)):
            while True:
                async with asyncio.timeout(0.4):
                    assert await tokens.stands(shown)
                await asyncio.sleep(0.01)
        return time.monotonic() - begun

    assert asyncio.run(main()) < 1.0


def test_what_the_control_plane_ends_is_asked_for_at_once():
    async def main():
        database, ended = Database(), {}
        tokens, shown, other = StandingTokens(database.prove, lambda: ended), token(7), token(8)
        assert await tokens.stands(shown) and await tokens.stands(other)
        database.answer, ended["7"] = False, time.time()
        assert await tokens.stands(other) and not await tokens.stands(shown)
        database.answer = True  # only the user's sockets were ended
        await asyncio.sleep(0.01)
        assert await tokens.stands(shown)
        asked = len(database.asked)
        assert await tokens.stands(shown) and len(database.asked) == asked

    asyncio.run(main())


def test_tokens_that_are_none_cost_no_query_and_remembering_is_bounded():
    async def main():
        database = Database()
        tokens, good = StandingTokens(database.prove, dict), token()
        head, claims, _ = good.split(b".")
        none = b"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"  # {"alg":"none","typ":"JWT"}
        for bad in (b"", b"x", b"a" * 30_000, good + b"x", head + b"." + claims + b".", b".".join((none, claims, b""))):
            assert not await tokens.stands(bad)
        for bad in (token(token_type="refresh"), token(exp=1), token(user_id="1' or 1=1"), token(sid="no uuid")):
            assert not await tokens.stands(bad)
        assert database.asked == []
        for number in range(KNOWN_TOKENS + 100):
            assert await tokens.stands(token(number))
        return len(tokens._proofs)

    assert asyncio.run(main()) == KNOWN_TOKENS
