"""Caches and logs of live reads are bounded, and keep what is in use."""

import asyncio
import time
from datetime import UTC, datetime

from django.conf import settings

from realtime.snapshot import listed_options, selectors
from realtime.snapshot.core.chain_request import options_by_expiry
from realtime.snapshot.listed_options import ListedOptions
from realtime.snapshot.newest import MOST_FIELDS
from realtime.sockets.control_listener import ControlListener
from realtime.sockets.hub import Hub
from signalsite.front.live import MOST_KINDS, LiveReads
from signalsite.front.pages import Answer
from signalsite.front.standing import StandingTokens


async def nobody_asks(tokens):
    raise AssertionError("no token is good")


def chain_of(underlying, strikes):
    return [f"{underlying}@equity_options@2026-12-29@call@{strike}".encode() for strike in range(1, strikes + 1)]


def test_readers_of_many_chains_parse_each_once(monkeypatch):
    parsed = []
    monkeypatch.setattr(
        listed_options, "options_by_expiry", lambda topics: parsed.append(1) or options_by_expiry(topics)
    )
    options = ListedOptions()
    chains = {f"NSE@U{number}": chain_of(f"NSE@U{number}", 5) for number in range(100)}
    for _ in range(3):
        for underlying, topics in chains.items():
            (found,) = options.of(underlying, list(topics)).values()
            assert len(found) == 5
    assert len(parsed) == 100
    (found,) = options.of("NSE@U1", chain_of("NSE@U1", 6)).values()  # a new strike
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
    monkeypatch.setattr(selectors, "_logged", {})
    for state in (b"{", b"[", b"1"):
        for number in range(2 * selectors.MOST_LOGGED):
            selectors.live_value(f"NSE@U{number}", state, None, datetime.now(UTC))
    assert len(caplog.records) == len(selectors._logged) == selectors.MOST_LOGGED
    monkeypatch.setattr(selectors, "LOG_SECONDS", 0.0)  # a minute later
    selectors.live_value("NSE@U500", b"{", None, datetime.now(UTC))
    assert len(caplog.records) == selectors.MOST_LOGGED + 1 and len(selectors._logged) == selectors.MOST_LOGGED


def asked_of(live, accept=b"*/*", query=b""):
    headers = [(b"authorization", b"Bearer x"), (b"accept", accept)]
    path = "/api/v2/signals/realtime/greeks"
    return live.asked({"method": "GET", "path": path, "scheme": "http", "headers": headers, "query_string": query})


def test_lists_that_are_too_long_are_left_to_django_before_their_keys_are_checked():
    live = LiveReads(lambda: None, StandingTokens(nobody_asks, dict), None)
    for comma in (b",", b"%2C", b"%2c"):
        assert asked_of(live, query=b"keys=" + comma.join([b"A@B"] * MOST_FIELDS)) is not None
        assert asked_of(live, query=b"keys=" + comma.join([b"A@B"] * (MOST_FIELDS + 1))) is None


def test_kinds_in_use_are_remembered_whatever_others_ask():
    async def main():
        live = LiveReads(lambda: None, StandingTokens(nobody_asks, dict), None)
        used = asked_of(live)
        live.learn(used, Answer(200, [], b""))
        for number in range(2 * MOST_KINDS):
            live.learn(asked_of(live, b"text/%d" % number), Answer(200, [], b""))
            await live.answer(used)  # an invalid token, but a request of this kind
        return used.kind in live._learned, len(live._learned)

    assert asyncio.run(main()) == (True, MOST_KINDS)


def test_the_headers_of_a_past_chain_are_not_those_of_live_answers():
    live = LiveReads(lambda: None, StandingTokens(nobody_asks, dict), None)
    asked = asked_of(live)
    live.learn(asked, Answer(200, [(b"etag", b'"1"'), (b"vary", b"accept")], b""))
    assert asked.kind not in live._learned
    live.learn(asked, Answer(200, [(b"vary", b"accept")], b""))
    assert asked.kind in live._learned


def test_what_was_ended_is_forgotten_when_no_token_of_before_can_live():
    async def main():
        hub = Hub(settings.REDIS_URL)
        listener = ControlListener(hub)
        try:
            now, gone = time.time(), time.time() - settings.ACCESS_TOKEN_MINUTES * 60 - 120
            hub.ended["900001"] = gone
            listener._end_missed({"900002": gone, "900003": now - 60})
            return {subject for subject in hub.ended if subject.startswith("90000")}
        finally:
            await listener.stop()
            await hub.stop()

    assert asyncio.run(main()) == {"900003"}
