"""Configurations in the running service: forty at once, and documents of every size, in one answer each."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from batch.client import Client
from tests.e2e.conftest import succeed

CONFIGS = "/api/v2/signals/configs"
DOCUMENT: dict[str, Any] = {
    "name": "e2e",
    "instruments": ["SIM@NIFTY@equity_spot"],
    "interval": "5m",
    "indicators": ["rsi"],
    "active": False,  # the tests share one service
}


@pytest.fixture
def made(alice: httpx.Client) -> Iterator[dict[str, Any]]:
    for each in alice.get(CONFIGS).json()["data"]:
        alice.delete(f"{CONFIGS}/{each['id']}")
    answer = alice.post(CONFIGS, json=DOCUMENT)
    assert answer.status_code == 201, answer.text
    yield answer.json()
    alice.delete(answer.headers["Location"])


def test_forty_at_once_are_forty_versions(alice: httpx.Client, made: dict[str, Any]) -> None:
    door = made["links"]["self"]
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda bars: alice.put(door, json={**DOCUMENT, "bars": bars}), range(1, 41)))
    done = [each for each in answers if each.status_code == 200]
    assert {each.status_code for each in answers} <= {200, 429, 503} and len(done) >= 20
    assert sorted(each.json()["version"] for each in done) == list(range(2, len(done) + 2))
    last = max((each.json() for each in done), key=lambda each: each["version"])
    assert alice.get(door).json()["document"] == last["document"]


def test_of_forty_who_have_read_the_same_one_writes(alice: httpx.Client, made: dict[str, Any]) -> None:
    door = made["links"]["self"]
    read = {"If-Match": alice.get(door).headers["ETag"]}
    with ThreadPoolExecutor(40) as pool:
        codes = list(
            pool.map(
                lambda bars: alice.put(door, json={**DOCUMENT, "bars": bars}, headers=read).status_code, range(2, 42)
            )
        )
    assert codes.count(200) == 1 and set(codes) <= {200, 412, 429, 503}


def test_forty_files_of_results_at_once(
    address: str, passwords: dict[str, str], alice: httpx.Client, made: dict[str, Any]
) -> None:
    insert = f"""
    INSERT INTO signal_configuration_results
        (instrument_key, time, configuration_id, source, version, run, tick, values, reasons)
    SELECT 'SIM@NIFTY@equity_spot', '2026-01-01Z'::timestamptz + n * interval '1 minute', '{made["id"]}', 'tick', 1,
           NULL, '1-0', jsonb_build_object('indicators', jsonb_build_object('rsi', jsonb_build_object('RSI_14', n))),
           '{{}}'
    FROM generate_series(1, 3000) AS n"""
    succeed("shell", "-v0", "-c", f"from django.db import connection; connection.cursor().execute({insert!r})")
    door = f"{made['links']['self']}/results/export"
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: alice.get(door, params={"format": "csv"}), range(40)))
    whole = [each for each in answers if each.status_code == 200]
    assert {each.status_code for each in answers} <= {200, 429} and len(whole) >= 16
    assert all(int(each.headers["Retry-After"]) > 0 for each in answers if each.status_code == 429)
    lines = whole[0].text.splitlines()
    assert len(lines) == 3001 and {each.text for each in whole} == {whole[0].text}
    assert lines[-1].endswith('"1-0",3000,')
    with Client(address, username="alice", password=passwords["alice"]) as client:
        table = client.config_results_to_arrow(made["id"], source="tick", end_time="2026-01-02")
        assert table.column("indicators.rsi.RSI_14").to_pylist() == list(range(1, 1440))


def test_large_documents(alice: httpx.Client, login: Any, made: dict[str, Any]) -> None:
    keys = [f"NSE@S{number}" for number in range(1000)]
    whole = alice.post(f"{CONFIGS}/validate", json={**DOCUMENT, "name": "large", "instruments": keys})
    assert whole.status_code == 200 and len(whole.json()["document"]["instruments"]) == 1000
    many = alice.post(f"{CONFIGS}/validate", json={**DOCUMENT, "instruments": [*keys, "NSE@ONE"]})
    assert [each["field"] for each in many.json()["errors"]] == ["instruments"]
    wrong = alice.post(f"{CONFIGS}/validate", json={**DOCUMENT, "instruments": ["x"] * 1000})
    assert wrong.status_code == 400 and len(wrong.json()["errors"]) == 100
    huge = alice.post(CONFIGS, content=b"[" * 2_000_000, headers={"Content-Type": "application/json"})
    assert huge.status_code == 413
    assert login("bob").get(made["links"]["self"]).status_code == 404
