"""Tokens of live reads and the age of their proofs."""

import asyncio
import threading
import time

import pytest
from django.conf import settings
from django.db import OperationalError
from rest_framework_simplejwt.tokens import AccessToken

from signalsite import asgi
from signalsite.front import standing
from signalsite.front.credentials import KNOWN_TOKENS
from signalsite.front.standing import StandingTokens, TokensUnknown


def token(user_id=1, **claims):
    made = AccessToken()
    made["user_id"] = str(user_id)
    for name, value in claims.items():
        made[name] = value
    return str(made).encode()


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


@pytest.mark.parametrize("hangs", [60.0, 0.4])  # it never answers, or each time too late
def test_a_database_that_hangs_and_is_back_is_one_line_each(caplog, monkeypatch, hangs):
    monkeypatch.setattr(standing, "PROOF_SECONDS", 0.2)

    async def main():
        back = asyncio.Event()

        async def prove(shown):
            await asyncio.wait([asyncio.ensure_future(back.wait())], timeout=hangs)
            return [True] * len(shown)

        tokens = StandingTokens(prove, dict)
        for number in range(5):
            with pytest.raises(TokensUnknown):
                await tokens.stands(token(number))
        back.set()
        for number in range(5):
            assert await tokens.stands(token(number))

    asyncio.run(main())
    said = [(each.levelname, each.getMessage()) for each in caplog.records if each.name == standing.__name__]
    assert [level for level, _ in said] == ["ERROR", "WARNING"]
    assert "did not answer in time" in said[0][1]


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
    """CLOCK_MONOTONIC stops meanwhile; CLOCK_BOOTTIME does not."""
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
