"""Usage of the API: counted in memory, written in batches, kept while PostgreSQL is away, deleted when old."""

import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from signalsite.models import ApiMetric
from signalsite.usage import counts, retention
from signalsite.usage.counts import LOST, NOBODY, REST, Count, Key, Usage, write

pytestmark = pytest.mark.django_db
ENDPOINT = "api/v2/signals/things/<path:key>"


class Store:
    """Writes as the service does, unless PostgreSQL is away."""

    def __init__(self) -> None:
        self.away = False

    def __call__(self, found: Mapping[Key, Count]) -> None:
        if self.away:
            raise OperationalError("the server is away")
        write(found)


def test_requests_are_summed_by_user_endpoint_method_and_class_of_status() -> None:
    usage = Usage(write)
    for user, method, status, seconds in [
        (7, "GET", 200, 0.1),
        (7, "GET", 204, 0.3),
        (7, "GET", 404, 0.1),
        (8, "PUT", 200, 1),
    ]:
        usage.add(user, ENDPOINT, method, status, seconds)
    usage.add(NOBODY, "", "PURGE\0'; --", 400, 0.5)  # no address and no method of a client's own
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert usage.flush() and usage.flush()
    assert len(queries) == 1
    rows = ApiMetric.objects.order_by("user_id", "status").values_list(
        "user_id", "endpoint", "method", "status", "requests", "seconds", "slowest"
    )
    assert list(rows) == [
        (NOBODY, REST, "OTHER", "4xx", 1, 0.5, 0.5),
        (7, ENDPOINT, "GET", "2xx", 2, pytest.approx(0.4), 0.3),
        (7, ENDPOINT, "GET", "4xx", 1, 0.1, 0.1),
        (8, ENDPOINT, "PUT", "2xx", 1, 1.0, 1.0),
    ]


def test_a_second_process_adds_to_the_same_rows() -> None:
    for seconds in (0.2, 0.1):
        usage = Usage(write)
        usage.add(7, ENDPOINT, "GET", 200, seconds)
        usage.flush()
    metric = ApiMetric.objects.get()
    assert (metric.requests, metric.seconds, metric.slowest) == (2, pytest.approx(0.3), 0.2)


def test_nothing_is_lost_while_postgresql_is_away() -> None:
    store = Store()
    usage = Usage(store)
    store.away = True
    for _ in range(3):
        usage.add(7, ENDPOINT, "GET", 200, 0.1)
        assert not usage.flush()
    store.away = False
    assert usage.flush() and ApiMetric.objects.get().requests == 3


def test_keys_are_bounded_and_the_rest_is_counted_without_them() -> None:
    store = Store()
    usage = Usage(store, most_keys=10)
    store.away = True
    for user in range(1, 500):
        usage.add(user, ENDPOINT, "GET", 200, 0.1)
        if user % 100 == 0:
            usage.flush()
    store.away = False
    before = LOST._value.get()
    usage.flush()
    rows = dict(ApiMetric.objects.values_list("user_id", "requests"))
    assert sum(rows.values()) == 499 and len(rows) == 11 and rows[NOBODY] == 489
    assert ApiMetric.objects.get(user_id=NOBODY).endpoint == REST and LOST._value.get() == before


def test_counts_of_many_threads_are_exact_while_others_write() -> None:
    lock, total = threading.Lock(), Count()

    def keep(found: Mapping[Key, Count]) -> None:
        with lock:
            for count in found.values():
                total.add(count.requests, count.seconds, count.slowest)

    usage = Usage(keep)
    threads = [
        threading.Thread(target=lambda: [usage.add(1, ENDPOINT, "GET", 200, 1.0) for _ in range(5_000)])
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        usage.flush()
    usage.flush()
    assert total.requests == 30_000


def test_a_request_costs_microseconds() -> None:
    usage = Usage(write)
    begun = time.perf_counter()
    for _ in range(20_000):
        usage.add(7, ENDPOINT, "GET", 200, 0.1)
    assert (time.perf_counter() - begun) / 20_000 < 50e-6  # about 2 on an idle processor


@pytest.fixture
def counted(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Usage]:
    """Count the requests of this process, without the thread that writes."""
    settings.API_METRICS_SECONDS = 10.0
    usage = Usage(write)
    monkeypatch.setattr(counts, "usage", usage)
    monkeypatch.setattr(counts, "_thread", threading.current_thread())
    yield usage


def test_each_request_of_django_is_counted_by_the_pattern_of_its_route(counted: Usage) -> None:
    user = User.objects.create_user("counted", password="secret-of-a-test")
    client = Client()
    client.force_login(user)
    address = "/api/v2/signals/historical/available-timeframes/"
    for key in ("NSE@NIFTY@equity_spot", "nonsense"):
        client.get(address + key)
    client.get("/no/such/address/at/all")
    Client().get(address + "NSE@NIFTY@equity_spot")
    with CaptureQueriesContext(connection) as queries:
        counted.flush()
    assert len(queries) == 1
    found = {(m.user_id, m.endpoint, m.status): m.requests for m in ApiMetric.objects.all()}
    route = next(endpoint for _, endpoint, _ in found if "available-timeframes" in endpoint)
    assert "<" in route and "NIFTY" not in route
    assert sum(count for (who, what, _), count in found.items() if (who, what) == (user.pk, route)) == 2
    assert found[NOBODY, route, "4xx"] == 1
    assert sum(count for (_, what, _), count in found.items() if what == REST) == 1


def test_the_switch(settings: Any, counted: Usage) -> None:
    settings.API_METRICS_SECONDS = 0.0
    Client().get("/health")
    assert counted.flush() and not ApiMetric.objects.exists()


def test_old_usage_is_deleted_in_batches(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.API_METRICS_DAYS = 30.0
    monkeypatch.setattr(retention, "BATCH", 2)
    now = datetime(2026, 11, 27, tzinfo=UTC)
    for age in (0, 29, 31, 32, 33, 34, 35):
        ApiMetric.objects.create(
            minute=now - timedelta(days=age),
            user_id=1,
            endpoint="e",
            method="GET",
            status="2xx",
            requests=1,
            seconds=1,
            slowest=1,
        )
    assert retention.forget_old(now, most=2) == 2
    assert retention.forget_old(now) == 3
    assert ApiMetric.objects.count() == 2 and retention.forget_old(now) == 0


def test_staff_see_usage_and_change_nothing() -> None:
    ApiMetric.objects.create(
        minute=datetime(2026, 11, 27, tzinfo=UTC),
        user_id=1,
        endpoint=ENDPOINT,
        method="GET",
        status="2xx",
        requests=4,
        seconds=0.1,
        slowest=0.05,
    )
    admin = Client()
    admin.force_login(User.objects.create_superuser("boss"))
    page = admin.get("/admin/signalsite/apimetric/")
    assert page.status_code == 200 and b"25.0" in page.content
    assert admin.get("/admin/signalsite/apimetric/add/").status_code == 403
