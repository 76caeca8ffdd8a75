"""Pages of a listing of 50,000 instruments: complete, in order, and read from an index."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection
from rest_framework.test import APIRequestFactory, force_authenticate

from realtime.snapshot.live_keys import live_among
from signals.instruments.listing import (
    FILTERS,
    MOST_ROUNDS,
    ROUND_ROWS,
    Page,
    find_listed,
    list_expiries,
    list_instruments,
    list_underlyings,
    page_query,
)
from signals.instruments.models import Instrument, Underlying
from signals.instruments.services import register_instruments
from signals.instruments.views import ExpiriesView, InstrumentsView, InstrumentView, UnderlyingsView, nobody_knows
from signalsite.embedded.service import free_port
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import parse_key

pytestmark = pytest.mark.django_db

CONTRACTS = 50_000
MOST_MILLISECONDS = 150.0
_CONTRACTS = """
INSERT INTO signals_instrument (key, underlying_id, product, expiry, expires_at, "right", strike, lot_size, tick_size)
SELECT format('SIM@%s@equity_options@%s@%s@%s', symbol, day, side, strike), 'SIM@' || symbol, 'equity_options', day,
       day + time '10:00', side, strike, 25, 0.05
FROM (SELECT format('MANY%s', to_char(n, 'FM000')) AS symbol FROM generate_series(1, 50) n) symbols,
     (SELECT date '2026-01-06' + 7 * n AS day FROM generate_series(0, 4) n) days,
     (SELECT 1000 + 10 * n AS strike FROM generate_series(0, 99) n) strikes, (VALUES ('call'), ('put')) sides(side)
"""
_SPOTS = """
INSERT INTO signals_instrument (key, underlying_id, product, "right")
SELECT key || '@equity_spot', key, 'equity_spot', '' FROM signals_underlying WHERE symbol LIKE 'MANY%'
"""
_UNDERLYINGS = """
INSERT INTO signals_underlying (key, exchange, symbol, spot_key, volatility_index_key, pricing_model, dividend_yield)
SELECT 'SIM@' || symbol, 'SIM', symbol, 'SIM@' || symbol || '@equity_spot', '', 'bsm', 0
FROM (SELECT format('MANY%s', to_char(n, 'FM000')) AS symbol FROM generate_series(1, 50) n) symbols
"""


@pytest.fixture
def many() -> None:
    with connection.cursor() as cursor:
        for statement in (_UNDERLYINGS, _CONTRACTS, _SPOTS, "ANALYZE signals_instrument", "ANALYZE signals_underlying"):
            cursor.execute(statement)
    assert Instrument.objects.count() >= CONTRACTS


@pytest.fixture
def few() -> list[str]:
    """One spot, one future, and options of two expiries, in the order of a listing."""
    texts = [
        "SIM@FEW@equity_spot",
        "SIM@FEW@equity_options@2026-03-24@call@90",
        "SIM@FEW@equity_options@2026-03-24@put@90",
        "SIM@FEW@equity_options@2026-03-24@call@102.5",
        "SIM@FEW@equity_futures@2026-03-30",
        "SIM@FEW@equity_options@2026-03-30@call@1000",
        "SIM@FEW@equity_options@2026-03-30@put@1000",
    ]
    register_instruments({text: parse_key(text) for text in reversed(texts)}, tick_size=Decimal("0.05"))
    return texts


def pages(limit: int, **wanted: Any) -> list[Page]:
    found, after = [], None
    options = {"live": None, "live_among": nobody_knows} | {
        name: wanted.pop(name) for name in ("live", "live_among") if name in wanted
    }
    while not found or after is not None:
        found.append(list_instruments(wanted, after=after, limit=limit, **options))
        after = found[-1].next_cursor
        assert len(found) < 100
    return found


def keys(found: list[Page]) -> list[str]:
    return [row.key for page in found for row in page.rows]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_hold_every_instrument_once_in_the_order_of_a_chain(few: list[str], limit: int) -> None:
    found = pages(limit, underlying="SIM@FEW")
    assert keys(found) == few
    assert all(len(page.rows) == limit for page in found[:-1])


@pytest.mark.parametrize(
    ("filters", "places"),
    [
        ({"product": "equity_spot"}, [0]),
        ({"product": "equity_futures"}, [4]),
        ({"right": "put"}, [2, 6]),
        ({"expiry_min": date(2026, 3, 25)}, [4, 5, 6]),
        ({"expiry_max": date(2026, 3, 24)}, [1, 2, 3]),
        ({"expiry_min": date(2026, 3, 24), "expiry_max": date(2026, 3, 24), "right": "call"}, [1, 3]),
        ({"strike_min": Decimal("102.5")}, [3, 5, 6]),
        ({"strike_max": Decimal("102.4999")}, [1, 2]),
        ({"exchange": "SIM", "strike_min": Decimal(1000), "strike_max": Decimal(1000)}, [5, 6]),
        ({"exchange": "NSE"}, []),
    ],
)
def test_filters(few: list[str], filters: dict[str, Any], places: list[int]) -> None:
    assert keys(pages(2, underlying="SIM@FEW", **filters)) == [few[place] for place in places]


def test_live_instruments_and_all_others(few: list[str]) -> None:
    def of_march_24(wanted: Any) -> list[bool | None]:
        return ["2026-03-24" in key for key in wanted]

    for live, places in ((True, [1, 2, 3]), (False, [0, 4, 5, 6])):
        found = pages(2, underlying="SIM@FEW", live=live, live_among=of_march_24)
        assert keys(found) == [few[place] for place in places]
        assert all(page.live == [live] * len(page.rows) for page in found)


def test_expiries_with_their_counts(few: list[str]) -> None:
    first, second = list_expiries("SIM@FEW")
    assert (first.expiry, first.options, first.futures, first.strikes) == (date(2026, 3, 24), 3, 0, 2)
    assert (second.expiry, second.options, second.futures, second.strikes) == (date(2026, 3, 30), 2, 1, 1)
    assert (float(first.lowest_strike), float(first.highest_strike)) == (90.0, 102.5)
    assert list_expiries("SIM@NOBODY") == []


def test_a_cursor_that_no_page_gave_is_refused(few: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        list_instruments({}, after="SIM@NOBODY@equity_spot", limit=1, live=None, live_among=nobody_knows)
    assert refused.value.field == "cursor"


def test_underlyings_by_page(many: None) -> None:
    found, after = [], ""
    while after is not None:
        rows, after = list_underlyings(exchange="SIM", after=after, limit=7)
        found += [row.key for row in rows]
    assert found == sorted(found) and len(set(found)) == len(found) >= 50
    assert list_underlyings(exchange="OKX", after="", limit=7) == ([], None)


DEEP = "SIM@MANY049@equity_options@2026-02-03@put@1500"
WANTED: list[tuple[dict[str, Any], str | None]] = [
    ({}, None),
    ({}, DEEP),
    ({"underlying": "SIM@MANY025"}, None),
    ({"underlying": "SIM@MANY025", "right": "call", "strike_min": Decimal(1900)}, None),
    ({"underlying": "SIM@MANY025", "expiry_min": date(2026, 2, 1)}, None),
    ({"exchange": "SIM", "expiry_min": date(2026, 2, 1), "expiry_max": date(2026, 2, 5)}, DEEP),
    ({"product": "equity_spot"}, None),
    ({"strike_min": Decimal(5000)}, None),
]


@pytest.mark.parametrize(("filters", "after"), WANTED)
def test_a_page_of_fifty_thousand_instruments_is_read_by_an_index(
    many: None, filters: dict[str, Any], after: str | None
) -> None:
    assert filters.keys() <= set(FILTERS)
    position: dict[str, Any] = {}
    if after is not None:
        row = find_listed(after)
        assert row is not None
        position = {"underlying_id": row.underlying, "expiry": row.expiry, "strike": row.strike, "right_": row.right}
        position["after"] = after
    query, parameters = page_query(filters, position, 1_001)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", parameters)
        (explained,) = cursor.fetchone()
    (plan,) = explained if isinstance(explained, list) else orjson.loads(explained)
    nodes = list(walk(plan["Plan"]))
    assert plan["Execution Time"] < MOST_MILLISECONDS
    assert not [node for node in nodes if node["Node Type"] == "Sort" and node["Actual Rows"] > 2_000], nodes
    if not filters:  # the page begins where the last one ended, and reads no row before that
        assert "instrument_listing" in {node.get("Index Name") for node in nodes}, nodes
        assert max(node["Actual Rows"] for node in nodes) <= 1_001
    if "underlying" in filters:
        assert not [node for node in nodes if node["Node Type"] == "Seq Scan" and node["Actual Rows"] > 1_000], nodes


def walk(node: dict[str, Any]) -> Any:
    yield node
    for child in node.get("Plans", ()):
        yield from walk(child)


def test_a_page_of_live_instruments_reads_so_many_and_no_more(many: None) -> None:
    asked: list[int] = []

    def none_is_live(wanted: Any) -> list[bool | None]:
        asked.append(len(wanted))
        return [False] * len(wanted)

    page = list_instruments({}, after=None, limit=10, live=True, live_among=none_is_live)
    assert page.rows == [] and page.next_cursor is not None
    assert asked == [ROUND_ROWS] * MOST_ROUNDS
    assert keys(pages(10, live=True, live_among=none_is_live)) == []
    assert sum(asked) - ROUND_ROWS * MOST_ROUNDS == Instrument.objects.count()


@pytest.fixture
def odd(few: list[str]) -> list[str]:
    """Rows that no importer writes: an unknown exchange, and a key outside the grammar. In the order of a listing."""
    Underlying.objects.create(key="FOO@X", exchange="FOO", symbol="X", spot_key="FOO@X@equity_spot")
    Underlying.objects.create(key="nifty spot", exchange="", symbol="nifty spot", spot_key="nifty spot")
    option = {"product": "equity_options", "expiry": date(2026, 3, 24), "right": "call", "strike": 90}
    option["expires_at"] = datetime(2026, 3, 24, tzinfo=UTC)
    Instrument.objects.create(key="FOO@X@equity_options@2026-03-24@call@90", underlying_id="FOO@X", **option)
    Instrument.objects.create(key="nifty spot", underlying_id="nifty spot", product="equity_spot")
    return ["FOO@X@equity_options@2026-03-24@call@90", "nifty spot"]


def walk_pages(view: Any, limit: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    query = {"limit": limit}
    while query:
        answer = get(view, f"?{urlencode(query)}")
        assert answer.status_code == 200, answer.data
        body = orjson.loads(answer.content)
        rows += body["data"]
        query = {**query, "cursor": body["next_cursor"]} if body["next_cursor"] else {}
    return rows


@pytest.mark.parametrize("limit", [1, 100])
def test_an_odd_row_takes_no_page_along(odd: list[str], few: list[str], limit: int) -> None:
    found = {row["instrument_key"]: row for row in walk_pages(InstrumentsView, limit)}
    assert found.keys() >= {*few, *odd}
    option, spot = (found[key] for key in odd)
    assert (option["days_to_expiry"], option["expiry"], option["live"]) == (None, "2026-03-24", False)
    assert (spot["days_to_expiry"], spot["live"]) == (None, None)
    assert isinstance(found[few[1]]["days_to_expiry"], int) and found[few[1]]["live"] is False
    one = get(InstrumentView, instrument_key=odd[0])
    assert one.status_code == 200 and orjson.loads(one.content)["days_to_expiry"] is None
    for live in ("true", "false"):
        assert get(InstrumentsView, f"?live={live}").status_code == 200


@pytest.mark.parametrize("limit", [1, 100])
def test_an_odd_underlying_takes_no_page_along(odd: list[str], limit: int) -> None:
    listed = [row["key"] for row in walk_pages(UnderlyingsView, limit)]
    assert set(listed) >= {"SIM@FEW", "FOO@X", "nifty spot"} and len(listed) == len(set(listed))
    expiries = get(ExpiriesView, underlying="FOO@X")
    assert expiries.status_code == 200
    assert [row["days_to_expiry"] for row in orjson.loads(expiries.content)["data"]] == [None]


@pytest.mark.parametrize(
    ("field", "row"),
    [
        ("key", {"key": "nifty spot", "exchange": "SIM", "symbol": "NIFTY"}),
        ("key", {"key": "SIM@NIFTY@equity_spot", "exchange": "SIM", "symbol": "NIFTY"}),
        ("exchange", {"key": "FOO@NIFTY", "exchange": "FOO", "symbol": "NIFTY"}),
        ("exchange", {"key": "SIM@NIFTY", "exchange": "NSE", "symbol": "NIFTY"}),
        ("symbol", {"key": "SIM@NIFTY", "exchange": "SIM", "symbol": "nifty"}),
    ],
)
def test_an_odd_underlying_is_refused(field: str, row: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        Underlying(**row, spot_key="x").full_clean()
    assert refused.value.message_dict.keys() == {field}
    Underlying(**row, spot_key="x").full_clean(exclude=["key", "exchange", "symbol"])  # as its page in the admin does


@pytest.mark.parametrize(
    ("field", "row"),
    [
        ("key", {"key": "nifty spot", "underlying_id": "SIM@FEW"}),
        ("key", {"key": "SIM@FEW", "underlying_id": "SIM@FEW"}),
        ("key", {"key": "FOO@FEW@equity_spot", "underlying_id": "SIM@FEW"}),
        ("underlying", {"key": "SIM@OTHER@equity_spot", "underlying_id": "SIM@FEW"}),
    ],
)
def test_an_odd_instrument_is_refused(few: list[str], field: str, row: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as refused:
        Instrument(**row, product="equity_spot").full_clean()
    assert refused.value.message_dict.keys() == {field}
    Instrument(**row, product="equity_spot").full_clean(exclude=["key"])


def test_rows_of_the_grammar_are_accepted(few: list[str]) -> None:
    Underlying(key="SIM@NEW", exchange="SIM", symbol="NEW", spot_key="SIM@NEW@equity_spot").full_clean()
    Instrument(key="SIM@FEW@equity_futures@2026-04-30", underlying_id="SIM@FEW", product="equity_futures").full_clean()


def test_an_unknown_exchange_is_not_registered() -> None:
    with pytest.raises(InvalidInput, match="'FOO' is not known"):
        register_instruments({"FOO@X@equity_spot": parse_key("FOO@X@equity_spot")})


@pytest.fixture
def no_redis(settings: Any) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"


def get(view: Any, query: str = "", **captured: str) -> Any:
    request = APIRequestFactory().get(f"/{query}")
    force_authenticate(request, User(username="reader"))
    options = {"live_among": live_among} if hasattr(view, "live_among") else {}
    return view.as_view(**options)(request, **captured)


def test_without_redis_nobody_knows_what_is_live(few: list[str], no_redis: None) -> None:
    answer = get(InstrumentsView, "?underlying=SIM@FEW&limit=3")
    assert answer.status_code == 200
    assert [row["live"] for row in orjson.loads(answer.content)["data"]] == [None] * 3
    one = get(InstrumentView, instrument_key=few[0])
    assert one.status_code == 200 and orjson.loads(one.content)["live"] is None


@pytest.mark.parametrize("live", ["true", "false"])
def test_without_redis_a_filter_by_live_is_refused(few: list[str], no_redis: None, live: str) -> None:
    assert get(InstrumentsView, f"?underlying=SIM@FEW&live={live}").status_code == 503
