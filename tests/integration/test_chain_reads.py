"""Live reads of what chains say, and the same answers at past instants."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import orjson
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from rest_framework.test import APIRequestFactory, force_authenticate

from moneyness.core.all_levels import level_states
from moneyness.core.chain_params import ChainParams
from moneyness.core.chain_states import analytics_state, atm_state, smile_state, term_state
from moneyness.core.evaluate_chain import evaluate_chain, price_chains
from moneyness.core.evaluation import ChainEvaluation
from moneyness.core.told import tell
from moneyness.stored_chains import load_stored
from realtime.core.states import encode
from realtime.snapshot import chain_reads, chain_shapes, chain_views
from realtime.snapshot.newest import TooLarge
from signals.greeks.core.conventions import GreeksParams
from signalsite.foundation.redis import client
from tests.integration.history_market import EXPIRIES, NAME, STRIKES, option, store_market, times

pytestmark = pytest.mark.django_db
AT = times()[9]
VIEWS = {
    "level": (chain_views.LevelView, "moneyness/{}/greeks/{level}", chain_shapes.LEVEL_EXAMPLE),
    "atm": (chain_views.AtmView, "moneyness/{}/atm-iv", chain_shapes.ATM_EXAMPLE),
    "otm_delta": (chain_views.DeltaView, "moneyness/{}/otm-delta", chain_shapes.DELTA_EXAMPLE),
    "smile": (chain_views.SmileView, "smile/{}", chain_shapes.SMILE_EXAMPLE),
    "analytics": (chain_views.AnalyticsView, "analytics/{}", chain_shapes.ANALYTICS_EXAMPLE),
    "term": (chain_views.TermStructureView, "term-structure/{}", chain_shapes.TERM_EXAMPLE),
    "surface": (chain_views.SurfaceView, "surface/{}", chain_shapes.SURFACE_EXAMPLE),
}
OF_EXPIRIES = ("level", "atm", "otm_delta", "smile", "analytics")
DELTA = {"delta": "0.3", "option_type": "put"}


def ask(kind: str, name: str = NAME, level: str = "ATM", **query: str) -> tuple[int, Any]:
    view, path, _ = VIEWS[kind]
    captured = {"underlying": name} | ({"moneyness_level": level} if kind == "level" else {})
    query = (DELTA if kind == "otm_delta" else {}) | query
    request = APIRequestFactory().get(f"/api/v2/signals/realtime/{path.format(name, level=level)}", query)
    force_authenticate(request, User(username="alice", is_active=True))
    response = view.as_view()(request, **captured)
    response.render() if hasattr(response, "render") else None
    return response.status_code, orjson.loads(response.content)


@pytest.fixture
def evaluation() -> ChainEvaluation:
    store_market()
    stored = load_stored([(NAME, AT)], GreeksParams())
    assert stored is not None
    priced = price_chains(stored.snapshot, stored.keys, stored.black76, stored.interest, GreeksParams())
    return evaluate_chain(priced, ChainParams())


def states_of(found: ChainEvaluation) -> dict[str, bytes]:
    at = AT.isoformat()
    states: dict[str, Any] = {f"term:{NAME}": term_state(found, 0, at), f"atm:{NAME}": atm_state(found, 0, at)}
    for group, day in enumerate(EXPIRIES):
        states[f"atm:{NAME}:{day}"] = atm_state(found, group, at)
        states[f"smile:{NAME}:{day}"] = smile_state(found, group, at)
        states[f"analytics:{NAME}:{day}"] = analytics_state(found, group, at)
    for group, level in level_states(found, tell(found)):
        states[f"moneyness:{NAME}:{EXPIRIES[group]}:{level.level}"] = level
        if group == 0:
            states[f"moneyness:{NAME}:{level.level}"] = level
    return {topic: encode(state) for topic, state in states.items()}


@pytest.fixture
def live(evaluation: ChainEvaluation) -> Iterator[Any]:
    """The states of the evaluation, as the consumer leaves them in Redis."""
    redis, states = client(settings.REDIS_URL), states_of(evaluation)
    latest, seqs = f"latest_chains:{NAME}", f"latest_chains_seq:{NAME}"
    redis.hset(latest, mapping=states)
    redis.hset(seqs, mapping=dict.fromkeys(states, "5-1"))
    yield redis
    redis.delete(latest, seqs)


def without_ages(body: Any) -> Any:
    if isinstance(body, list):
        return [without_ages(each) for each in body]
    if not isinstance(body, dict):
        return body
    return {name: without_ages(value) for name, value in body.items() if name not in ("seq", "age_seconds")}


@pytest.mark.parametrize("kind", list(VIEWS))
def test_live_and_past_are_one_answer(live: Any, kind: str) -> None:
    expiries: list[dict[str, str]] = [{}]
    if kind in OF_EXPIRIES:
        expiries += [{"expiry": str(day)} for day in EXPIRIES]
    for expiry in expiries:
        status, now = ask(kind, **expiry)
        assert status == 200, now
        past_status, past = ask(kind, as_of=AT.isoformat(), **expiry)
        assert past_status == 200, past
        assert without_ages(now) == without_ages(past)
        example = VIEWS[kind][2]
        assert now.keys() == example.keys() == past.keys()
        if kind != "surface":
            assert (now["seq"], past["seq"], past["age_seconds"]) == ("5-1", None, 0.0)
            assert now["age_seconds"] > 86_400.0


def test_any_level_and_any_delta_of_the_past(evaluation: ChainEvaluation) -> None:
    for level in ("OTM_PCT_0_3", "ITM_LOG_0_0.05", "OTM33D", "ITM", "OTM2"):
        status, body = ask("level", level=level, as_of=AT.isoformat())
        assert status == 200 and body["level"] == level and body["both"]["options"] > 0
    assert ask("level", level="OTM500", as_of=AT.isoformat())[0] == 404
    previous = None
    for delta in (0.45, 0.37, 0.312, 0.2):
        status, body = ask("otm_delta", delta=str(delta), expiry=str(EXPIRIES[1]), as_of=AT.isoformat())
        assert status == 200 and body["reason"] is None, body
        assert previous is None or body["strike"] < previous  # puts: farther out
        previous = body["strike"]
        assert body["nearest_instrument_key"] == option(EXPIRIES[1], "put", int(body["nearest_strike"]))
    status, body = ask("otm_delta", delta="0.0001", expiry=str(EXPIRIES[1]), as_of=AT.isoformat())
    assert status == 200 and body["strike"] is None and "deltas from" in body["reason"]
    assert body["nearest_strike"] == STRIKES[0]


def test_the_same_error_live_and_past(live: Any) -> None:
    for kind in VIEWS:
        for as_of in ({}, {"as_of": AT.isoformat()}):
            assert ask(kind, "NSE@NOBODY", **as_of)[0] == 404
            for name in ("MOON@X", "NSE@NIFTY@equity_spot", "'", "A" * 200, "NSE@NIFTY\x00"):
                status, body = ask(kind, name, **as_of)
                assert status == 400 and body["errors"][0]["field"] == "underlying", (kind, name)
            assert ask(kind, more="1", **as_of)[0] == 400
    for kind in OF_EXPIRIES:
        for expiry in ("2031-01-01", "0001-01-01", "2024-13-01", "x", "1" * 400):
            status, body = ask(kind, expiry=expiry)
            assert status in (400, 404), body
    for level in ("ATM1", "", "OTM0", "OTM99999", "atm", "ATM\x00", "A" * 400, "OTM_PCT_5_2", '"', "OTM-1"):
        assert ask("level", level=level)[0] == 400
    for as_of in ("", "x", "0001-01-01", "2190-01-01", "1" + "0" * 400, "2024-01-10\x00"):
        for kind in VIEWS:
            status, body = ask(kind, as_of=as_of)
            assert status == 400 and [each["field"] for each in body["errors"]] == ["as_of"], (kind, as_of, body)


@pytest.mark.parametrize(
    "query",
    [
        {"delta": "0"},
        {"delta": "1"},
        {"delta": "nan"},
        {"delta": "1" + "0" * 400},
        {"delta": "1e400"},
        {"delta": "-0.05"},
        {"delta": "0,05"},
        {"delta": ""},
        {"option_type": "straddle"},
        {"option_type": ""},
    ],
)
def test_a_delta_that_cannot_be(live: Any, query: dict[str, str]) -> None:
    status, body = ask("otm_delta", **query)
    assert status == 400 and [each["field"] for each in body["errors"]] == list(query)


BROKEN = [
    b"",
    b"null",
    b"[]",
    b"{",
    b'{"as_of":5e400}',
    b'{"as_of":"0001-01-01T00:00:00Z","expiry":"2024-01-11"}',
    b'{"as_of":"2024-01-10T03:49:00+00:00","expiry":7}',
    b'{"as_of":"2024-01-10T03:49:00+00:00","expiry":"x","underlying":"NSE@HISTORY"}',
    b"\xff\xfe",
    b'{"as_of":"2024-01-10T03:49:00+00:00","expiry":"2024-01-11"} ',
    b"[" * 20_000,
]


@pytest.mark.parametrize("state", BROKEN)
def test_a_state_that_cannot_be_read_is_said_to_be(live: Any, state: bytes) -> None:
    redis, day = live, str(EXPIRIES[1])
    topics = [f"{kind}:{NAME}:{day}" for kind in ("atm", "smile", "analytics")]
    redis.hset(
        f"latest_chains:{NAME}", mapping=dict.fromkeys([*topics, f"moneyness:{NAME}:{day}:ATM", f"term:{NAME}"], state)
    )
    for kind in VIEWS:
        status, body = ask(kind, **({"expiry": day} if kind in OF_EXPIRIES else {}))
        assert status == 200 and (body["status"], body["underlying"]) == ("unreadable", NAME), (kind, body)
    redis.hset(f"latest_chains:{NAME}", f"atm:{NAME}", state)  # then the nearest expiry is not known
    wanted = 200 if state.endswith(b"} ") else 404  # of that one the expiry can be read
    assert {ask(kind)[0] for kind in ("smile", "analytics", "otm_delta")} == {wanted}


def test_a_broken_smile_takes_no_other_along(live: Any) -> None:
    live.hset(f"latest_chains:{NAME}", f"smile:{NAME}:{EXPIRIES[0]}", b"{}")
    smile = orjson.loads(live.hget(f"latest_chains:{NAME}", f"smile:{NAME}:{EXPIRIES[1]}"))
    status, body = ask("surface")
    assert status == 200 and [each.get("status", "ok") for each in body["smiles"]] == ["unreadable", "ok"]
    assert [row["expiry"] for row in body["surface"]["expiries"]] == [str(EXPIRIES[1])]
    for member, value in (("strike", [1.0]), ("call_delta", ["x"] * len(STRIKES)), ("put_delta", None)):
        broken = {**smile, "points": {**smile["points"], member: value}}
        live.hset(f"latest_chains:{NAME}", f"smile:{NAME}:{EXPIRIES[1]}", orjson.dumps(broken))
        assert ask("otm_delta", expiry=str(EXPIRIES[1]))[1]["status"] == "unreadable"
    live.hset(f"latest_chains_seq:{NAME}", f"atm:{NAME}", b"\xff")
    assert ask("atm")[1]["status"] == "unreadable"


def test_the_event_loop_leaves_the_past_to_a_thread() -> None:
    for name in VIEWS:
        read = getattr(chain_reads, name)
        arguments = (NAME, "ATM") if name == "level" else (NAME,)
        with pytest.raises(TooLarge):
            next(read(*arguments, {"as_of": "2024-01-10"}))


def test_an_answer_is_never_of_the_time_to_come(evaluation: ChainEvaluation) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert ask("atm", as_of=soon)[0] == 400


@pytest.mark.parametrize("kind", list(VIEWS))
def test_the_examples_are_of_their_types(kind: str) -> None:
    types = dict(zip(VIEWS, [pair[0] for pair in chain_shapes._ANSWERS] + [chain_shapes.ChainSurface], strict=True))
    example = VIEWS[kind][2]
    if kind != "surface":
        msgspec.convert(example, types[kind])
        assert list(example) and set(example) == set(types[kind].__struct_fields__)
