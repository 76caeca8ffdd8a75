"""Submissions with values that no honest caller sends: each is a 4xx that names its field, and none is kept."""

import time
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import BATCH, run
from tests.e2e.hostile import KEY, LIVE, PROBLEM, assert_refused

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NO_NUMBERS: list[Any] = ["0.05", True, False, [], {}, "", "1e3", "\u0663"]
FAR_NUMBERS: list[Any] = [1e20, -1e20, 1e308, 10**30, -(10**30), 2**63, 2**64]


BODIES: list[tuple[dict[str, Any], str]] = [
    # numbers
    *(({"selector": {"strike": {"max": far}}}, "selector.strike.max") for far in [*FAR_NUMBERS, *NO_NUMBERS]),
    *(({"selector": {"strike": {"min": far}}}, "selector.strike.min") for far in [*FAR_NUMBERS, -1e-9]),
    *(({"selector": {"moneyness": {"max": far}}}, "selector.moneyness.max") for far in [*FAR_NUMBERS, *NO_NUMBERS]),
    *(({"params": {"rate": far}}, "params.rate") for far in [*FAR_NUMBERS, *NO_NUMBERS, 1.0000001, -0.51]),
    *(({"params": {"dividend_yield": far}}, "params.dividend_yield") for far in [*FAR_NUMBERS, *NO_NUMBERS]),
    *(({"params": {"max_quote_age_seconds": far}}, "params.max_quote_age_seconds") for far in [*FAR_NUMBERS, "60", 0]),
    # flags
    *(({name: value}, name) for name in ("reuse", "dry_run", "async") for value in ("true", 1, 0, "yes", None, [])),
    # texts
    *(
        ({"selector": {"underlying": text}}, "selector.underlying")
        for text in ("x" * 121, "a\0b", 5, True, "", "'\"--")
    ),
    *(({"selector": {"exchange": text}}, "selector.exchange") for text in ("x" * 33, "\0", 5, [])),
    *(({"kind": text}, "kind") for text in ("x" * 5000, 5, None, ["greeks"], "\0")),
    *(({"params": {"model": text}}, "params.model") for text in ("x" * 5000, 5, None, {}, "\0")),
    # lists
    ({"selector": {"expiries": ["2026-03-30"] * 10_001}}, "selector.expiries"),
    ({"selector": {"expiries": "2026-03-30"}}, "selector.expiries"),
    ({"selector": {"expiries": {"0": "2026-03-30"}}}, "selector.expiries"),
    *(
        ({"selector": {"expiries": [day]}}, "selector.expiries[0]")
        for day in (
            "20260330",
            "2026-W14-1",
            "2026-02-30",
            "0000-01-01",
            "10000-01-01",
            "\u0662\u0660\u0662\u0666-03-30",
            5,
            None,
            "x" * 5000,
        )
    ),
    # instants
    *(
        ({"as_of": text}, "as_of")
        for text in (
            *("0001-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1900-12-31"),
            *("2200-01-01", "2026-03-02T24:00", "2026-03-02T23:59:60Z", "2026-03-02T10:00:00+24:00", "20260302"),
            *(
                '2026-03-02T10:00:00"+05:30',
                "2026-03-02T10:00:00x+05:30",
                "2026-W10-1",
                "\u0662\u0660\u0662\u0666-03-02",
                "1e9",
                "now",
            ),
            *("2026-03-02T10", "2026-03-02\0", "x" * 5000, 1772427600, True, [], {}),
        )
    ),
    # names
    ({"x" * 5000: 1}, "x" * 199 + "…"),
    ({"params": {"__proto__": 1}}, "params.__proto__"),
    # webhooks
    *(
        ({"webhook": {"url": url, "secret": SECRET}}, "webhook.url")
        for url in (
            *("http://[v1.x]:1/", "https://[::1", "https://[fe80::1%25eth0]/", "https://[::ffff:127.0.0.1]/"),
            *(
                "https://[2606:4700::1111]evil.example/",
                "https://[]/",
                "https://example.com:0/",
                "https://example.com:22/",
            ),
            *(
                "https://example.com:65536/",
                "https://example.com:99999999/",
                "https://example.com:\u0668\u0660/",
                "https://bücher.de/",
            ),
            *(
                "https://user:secret@example.com/",
                "https://example.com/#x",
                "https://example.com/ x",
                "ftp://example.com/",
            ),
            *("https://", "https:///x", "//example.com/", "", "https://0x7f000001/", "https://127.1/", "https://a\0b/"),
            *("https://example.com/" + "x" * 10_000, 5, None, ["https://example.com/"]),
        )
    ),
    *(
        ({"webhook": {"url": "https://example.com/", "secret": secret}}, "webhook.secret")
        for secret in ("", "whsec_", "whsec_é" + "A" * 40, "whsec_" + "A" * 5000, "x" * 32, 5, None, "whsec_\0")
    ),
]


@pytest.mark.parametrize("door", ["jobs", "greeks"])
def test_every_field_of_a_submission(alice: httpx.Client, door: str) -> None:
    before = alice.get(f"{BATCH}/statistics").json()["jobs"]["total"]
    for body, field in BODIES:
        if door == "greeks" and "kind" in body:
            continue
        whole = {"kind": "greeks"} if door == "jobs" else {}
        whole |= {} if "selector" in body else {"items": [KEY]}
        if "selector" in body and field.split(".")[1] not in ("underlying", "exchange"):
            body = {"selector": {"underlying": "SIM@NIFTY", **body["selector"]}}
        assert_refused(alice.post(f"{BATCH}/{door}", json={**whole, **body}), field)
    assert alice.get(f"{BATCH}/statistics").json()["jobs"]["total"] == before


@pytest.mark.parametrize(
    "number", ["1" + "0" * 400, "-1" + "0" * 400, "1e400", "1" + "0" * 5000, "NaN", "-Infinity", "0x10"]
)
def test_numbers_that_no_float_holds(alice: httpx.Client, number: str) -> None:
    for text in (f'{{"strike": {{"max": {number}}}}}', f'{{"moneyness": {{"min": {number}}}}}'):
        content = f'{{"kind": "greeks", "selector": {text}}}'
        answer = alice.post(f"{BATCH}/jobs", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (400, PROBLEM)


def test_lone_surrogates_and_broken_text(alice: httpx.Client) -> None:
    for content in (
        rb'{"kind": "greeks", "items": ["\ud800"]}',
        b'{"kind": "greeks", "items": ["\xff"]}',
        b'"\xc0\x80"',
    ):
        answer = alice.post(f"{BATCH}/jobs", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (400, PROBLEM)


OVERRIDES: list[tuple[dict[str, Any], str]] = [
    *(({"price": far}, "price must be over 0") for far in [0, -0.0, -1, *FAR_NUMBERS]),
    *(({"price": no}, "price must be a number") for no in NO_NUMBERS),
    *(({"volatility": far}, "volatility must be over 0") for far in [20.1, 0, *FAR_NUMBERS]),
    *(({"rate": far}, "rate must be from") for far in FAR_NUMBERS),
    *(({"custom_id": text}, "custom_id must be a string") for text in ("", "x" * 129, "a\0", 5, True, [])),
    ({"instrument_key": "x" * 121}, "instrument_key must be a string"),
    ({"x" * 5000: 1}, "unknown field"),
]


def test_every_field_of_an_item_is_answered_in_its_place(alice: httpx.Client) -> None:
    items = [{"instrument_key": KEY, **more} for more, _ in OVERRIDES]
    answer = alice.post(f"{BATCH}/greeks", json={"items": [KEY, *items], "as_of": "2026-03-02T11:00:00+05:30"})
    assert answer.status_code == 200, answer.text
    first, *rows = answer.json()["data"]
    assert first["status"] == "ok"
    for row, (more, reason) in zip(rows, OVERRIDES, strict=True):
        assert row["status"] == "bad_input" and row["reason"].startswith(reason), (more, row)
        assert len(row["reason"]) < 500


def test_one_items_exchange_does_not_sink_the_others(alice: httpx.Client) -> None:
    answer = alice.post(f"{BATCH}/greeks", json={"items": ["NOWHERE@NIFTY", KEY], "as_of": "2026-03-02T11:00:00"})
    assert [row["status"] for row in answer.json()["data"]] == ["bad_input", "ok"], answer.text


def test_the_edges_of_what_is_allowed(alice: httpx.Client) -> None:
    edges = {"min": -0.0, "max": 1e12}
    for strike in (edges, {"min": 5e-324, "max": 999_999_999_999.999_999}, {"min": 0.1 + 0.2}):
        job, rows = run(alice, selector={"underlying": "SIM@NIFTY", "strike": strike, "moneyness": edges})
        assert job["status"] == "completed" and job["selector"]["strike"] == strike
        assert len(rows) > 1000


def test_five_thousand_copies_of_an_expiry_are_one(alice: httpx.Client) -> None:
    _, rows = run(alice, selector={"underlying": "SIM@NIFTY"})
    expiry, other = sorted({row["instrument_key"].split("@")[3] for row in rows})[:2]
    selector = {"underlying": "SIM@NIFTY", "expiries": [other, expiry] * 2500}
    begun = time.perf_counter()
    answer = alice.post(f"{BATCH}/jobs", json={"kind": "greeks", "selector": selector})
    assert time.perf_counter() - begun < 2
    assert answer.status_code == 202 and answer.json()["selector"]["expiries"] == [other, expiry]
    selector["expiries"].append("1999-01-01")
    answer = alice.post(f"{BATCH}/jobs", json={"kind": "greeks", "selector": selector})
    assert_refused(answer, "selector.expiries[5000]")


def test_too_many_values_are_refused_before_any_is_looked_at(alice: httpx.Client) -> None:
    begun = time.perf_counter()
    answer = alice.post(f"{BATCH}/jobs", json={"kind": "greeks", "selector": {"expiries": [1] * 150_000}})
    assert_refused(answer, "selector.expiries")
    answer = alice.post(f"{LIVE}/greeks", json={"instrument_keys": [1] * 80_000})
    assert_refused(answer, "instrument_keys")
    assert time.perf_counter() - begun < 2


def test_a_hundred_unknown_fields_are_named(alice: httpx.Client) -> None:
    answer = alice.post(f"{BATCH}/jobs", json={"kind": "greeks", **{f"x{n}": 1 for n in range(100_000)}})
    assert answer.status_code == 400 and [row["field"] for row in answer.json()["errors"]] == [
        f"x{n}" for n in range(100)
    ]
