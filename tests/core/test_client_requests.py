"""The client against a network that fails: a scripted server on loopback answers what proxies and crashes answer."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from batch.client import ApiError, Client, FieldError, ServiceUnreachable, WaitTimeout
from batch.client.core import service as client_service
from tests.core.scripted_network import DONE, JOB, Network, network

__all__ = ["network"]  # a fixture


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were asked for; none is made."""
    asked: list[float] = []
    monkeypatch.setattr(time, "sleep", asked.append)
    return asked


@pytest.fixture
def client(network: Network) -> Iterator[Client]:
    with Client(network.address, token="t") as client:
        yield client


UNAVAILABLE = (503, {}, {"title": "Service Unavailable", "detail": "storage is not available, try again"})


def test_importing_it_brings_httpx_and_nothing_else() -> None:
    code = "import sys, batch.client; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "httpx" in loaded
    assert not {"django", "celery", "rest_framework", "numpy", "pandas", "pyarrow", "orjson", "redis"} & set(loaded)


@pytest.mark.parametrize("failure", [None, UNAVAILABLE, (502, {"Content-Type": "text/html"}, b"<h1>Bad Gateway</h1>")])
def test_a_submission_is_repeated_under_the_same_key(
    network: Network, client: Client, pauses: list[float], failure: Any
) -> None:
    network.script = [failure, failure, (202, {}, JOB)]
    job = client.submit(["A", {"instrument_key": "B", "rate": 0.1}], params={"rate": 0.2}, as_of="2026-03-02")
    assert (str(job.id), job.counts.answered, job.as_of and job.as_of.hour) == (JOB["id"], 4, 5)
    assert len(network.seen) == 3 and len(pauses) == 2 and pauses[0] < pauses[1] * 1.01
    bodies = [body for *_, body in network.seen]
    assert bodies == [bodies[0]] * 3
    assert bodies[0] == {
        "kind": "greeks",
        "items": ["A", {"instrument_key": "B", "rate": 0.1}],
        "params": {"rate": 0.2},
        "as_of": "2026-03-02",
    }
    keys = {headers["Idempotency-Key"] for _, _, headers, _ in network.seen}
    assert len(keys) == 1
    client.submit(["A"])
    assert network.seen[-1][2]["Idempotency-Key"] not in keys
    client.submit(["A"], idempotency_key="mine", reuse=False)
    assert network.seen[-1][2]["Idempotency-Key"] == "mine" and network.seen[-1][3]["reuse"] is False


def test_a_computation_that_becomes_a_job_becomes_one_job(
    network: Network, client: Client, pauses: list[float]
) -> None:
    """The service alone knows whether a few items are a job: its limit can be set, and a grid has many rows an item."""
    page = {"data": [{"position": 0}], "next_cursor": None}
    job = [(202, {}, DONE), (200, {}, page), (200, {}, {"forwards": []})]
    network.script = [None, *job, *job]
    for _ in range(2):
        assert client.answer("greeks_grid", ["A"]).data == [{"position": 0}]
    asked = [headers["Idempotency-Key"] for method, _, headers, _ in network.seen if method == "POST"]
    assert len(asked) == 3 and asked[0] == asked[1] != asked[2] and len(pauses) == 1


def test_the_service_is_given_the_time_it_asks_for(network: Network, client: Client, pauses: list[float]) -> None:
    network.script = [(429, {"Retry-After": "7"}, {"title": "Too Many Requests", "detail": "x"}), (200, {}, JOB)]
    client.job(JOB["id"])
    assert pauses == [7.0]


def test_but_not_any_time(network: Network, client: Client, pauses: list[float]) -> None:
    network.script = [(429, {"Retry-After": "3600"}, {"title": "Too Many Requests", "detail": "100 jobs are open"})]
    with pytest.raises(ApiError, match="429 Too Many Requests: 100 jobs are open") as error:
        client.job(JOB["id"])
    assert (error.value.status, error.value.retry_after, pauses) == (429, 3600.0, [])


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("Sat, 01 Jan 2000 00:00:00 GMT", 0, 0),
        ("soon", None, None),
        ("²", None, None),
        ("Fri, 31 Dec 2100 00:00:00 GMT", 1e9, 1e10),
    ],
)
def test_a_date_to_try_again_at_is_understood(
    network: Network, client: Client, pauses: list[float], header: str, low: float | None, high: float | None
) -> None:
    network.script = [(503, {"Retry-After": header}, {"title": "x", "detail": "x"})]
    with pytest.raises(ApiError) as error:
        client.job(JOB["id"])
    wait = error.value.retry_after
    assert wait is None if low is None or high is None else low <= (wait or 0.0) <= high


def test_attempts_and_pauses_are_bounded(network: Network, client: Client, pauses: list[float]) -> None:
    network.script = [None]
    with pytest.raises(ServiceUnreachable, match="GET /api/v2/signals/batch/jobs/"):
        client.job(JOB["id"])
    assert len(network.seen) == client_service.ATTEMPTS == len(pauses) + 1
    assert sum(pauses) < client_service.FIRST_PAUSE_SECONDS * 2 ** (client_service.ATTEMPTS)
    network.script = [UNAVAILABLE]
    with pytest.raises(ApiError, match="503 Service Unavailable: storage"):
        client.cancel(JOB["id"])


def test_a_refusal_is_raised_at_once_with_its_fields(network: Network, client: Client, pauses: list[float]) -> None:
    errors = [{"field": "params.rate", "detail": "A valid number is required."}]
    network.script = [
        (400, {"Content-Type": "application/problem+json"}, {"title": "Bad Request", "detail": "d", "errors": errors})
    ]
    with pytest.raises(ApiError) as error:
        client.submit(["A"], params={"rate": "high"})
    assert error.value.errors == (FieldError("params.rate", "A valid number is required."),)
    assert (error.value.title, error.value.detail, len(network.seen), pauses) == ("Bad Request", "d", 1, [])


def test_another_address_is_told_and_not_followed(network: Network, client: Client) -> None:
    network.script = [(301, {"Location": "https://elsewhere.example/x"}, {})]
    with pytest.raises(ApiError, match=r"at another address: https://elsewhere\.example/x"):
        client.job(JOB["id"])


def test_an_error_without_json_gives_its_text(network: Network, client: Client) -> None:
    network.script = [(500, {"Content-Type": "text/html"}, b"<h1>Server Error (500)</h1>")]
    with pytest.raises(ApiError, match=r"500 Internal Server Error: <h1>Server Error"):
        client.job(JOB["id"])


def test_tokens_are_taken_when_needed_refreshed_and_taken_anew(network: Network) -> None:
    unauthorized = (401, {}, {"title": "Unauthorized", "detail": "Token is expired"})
    network.script = [
        (200, {}, {"access": "a1", "refresh": "r1"}),
        (200, {}, DONE),
        unauthorized,
        (200, {}, {"access": "a2"}),
        (200, {}, DONE),
        unauthorized,
        unauthorized,  # the refresh token has run out as well
        (200, {}, {"access": "a3", "refresh": "r2"}),
        (200, {}, DONE),
        unauthorized,
        unauthorized,
        (401, {}, {"title": "Unauthorized", "detail": "No active account"}),
    ]
    with Client(f"{network.address}/behind/", username="u", password="p") as client:
        for _ in range(3):
            client.job(JOB["id"])
        with pytest.raises(ApiError, match="No active account"):
            client.job(JOB["id"])
    job = f"/behind{JOB['links']['self']}"  # type: ignore[index]
    asked = [(path, headers.get("Authorization"), body) for _, path, headers, body in network.seen]
    sign_in, refresh = ("/behind/api/token", None, {"username": "u", "password": "p"}), "/behind/api/token/refresh"
    assert asked == [
        sign_in,
        (job, "Bearer a1", None),
        (job, "Bearer a1", None),
        (refresh, None, {"refresh": "r1"}),
        (job, "Bearer a2", None),
        (job, "Bearer a2", None),
        (refresh, None, {"refresh": "r1"}),
        sign_in,
        (job, "Bearer a3", None),
        (job, "Bearer a3", None),
        (refresh, None, {"refresh": "r2"}),
        sign_in,
    ]


def test_a_given_token_is_asked_for_again_where_that_can_be(network: Network) -> None:
    tokens = iter(["old", "new"])
    unauthorized = (401, {}, {"title": "Unauthorized", "detail": "Token is expired"})
    network.script = [unauthorized, (200, {}, DONE)]
    with Client(network.address, token=lambda: next(tokens)) as client:
        client.job(JOB["id"])
    assert [headers["Authorization"] for _, _, headers, _ in network.seen] == ["Bearer old", "Bearer new"]
    network.script = [unauthorized]
    with Client(network.address, token="fixed") as client, pytest.raises(ApiError, match="expired"):
        client.job(JOB["id"])


def test_waiting_slows_down_up_to_a_second_and_not_beyond_the_end(
    network: Network, client: Client, pauses: list[float]
) -> None:
    network.script = [*[(200, {}, JOB | {"eta_seconds": None})] * 15, (200, {}, JOB), (200, {}, DONE)]
    seen: list[float] = []
    assert client.wait(JOB["id"], progress=lambda job: seen.append(job.progress)).done
    assert pauses[0] == 0.02 and pauses == [*sorted(pauses[:-1]), pauses[-1]] and pauses[-2] == 1.0
    assert pauses[-1] == 0.05  # the ETA
    assert seen == [0.4] * 16 + [1.0]


def test_waiting_has_a_limit_when_asked(network: Network, client: Client) -> None:
    network.script = [(200, {}, JOB)]
    begun = time.monotonic()
    with pytest.raises(WaitTimeout, match=r"is in_progress after 0\.1 s"):
        client.wait(JOB["id"], timeout=0.1)
    assert 0.1 <= time.monotonic() - begun < 1


def test_results_are_read_on_while_the_job_runs(network: Network, client: Client, pauses: list[float]) -> None:
    pages = [([], -1), ([1, 2], 1), ([], 1), ([], 1), ([3], 2), ([], None)]
    network.script = [(200, {}, {"data": [{"position": n} for n in data], "next_cursor": c}) for data, c in pages]
    assert [row["position"] for row in client.results(JOB["id"], status="failed")] == [1, 2, 3]
    assert [path.split("?")[1] for _, path, _, _ in network.seen] == [
        f"limit=10000&status=failed{cursor}" for cursor in ("", *(f"&cursor={c}" for _, c in pages[:-1]))
    ]
    assert pauses == [0.02, 0.02, 0.03]


def test_jobs_are_listed_page_by_page_at_our_own_address(network: Network, client: Client) -> None:
    following = "http://inside.example/api/v2/signals/batch/jobs?cursor=cD0y&limit=200"
    network.script = [(200, {}, {"next": following, "results": [JOB]}), (200, {}, {"next": None, "results": [DONE]})]
    assert [job.status for job in client.jobs(kind="greeks")] == ["in_progress", "completed"]
    assert network.seen[1][1] == "/api/v2/signals/batch/jobs?limit=200&kind=greeks&cursor=cD0y"


@pytest.mark.parametrize(
    "use",
    [
        lambda client: client.submit(),
        lambda client: client.submit(["A"], selector={}),
        lambda client: client.submit([{"instrument_key": "A", "rate": float("nan")}]),
        lambda client: client.job("no-id"),
        lambda client: Client("localhost:8000", token="t"),
        lambda client: Client("http://localhost"),
        lambda client: Client("http://localhost", username="u", password="p", token="t"),
    ],
)
def test_what_can_not_be_right_is_not_sent(network: Network, client: Client, use: Callable[[Client], object]) -> None:
    with pytest.raises(ValueError):
        use(client)
    assert not network.seen


def test_dates_and_numpys_numbers_are_sent_and_other_things_not(network: Network, client: Client) -> None:
    import datetime

    import numpy as np

    network.script = [(202, {}, JOB)]
    day = datetime.date(2026, 3, 30)
    client.submit(
        [{"instrument_key": "A", "price": np.float32(1.5), "underlying_price": np.int64(7)}],
        as_of=datetime.datetime(2026, 3, 2, 5, 30, tzinfo=datetime.UTC),
    )
    client.submit(selector={"expiries": [day]})
    assert network.seen[0][3]["items"] == [{"instrument_key": "A", "price": 1.5, "underlying_price": 7}]
    assert network.seen[0][3]["as_of"] == "2026-03-02T05:30:00+00:00"
    assert network.seen[1][3]["selector"] == {"expiries": ["2026-03-30"]}
    with pytest.raises(TypeError, match="can't be sent as JSON"):
        client.submit(selector={"expiries": {day}})


@pytest.mark.parametrize("table", [False, True])
def test_a_row_that_json_lacks_is_named(network: Network, client: Client, table: bool) -> None:
    import pyarrow

    rows = [{"instrument_key": "A", "price": price} for price in (1.0, None, float("nan"))]
    items = pyarrow.Table.from_pylist(rows) if table else iter(rows)
    with pytest.raises(ValueError, match=r"items\[2\]\.price is nan, which JSON lacks: None is absent"):
        client.submit(items)
    assert not network.seen
