"""The chain at a past instant: the live body, with the numbers of `greeks` at that instant."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIRequestFactory, force_authenticate

from realtime.snapshot import reads, shapes
from realtime.snapshot.newest import TooLarge
from realtime.snapshot.views import LiveChainView
from tests.integration.history_market import EXPIRIES, NAME, OPTIONS, SPOT, STRIKES, VIX, option, store_market, times
from tests.integration.test_historical_greeks import compute, quote
from timeframes.models import Bar

pytestmark = pytest.mark.django_db
AT = times()[9]


def respond(name: str = NAME, headers: dict[str, str] | None = None, **query: str) -> Any:
    request = APIRequestFactory().get(f"/api/v2/signals/realtime/chain/{name}", query, headers=headers)
    force_authenticate(request, User(username="alice", is_active=True))
    response = LiveChainView.as_view()(request, underlying=name)
    response.render() if hasattr(response, "render") else None
    return response


def ask(name: str = NAME, **query: str) -> tuple[int, Any]:
    response = respond(name, **query)
    return response.status_code, orjson.loads(response.content)


@pytest.mark.parametrize("of_quotes", [False, True])
def test_it_has_the_numbers_of_greeks(of_quotes: bool) -> None:
    store_market()
    if of_quotes:
        quote(AT, 8, 3, [*OPTIONS, SPOT, VIX])
        Bar.objects.all().delete()
    status, body = ask(as_of=AT.isoformat(), strikes="all", expiry=str(EXPIRIES[1]))
    assert status == 200
    assert body.keys() == set(shapes.CHAIN_EXAMPLE)
    assert (body["underlying"], body["expiry"], body["at"]) == (NAME, str(EXPIRIES[1]), AT.isoformat())
    assert body["expiries"] == [str(each) for each in EXPIRIES]
    assert [each["strike"] for each in body["strikes"]] == list(STRIKES)
    wanted = dict(zip(OPTIONS, compute(list(OPTIONS), AT, "greeks"), strict=True))
    for each in body["strikes"]:
        for right in ("call", "put"):
            state, key = each[right], option(EXPIRIES[1], right, int(each["strike"]))
            assert state["instrument_key"] == key
            assert state["greeks"]["status"] == "ok"
            for name, value in wanted[key].items():
                if name in state["greeks"]:
                    assert state["greeks"][name] == value, name
            assert state["tick"]["ltp"] == wanted[key]["price_used"]
            assert state["age_seconds"] == 0.0
            assert set(shapes.ONE_EXAMPLE) == set(state)
            assert set(state["greeks"]) == set(shapes.ONE_EXAMPLE["greeks"])
    first = wanted[option(EXPIRIES[1], "call", STRIKES[0])]
    for name in ("forward", "forward_source", "forward_residual", "forward_strikes"):
        assert body[name] == first[name]
    assert body["underlying_price"] == body["spot"]["tick"]["ltp"]
    assert body["at_the_money"] == min(STRIKES, key=lambda strike: abs(strike - body["forward"]))


def test_the_default_is_the_nearest_expiry_and_a_window_around_the_money() -> None:
    store_market()
    _, body = ask(as_of=AT.isoformat(), strikes="1")
    assert body["expiry"] == str(EXPIRIES[0]) and len(body["strikes"]) == 3
    assert body["strikes"][1]["strike"] == body["at_the_money"]
    _, later = ask(as_of="2024-01-10T09:19", strikes="990:1010")  # a naive time is in the exchange's zone
    assert [each["strike"] for each in later["strikes"]] == [1000.0]
    assert later["at"] == "2024-01-10T03:49:00+00:00"


def test_what_was_later_takes_no_part() -> None:
    store_market()
    before = ask(as_of=AT.isoformat())[1]
    Bar.objects.filter(time__gt=AT - timedelta(minutes=1)).update(close=1.0)
    assert ask(as_of=AT.isoformat())[1] == before
    status, body = ask(as_of=(times()[0]).isoformat())  # no bar had ended
    assert status == 404 and "no option" in str(body)


def test_the_etag_spares_the_same_answer() -> None:
    store_market()
    first = respond(as_of=AT.isoformat())
    assert first["ETag"] and respond(as_of=AT.isoformat(), headers={"If-None-Match": first["ETag"]}).status_code == 304


@pytest.mark.parametrize(
    "as_of",
    ["", "x", "0001-01-01", "9999-12-31", "1" + "0" * 400, "2024-01-10T09:15\x00", "2190-01-01", "2024-13-01", "null"],
)
def test_an_instant_that_cannot_be_is_refused_by_its_name(as_of: str) -> None:
    status, body = ask(as_of=as_of)
    assert status == 400 and [each["field"] for each in body["errors"]] == ["as_of"], body


def test_the_event_loop_leaves_it_to_a_thread() -> None:
    with pytest.raises(TooLarge):
        next(reads.chain(NAME, {"as_of": "2024-01-10"}))


def test_an_instrument_or_an_unknown_underlying() -> None:
    assert ask(SPOT, as_of="2024-01-10")[0] == 400
    assert ask("NSE@NOBODY", as_of="2024-01-10")[0] == 404
    assert ask("MOON@X", as_of="2024-01-10")[0] == 400
    assert ask(as_of=datetime(2024, 1, 9, tzinfo=UTC).isoformat(), expiry="2031-01-01")[0] == 404
