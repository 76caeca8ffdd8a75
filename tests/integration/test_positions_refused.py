"""Portfolios over HTTP that are refused, and the largest one of what nobody knows."""

from typing import Any

import orjson
import pytest
from django.test import Client

from tests.integration.portfolios import ADDRESS, FUTURE, NEAR, NIFTY, http, market, post

__all__ = ["http", "market"]  # fixtures

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("legs", "field"),
    [
        (None, "legs"),
        ([], "legs"),
        ({}, "legs"),
        ("x", "legs"),
        ([[]], "legs[0]"),
        ([{"quantity": 1}], "legs[0].instrument_key"),
        ([{"instrument_key": FUTURE}], "legs[0].quantity"),
        ([{"instrument_key": FUTURE, "quantity": "1"}], "legs[0].quantity"),
        ([{"instrument_key": FUTURE, "quantity": 1e13}], "legs[0].quantity"),
        ([{"instrument_key": FUTURE, "quantity": 1, "volatility": 0.2}], "legs[0].volatility"),
        ([{"instrument_key": FUTURE, "quantity": 1, "lot_size": 0}], "legs[0].lot_size"),
        ([{"instrument_key": FUTURE, "quantity": 1, "price_paid": -1}], "legs[0].price_paid"),
        ([{"instrument_key": FUTURE, "quantity": 1, "q" * 100: 1}], f"legs[0].{'q' * 50}"),
        ([{"instrument_key": NIFTY, "quantity": 1}], "legs[0].instrument_key"),
        ([{"instrument_key": "a\x00b", "quantity": 1}], "legs[0].instrument_key"),
        ([{"instrument_key": 'NSE@X"\r\n@equity_spot', "quantity": 1}], "legs[0].instrument_key"),
        ([{"instrument_key": FUTURE, "underlying": "NIFTY", "quantity": 1}], "legs[0].instrument_key"),
        ([{"underlying": "NIFTY", "expiry": "0001-01-01", "quantity": 1}], "legs[0].expiry"),
        ([{"underlying": "NIFTY", "expiry": NEAR, "strike": 100, "quantity": 1}], "legs[0].option_type"),
        ([{"underlying": ["NIFTY"], "quantity": 1}], "legs[0].underlying"),
        ([{"underlying": "NIFTY", "exchange": "nse", "quantity": 1}], "legs[0].exchange"),
        ([{"instrument_key": FUTURE, "quantity": 1}] * 10_001, "legs"),
    ],
)
def test_what_is_wrong_is_named(http: Client, legs: Any, field: str) -> None:
    assert post(http, legs, 400)["errors"][0]["field"] == field


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"legs":' + b"[" * 100_000,
        b'{"legs":[{"instrument_key":"x","quantity":' + b"9" * 401 + b"}]}",
        b'{"legs":[{"instrument_key":"x","quantity":NaN}]}',
        b'{"legs":[{"instrument_key":"x","quantity":1}],"params":7}',
        b'{"legs":[{"instrument_key":"x","quantity":1}],"params":null}',
        b'{"legs":[{"instrument_key":"x","quantity":1}],"leg":7}',
        b'{"legs":[{"instrument_key":"x","quantity":1}],"as_of":"0001-01-01"}',
        b'{"legs":[{"instrument_key":"x","quantity":1}],"params":{"spot_shocks":[' + b"0," * 1000 + b"0]}}",
    ],
)
def test_a_hostile_body_is_refused(http: Client, body: bytes) -> None:
    found = http.post(ADDRESS, body, content_type="application/json")
    assert found.status_code == 400 and orjson.loads(found.content)["status"] == 400


def test_ten_thousand_legs_of_what_nobody_knows(http: Client) -> None:
    legs = [{"underlying": f"N{place}", "quantity": 1} for place in range(10_000)]
    found = post(http, legs)
    assert found["net"]["legs_left_out"] == 10_000 and len(found["underlyings"]) == 10_000
    assert {leg["status"] for leg in found["legs"]} == {"no_price"}


def test_strangers_are_refused() -> None:
    assert Client().post(ADDRESS, b"{}", content_type="application/json").status_code in (401, 403)
