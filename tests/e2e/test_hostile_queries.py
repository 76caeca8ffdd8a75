"""Queries, paths and identifiers with values that no honest caller sends: each is a 4xx that names its field."""

import base64
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import BATCH, run
from tests.e2e.hostile import KEY, LIVE, PROBLEM, assert_refused


def _cursor(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


HISTORY = "/api/v2/signals/historical"
BARS = f"{HISTORY}/bars/SIM@NIFTY@equity_spot"
QUERIES: list[tuple[str, dict[str, Any], str]] = [
    *(
        (f"{BATCH}/jobs", {"limit": value}, "limit")
        for value in ("0", "-1", "201", "1_0", "5.0", "\u0665", "1e2", "", "9" * 5000, "0x5", "true")
    ),
    *(
        (f"{BATCH}/jobs", {"cursor": value}, "cursor")
        for value in (
            *("x", "\0", "é", "x" * 501, "", _cursor("p=abc"), _cursor("p=abc&r=1"), _cursor("o=x"), _cursor("o=-1")),
            *(_cursor("r=x"), _cursor("p=2026-13-01"), _cursor("p=%00")),
        )
    ),
    *((f"{BATCH}/jobs", {"status": value}, "status") for value in ("asleep", "", "completed ", "\0", "x" * 5000)),
    *(
        (f"{BATCH}/jobs", {"created_after": value}, "created_after")
        for value in (
            *(
                "yesterday",
                "2026-03-02T24:00",
                "2026-03-02T23:59:60Z",
                '2026-03-02T10:00:00"+05:30',
                "2026-13-01",
                "1e9",
            ),
            *("10000-01-01", "0000-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "", "2026-W10-1"),
        )
    ),
    *((f"{BATCH}/jobs", {name: "1"}, name) for name in ("page", "offset", "format", "fields", "x" * 100)),
    *(("results", {"cursor": value}, "cursor") for value in ("-2", "x", "2147483648", "1" * 5000, "1_0", "1.0", "")),
    *(("results", {"limit": value}, "limit") for value in ("0", "10001", "1" * 400, "5.0", "\u0661")),
    *(("results", {"status": value}, "status") for value in ("OK", "a" * 33, "a'b", "\0")),
    *(("results", {name: "1"}, name) for name in ("fields", "format", "page")),
    *(
        (door, {"format": value}, "format")
        for door in ("export", "errors")
        for value in ("xml", "", "CSV", "\0", "x" * 999)
    ),
    *(("export", {"status": value}, "status") for value in ("OK", "a'b", "x" * 999)),
    *(("errors", {name: "ok"}, name) for name in ("status", "limit")),
    *(
        (f"{LIVE}/chain/SIM@NIFTY", {"strikes": value}, "strikes")
        for value in (
            *(
                "1" + "0" * 30,
                "-1",
                "1001",
                "1e3",
                "\u0663",
                "1_0",
                "",
                "nan:nan",
                "inf:1",
                "5:1",
                "1:2:3",
                ":",
                "1:",
                "all,",
            ),
            *("1e5:1e6", "1" * 13 + ":" + "2" * 13, "9" * 5000),
        )
    ),
    *(
        (f"{LIVE}/chain/SIM@NIFTY", {"expiry": value}, "expiry")
        for value in ("soon", "20260330", "2026-02-30", "0000-01-01", "10000-01-01", "2026-03-30T00:00", "", "\0")
    ),
    (f"{LIVE}/chain/SIM@NIFTY", {"strike": "5"}, "strike"),
    *(
        (f"{LIVE}/greeks", {"keys": value}, "keys")
        for value in ("", ",", ",".join(["A@B"] * 501), "\0", "SIM@NIFTY'", 'A@"', "é@B", "A" * 20_001)
    ),
    *((f"{LIVE}/greeks", {"keys": value}, "keys[0]") for value in ("x", "LSE@X", "A" * 300)),
    (f"{LIVE}/greeks", {"keys": KEY, "fields": "delta"}, "fields"),
    *(
        (BARS, {"timeframe": value, "start_time": "2026-03-01"}, "timeframe")
        for value in (
            *("", "7", "m", "0m", "-7m", "7M", "7.5m", "1e3m", "\u0667m", " 7m", "7m\0", "25h", "3661d", "121mo"),
            *("9" * 5000 + "m", "'", "nan"),
        )
    ),
    *(
        (BARS, {"timeframe": "7m", "start_time": "2026-03-01", name: value}, name)
        for name in ("start_time", "end_time", "cursor")
        for value in (
            *("", "soon", "20260330", "2026-02-30", "0000-01-01", "0001-01-01", "9999-12-31", "10000-01-01", "1e400"),
            *("2026-03-30T10:00:00x+05:30", "2026-W10-1", "nan", "\0", "x" * 5000),
        )
    ),
    (BARS, {"timeframe": "7m", "start_time": "2026-03-02", "end_time": "2026-03-01"}, "end_time"),
    *(
        (BARS, {"timeframe": "7m", "start_time": "2026-03-01", "anchor": value}, "anchor")
        for value in ("", "day", "\0")
    ),
    *(
        (BARS, {"timeframe": "7m", "start_time": "2026-03-01", "limit": value}, "limit")
        for value in ("0", "10001", "1" * 400, "5.0", "\u0661")
    ),
    (BARS, {"timeframe": "7m"}, "start_time"),
    (BARS, {"start_time": "2026-03-01"}, "timeframe"),
    (BARS, {"timeframe": "7m", "start_time": "2026-03-01", "from": "x"}, "from"),
    (f"{HISTORY}/available-timeframes/SIM@NIFTY@equity_spot", {"timeframe": "7m"}, "timeframe"),
    (f"{LIVE}/greeks", {}, "keys"),
]


@pytest.fixture(scope="module")
def ended(login: Any) -> dict[str, Any]:
    job, _ = run(login("alice"), items=[KEY])
    return job


def test_every_parameter_of_a_query(alice: httpx.Client, ended: dict[str, Any]) -> None:
    for door, query, field in QUERIES:
        assert_refused(alice.get(ended["links"].get(door, door), params=query), field)


@pytest.mark.parametrize(
    "underlying",
    ["'NIFTY'", '"', "NIFTY%22%2C%22x", "%00", "nifty", "A@B@C", KEY, "%E2%82%B9", "X" * 300, "LSE@X", "%2e%2e"],
)
def test_underlyings_in_a_path(alice: httpx.Client, underlying: str) -> None:
    assert_refused(alice.get(f"{LIVE}/chain/{underlying}"), "underlying")
    if underlying != KEY:
        assert_refused(alice.get(f"{LIVE}/greeks/{underlying}"), "instrument_key")


@pytest.mark.parametrize(
    "keys", [[], ["x"] * 501, "SIM@NIFTY", {"0": "x"}, None, [5], [None], ["\0"], ["A" * 121], ['A@"'], [True]]
)
def test_instrument_keys_in_a_body(alice: httpx.Client, keys: Any) -> None:
    answer = alice.post(f"{LIVE}/greeks", json={"instrument_keys": keys})
    place = "" if not isinstance(keys, list) or not 1 <= len(keys) <= 500 else "[0]"
    assert_refused(answer, f"instrument_keys{place}")


@pytest.mark.parametrize(
    "job_id", ["null", "1", "%00", "..", "0" * 32, "00000000-0000-0000-0000-00000000000g", "%C0%80", "'"]
)
def test_identifiers_that_are_none(alice: httpx.Client, job_id: str) -> None:
    for rest in ("", "/results", "/export", "/errors"):
        answer = alice.get(f"{BATCH}/jobs/{job_id}{rest}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, PROBLEM), job_id
    for rest in ("/cancel", "/retry"):
        assert alice.post(f"{BATCH}/jobs/{job_id}{rest}").status_code == 404
