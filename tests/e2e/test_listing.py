"""The listing over HTTP, against the running service: what it answers, and what it refuses."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from django.conf import settings

from realtime.core.names import Names
from signals.instruments.serializers import ExpirySerializer, InstrumentDetailSerializer, InstrumentSerializer
from signalsite.foundation.redis import client as redis_client
from tests.e2e.conftest import AT, BATCH

PREFIX = "/api/v2/signals"
KEY = "SIM@NIFTY@equity_options@2026-03-30@call@24000"
SPOT = "SIM@NIFTY@equity_spot"
PROBLEM = "application/problem+json"


@pytest.fixture
def live(address: str) -> Iterator[None]:
    """One option of the market has a live state."""
    redis, name = redis_client(settings.REDIS_URL), Names().latest("SIM@NIFTY")
    redis.hset(name, KEY, b"{}")
    yield
    redis.hdel(name, KEY)


def walk(client: httpx.Client, path: str, **query: Any) -> Iterator[dict[str, Any]]:
    """Follow the Link header from page to page."""
    url, parameters = f"{PREFIX}/{path}", {key: str(value) for key, value in query.items()}
    while True:
        answer = client.get(url, params=parameters or None).raise_for_status()
        page = answer.json()
        yield from page["data"]
        assert (page["next_cursor"] is None) == ("next" not in answer.links)
        if page["next_cursor"] is None:
            return
        url, parameters = answer.links["next"]["url"], {}


def test_underlyings(alice: httpx.Client) -> None:
    rows = list(walk(alice, "underlyings", exchange="SIM", limit=1))
    assert {row["key"] for row in rows} >= {"SIM@NIFTY", "SIM@BANKNIFTY", "SIM@INDIAVIX"}
    nifty = next(row for row in rows if row["key"] == "SIM@NIFTY")
    assert nifty == {
        "key": "SIM@NIFTY",
        "exchange": "SIM",
        "symbol": "NIFTY",
        "spot_key": SPOT,
        "volatility_index_key": "SIM@INDIAVIX@equity_spot",
        "pricing_model": "bsm",
        "exercise": "european",
        "dividend_yield": 0.0,
    }


def test_a_bare_symbol_is_an_underlying_that_has_it(alice: httpx.Client) -> None:
    """Other tests import NSE's contracts into the same service, and NSE is the default exchange."""
    answer = alice.get(f"{PREFIX}/underlyings/NIFTY/expiries").raise_for_status().json()
    assert answer["underlying"] in {"SIM@NIFTY", "NSE@NIFTY"}


def test_expiries(alice: httpx.Client) -> None:
    answer = alice.get(f"{PREFIX}/underlyings/SIM@NIFTY/expiries").raise_for_status().json()
    assert answer["underlying"] == "SIM@NIFTY"
    rows = answer["data"]
    assert [row["expiry"] for row in rows] == sorted(row["expiry"] for row in rows)
    assert rows[0].keys() == ExpirySerializer().fields.keys()
    march = next(row for row in rows if row["expiry"] == "2026-03-30")
    assert march["options"] == 2 * march["strikes"] and march["futures"] == 1
    assert march["lowest_strike"] < 24_000 < march["highest_strike"]
    assert march["expires_at"] == "2026-03-30T10:10:00+00:00"
    assert march["days_to_expiry"] < 0  # the market's instant is long past


def test_a_chain_by_pages(alice: httpx.Client, live: None) -> None:
    query = {"underlying": "SIM@NIFTY", "expiry_min": "2026-03-30", "expiry_max": "2026-03-30"}
    rows = list(walk(alice, "instruments", limit=7, **query))
    options = [row for row in rows if row["right"]]
    assert rows[0]["product"] == "equity_futures" and len(options) == len(rows) - 1
    assert [(row["strike"], row["right"]) for row in options] == sorted(
        (row["strike"], row["right"]) for row in options
    )
    assert len({row["instrument_key"] for row in rows}) == len(rows)
    row = next(row for row in rows if row["instrument_key"] == KEY)
    assert row.keys() == InstrumentSerializer().fields.keys()
    assert row["strike"] == 24_000.0 and row["right"] == "call" and row["expiry"] == "2026-03-30"
    assert row["lot_size"] == 75 and row["tick_size"] == 0.05
    assert [row["instrument_key"] for row in rows if row["live"]] == [KEY]
    strikes = list(walk(alice, "instruments", strike_min="23950", strike_max="24050.5", right="put", **query))
    assert {row["strike"] for row in strikes} == {23_950.0, 24_000.0, 24_050.0}


def test_what_is_live(alice: httpx.Client, live: None) -> None:
    options = {"underlying": "SIM@NIFTY", "product": "equity_options"}  # other tests publish its spot
    assert [row["instrument_key"] for row in walk(alice, "instruments", live="true", **options)] == [KEY]
    everything = {row["instrument_key"] for row in walk(alice, "instruments")}
    others = {row["instrument_key"] for row in walk(alice, "instruments", live="false", limit=500)}
    assert KEY in everything - others and len(others) > 2_000


def test_one_instrument_with_its_newest_quote(alice: httpx.Client, live: None) -> None:
    option = alice.get(f"{PREFIX}/instruments/{KEY}").raise_for_status().json()
    assert option.keys() == InstrumentDetailSerializer().fields.keys()
    assert option["live"] is True
    assert option["quote"]["source"] == "simulation" and option["quote"]["time"] == "2026-03-02T05:30:00+00:00"
    assert 0 < option["quote"]["bid"] < option["quote"]["ask"]
    spot = alice.get(f"{PREFIX}/instruments/SIM@BANKNIFTY@equity_spot").raise_for_status().json()
    assert (spot["live"], spot["right"], spot["strike"], spot["days_to_expiry"]) == (False, None, None, None)
    assert spot["quote"]["last"] > 0 and spot["quote"]["bid"] is None


def test_what_did_not_change_is_not_sent_again(alice: httpx.Client) -> None:
    for path in ("underlyings", "underlyings/NIFTY/expiries", "instruments?limit=5", f"instruments/{KEY}"):
        first = alice.get(f"{PREFIX}/{path}").raise_for_status()
        again = alice.get(f"{PREFIX}/{path}", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b""), path
        assert set(first.headers["Cache-Control"].split(", ")) == {"private", "no-cache"}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"as_of": AT},
        {"as_of": "2026-03-02T11:00:00", "rate": "0.05", "model": "black76"},
        {"as_of": AT, "forward": "spot", "dividend_yield": "1.2e-2", "day_count": "calendar_days", "price": "last"},
        {"as_of": "2026-03-01", "max_quote_age_seconds": "3600"},  # before any quote
    ],
)
def test_greeks_of_one_instrument_are_those_of_a_posted_item(alice: httpx.Client, params: dict[str, str]) -> None:
    found = alice.get(f"{PREFIX}/instruments/{KEY}/greeks", params=params).raise_for_status().json()
    numbers = ("rate", "dividend_yield", "max_quote_age_seconds")
    given = {name: float(text) if name in numbers else text for name, text in params.items() if name != "as_of"}
    body = {"items": [KEY], "params": given, **({"as_of": params["as_of"]} if "as_of" in params else {})}
    posted = alice.post(f"{BATCH}/greeks", json=body).raise_for_status().json()
    assert found["greeks"] == posted["data"][0]
    assert (found["as_of"], found["params"], found["forwards"]) == (
        posted["as_of"],
        posted["params"],
        posted["forwards"],
    )
    if "max_quote_age_seconds" not in params:
        assert found["greeks"]["status"] == "ok" and 0 < found["greeks"]["delta"] < 1


BAD_TEXTS = ["", "x" * 5_000, "\0", "'\"--", "١٢", "{}", "[1]", "%", "None"]
BAD_NUMBERS = [*BAD_TEXTS, "NaN", "inf", "-inf", "1" + "0" * 400, "1_0", "0x1", " 1", "1,5", "1e"]
BAD_STRIKES = [*BAD_NUMBERS, "-1", "1e3", "1" * 13, "0.0000001"]
BAD_INSTANTS = [*BAD_TEXTS, "0001-01-01", "9999-12-31T23:59:59Z", "2026-02-30", "yesterday"]
BAD_DAYS = [*BAD_TEXTS, "0001-01-00", "2026-02-30", "10000-01-01", "20260330", "2026-W14-1", "2026-03-30T00:00"]
REFUSED: list[tuple[str, str, list[str]]] = [
    ("underlyings", "limit", [*BAD_NUMBERS, "0", "-1", "5001", "1.5"]),
    ("underlyings", "exchange", [*BAD_TEXTS, "sim", "NOWHERE"]),
    ("underlyings", "cursor", [*BAD_TEXTS, "@", "a@b"]),
    ("underlyings", "nonsense", ["1"]),
    ("underlyings/NIFTY/expiries", "nonsense", ["1"]),
    ("instruments", "underlying", [*BAD_TEXTS, "NOBODY", "SIM@NOBODY", "@", "SIM@", "SIM@NIFTY@"]),
    ("instruments", "exchange", [*BAD_TEXTS, "NOWHERE"]),
    ("instruments", "product", [*BAD_TEXTS, "option"]),
    ("instruments", "right", [*BAD_TEXTS, "CALL", "straddle"]),
    *(("instruments", name, BAD_DAYS) for name in ("expiry_min", "expiry_max")),
    *(
        ("instruments", name, [*BAD_NUMBERS, "-1", "1e3", "1" * 13, "0.0000001"])
        for name in ("strike_min", "strike_max")
    ),
    ("instruments", "live", [*BAD_TEXTS, "1", "True", "yes"]),
    ("instruments", "limit", [*BAD_NUMBERS, "0", "5001"]),
    ("instruments", "cursor", [*BAD_TEXTS, "-1", "0", "SIM@NOBODY@equity_spot"]),
    ("instruments", "keys", ["1"]),
    (f"instruments/{KEY}", "as_of", [AT]),
    (
        f"instruments/{KEY}/greeks",
        "as_of",
        [*BAD_TEXTS, "0001-01-01", "9999-12-31T23:59:59Z", "2026-02-30", "yesterday"],
    ),
    *(
        (f"instruments/{KEY}/greeks", name, [*BAD_NUMBERS, "1e308", "-1e999"])
        for name in ("rate", "dividend_yield", "max_quote_age_seconds")
    ),
    *(
        (f"instruments/{KEY}/greeks", name, [*BAD_TEXTS, "0", "null"])
        for name in ("model", "forward", "day_count", "price", "fallback_volatility", "iv_from", "quote_iv", "theta")
    ),
    (f"instruments/{KEY}/greeks", "custom_id", ["mine"]),
    *(
        (f"instruments/{KEY}/greeks", name, [*BAD_NUMBERS, "0", "-1", "null", "1e308"])
        for name in ("volatility", "underlying_price", "expiry_years")
    ),
]


@pytest.mark.parametrize(("path", "field", "texts"), REFUSED)
def test_a_bad_parameter_is_refused_by_its_name(alice: httpx.Client, path: str, field: str, texts: list[str]) -> None:
    for text in texts:
        answer = alice.get(f"{PREFIX}/{path}", params={field: text})
        assert answer.status_code == 400, (text[:50], answer.text[:300])
        assert answer.headers["Content-Type"] == PROBLEM
        assert {error["field"] for error in answer.json()["errors"]} == {field}, (text[:50], answer.text[:300])
        assert len(answer.content) < 20_000


def test_bounds_the_wrong_way_round_are_refused(alice: httpx.Client) -> None:
    for name, least, most in (("expiry", "2026-03-30", "2026-03-29"), ("strike", "2", "1.5")):
        answer = alice.get(f"{PREFIX}/instruments", params={f"{name}_min": least, f"{name}_max": most})
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == [f"{name}_max"]


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("underlyings/SIM@NOBODY/expiries", 404, None),
        ("underlyings/NOBODY/expiries", 404, None),
        ("underlyings/sim@nifty/expiries", 400, "underlying"),
        ("underlyings/%00/expiries", 400, "underlying"),
        (f"underlyings/{'X' * 5_000}/expiries", 400, "underlying"),
        ("instruments/SIM@NIFTY@equity_options@2026-03-30@call@24001", 404, None),
        ("instruments/SIM@NOBODY@equity_spot", 404, None),
        ("instruments/NOBODY/USDT", 404, None),
        ("instruments/nonsense", 400, "instrument_key"),
        ("instruments/SIM@NIFTY@equity_options@2026-02-30@call@24000", 400, "instrument_key"),
        ("instruments/%00", 400, "instrument_key"),
        ("instruments/a/b/c/d", 400, "instrument_key"),
        (f"instruments/{quote(KEY + '0' * 5_000)}", 400, "instrument_key"),
        (f"instruments/{SPOT}/greeks", 400, "instrument_key"),
        ("instruments/nonsense/greeks", 400, "instrument_key"),
        ("instruments/SIM@NIFTY/greeks", 400, "instrument_key"),
        ("instruments/BTC/USDT/greeks", 400, "instrument_key"),
    ],
)
def test_an_address_of_nothing(alice: httpx.Client, path: str, status: int, field: str | None) -> None:
    answer = alice.get(f"{PREFIX}/{path}")
    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["Content-Type"] == PROBLEM
    named = [error["field"] for error in answer.json().get("errors", [])]
    assert named == ([] if field is None else [field])


def test_nothing_is_listed_to_strangers(address: str) -> None:
    for path in ("underlyings", "underlyings/NIFTY/expiries", "instruments", f"instruments/{KEY}/greeks"):
        assert httpx.get(f"{address}{PREFIX}/{path}").status_code == 401


def test_other_methods_are_refused(alice: httpx.Client) -> None:
    for path in ("underlyings", "instruments", f"instruments/{KEY}", f"instruments/{KEY}/greeks"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert alice.request(method, f"{PREFIX}/{path}", json={}).status_code == 405, (method, path)


def test_forty_readers_at_once(alice: httpx.Client) -> None:
    paths = [
        "instruments?live=false&limit=50",
        "instruments?limit=500",
        f"instruments/{KEY}/greeks",
        "underlyings",
    ] * 10

    def read(path: str) -> int:
        with httpx.Client(base_url=alice.base_url, headers=alice.headers, timeout=60) as client:
            return client.get(f"{PREFIX}/{path}").status_code

    with ThreadPoolExecutor(40) as pool:
        assert set(pool.map(read, paths)) == {200}
