"""The admin's pages as staff see them: what they show, what they cost, and what they do without Redis."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batch.models import Job
from batch.webhooks.models import WebhookDelivery, WebhookEvent
from signals.instruments.models import Instrument, Underlying
from signalsite import dashboard
from signalsite.foundation.redis import client as redis_client

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 12, 1, 5, 0, 7, tzinfo=UTC)
SELECTOR = {"underlying": "SIM@NIFTY", "moneyness": {"min": 0.95, "max": 1.05}, "expiries": ["2026-12-29"]}


@pytest.fixture
def staff() -> Client:
    browser = Client(headers={"host": "localhost"})
    browser.force_login(get_user_model().objects.create_superuser("staff"))
    return browser


def jobs(count: int, **values: object) -> list[Job]:
    owner = get_user_model().objects.get(username="staff")
    made = {"kind": "greeks", "owner": owner, "selector": SELECTOR, "as_of": NOW, "total": 3, "completed": 3, **values}
    made = {"status": "completed", "created_at": NOW, "finished_at": NOW + timedelta(seconds=2), **made}
    return [Job.objects.create(**made) for _ in range(count)]


def deliver(job: Job) -> WebhookDelivery:
    about = {"subject_model": "batch.job", "subject_id": str(job.pk), "owner": job.owner, "url": "https://hook.example"}
    event = WebhookEvent.objects.create(key=f"{job.pk}", type="batch.failed", secret="s", payload="{}", **about)
    return WebhookDelivery.objects.create(event=event, status="failed")


def page(browser: Client, path: str) -> str:
    answer = browser.get(f"/admin/{path}")
    assert answer.status_code == 200, path
    text = answer.content.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)|<[^>]*\sstyle=|<[^>]*\son\w+=", text), path
    return text


def test_the_list_of_jobs(staff: Client) -> None:
    (job,) = jobs(1)
    text = page(staff, "batch/job/")
    assert f">{str(job.pk)[:8]}<" in text and f'title="{job.pk}"' in text
    assert "underlying SIM@NIFTY, expiries 2026-12-29, moneyness from 0.95 to 1.05" in text
    assert "2026-12-01 05:00:07 UTC" in text  # as_of and created_at
    assert '<span class="state completed">Completed</span>' in text
    base = f"/api/v2/signals/batch/jobs/{job.pk}"
    for link in (f"{base}/results", f"{base}/export?format=csv", f"{base}/export?format=parquet"):
        assert f'href="{link}"' in text
        assert staff.get(link).status_code == 200, link


ODD_SELECTORS = {"a text": '"<b>"', "a list": "[1, {}]", "a number": "7", "unreadable": f'{{"x": 1{"0" * 400}}}'}


@pytest.mark.parametrize("stored", ODD_SELECTORS.values(), ids=ODD_SELECTORS.keys())
def test_a_selector_of_another_shape_is_shown_as_it_is(staff: Client, stored: str) -> None:
    odd, whole = jobs(2)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE batch_job SET selector = %s::jsonb WHERE id = %s", [stored, odd.pk])
    text = page(staff, "batch/job/")
    assert str(odd.pk) in text and str(whole.pk) in text
    assert {'"<b>"': "&lt;b&gt;", "[1, {}]": "[1, {}]", "7": '"7"'}.get(stored, "unreadable: number") in text
    page(staff, f"batch/job/{odd.pk}/change/")


ODD_LOGS = [
    f"[1{'0' * 400}]",
    "7",
    "null",
    '{"at": 1}',
    '["<b>"]',
    '[{"at": "x"}]',
    '[{"at": 1e300}]',
    '[{"body": [1]}]',
]


@pytest.mark.parametrize("stored", [*ODD_LOGS, '[{"seconds": "slow"}]'])
def test_a_webhook_log_of_another_shape_is_shown_as_it_is(staff: Client, stored: str) -> None:
    (job,) = jobs(1)
    delivery = deliver(job)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE batch_webhookdelivery SET log = %s::jsonb WHERE event_id = %s", [stored, delivery.pk])
    for path in ("batch/webhookdelivery/", f"batch/webhookdelivery/{delivery.pk}/change/"):
        text = page(staff, path)
        assert str(delivery.pk) in text and "<b>" not in text
    assert ("unreadable" in text) == (stored not in ("7", "null", '{"at": 1}')), text


def test_a_job_that_runs_refreshes_its_page_and_no_other_does(staff: Client) -> None:
    (running,) = jobs(1, status="in_progress", finished_at=None)
    (ended,) = jobs(1)
    assert staff.get(f"/admin/batch/job/{running.pk}/change/").headers["Refresh"] == "3"
    for path in (f"batch/job/{ended.pk}/change/", "batch/job/"):
        assert "Refresh" not in staff.get(f"/admin/{path}").headers


def test_a_reused_job_says_so(staff: Client) -> None:
    (earlier,) = jobs(1)
    (again,) = jobs(1, reused_from=earlier)
    assert f"answers of job {str(earlier.pk)[:8]}" in page(staff, "batch/job/")
    text = page(staff, f"batch/job/{again.pk}/change/")
    assert f'Nothing was computed: <a href="/admin/batch/job/{earlier.pk}/change/">job {earlier.pk}</a>' in text
    assert "chunks-group" not in text and "chunks-group" in page(staff, f"batch/job/{earlier.pk}/change/")


def test_the_key_of_an_underlying_cannot_be_changed(staff: Client) -> None:
    Underlying.objects.create(key="SIM@A", exchange="SIM", symbol="A", spot_key="SIM@A@equity_spot")
    text = page(staff, "signals/underlying/SIM_40A/change/")
    assert 'name="key"' not in text and 'name="pricing_model"' in text and "<textarea" not in text
    form = {
        "key": "SIM@B",
        "exchange": "SIM",
        "symbol": "B",
        "spot_key": "x",
        "pricing_model": "bsm",
        "exercise": "american",
    }
    staff.post("/admin/signals/underlying/SIM_40A/change/", {**form, "dividend_yield": "0.01"})
    (only,) = Underlying.objects.values_list("key", "symbol", "spot_key", "dividend_yield")
    assert only == ("SIM@A", "A", "x", 0.01)
    assert 'name="key"' in page(staff, "signals/underlying/add/")


def test_strikes_are_sorted_as_numbers(staff: Client) -> None:
    underlying = Underlying.objects.create(key="SIM@A", exchange="SIM", symbol="A", spot_key="x")
    for strike in ("10000", "9000", "9000.5"):
        Instrument.objects.create(
            key=f"SIM@A@equity_options@2026-12-29@call@{strike}",
            underlying=underlying,
            product="equity_options",
            expiry="2026-12-29",
            right="call",
            strike=Decimal(strike),
        )
    for path in ("signals/instrument/", "signals/instrument/?o=5"):
        strikes = re.findall(r'class="field-strike_price[^"]*">([^<]*)<', page(staff, path))
        assert strikes == ["9000", "9000.5", "10000"], path
    text = page(staff, "signals/instrument/SIM_40A_40equity_5Foptions_402026-12-29_40call_4010000/change/")
    assert 'name="key"' not in text and "<textarea" not in text


@pytest.mark.parametrize("path", ["batch/job/", "", "batch/webhookdelivery/", "signals/instrument/", "auth/user/"])
def test_pages_ask_no_more_questions_for_more_rows(staff: Client, path: str) -> None:
    def rows(count: int) -> None:
        for job in jobs(count, status="failed", finished_at=timezone.now(), error="no"):
            deliver(job)
        have = Instrument.objects.count()
        for number in range(have, have + count):
            underlying = Underlying.objects.create(key=f"SIM@A{number}", exchange="SIM", symbol="A", spot_key="x")
            Instrument.objects.create(key=f"SIM@A{number}@equity_spot", underlying=underlying, product="equity_spot")
            get_user_model().objects.create_user(f"user{number}")

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            page(staff, path)
        return len(queries)

    rows(2)
    cost()
    before = cost()
    rows(15)
    assert cost() == before <= 25


def test_the_first_page_shows_the_service(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a database of its own: workers of other tests take what is queued in theirs."""
    monkeypatch.setattr(settings, "REDIS_URL", f"{settings.REDIS_URL}{'&' if '?' in settings.REDIS_URL else '?'}db=9")
    server = redis_client(settings.REDIS_URL)
    server.flushdb()
    server.lpush("celery", "a", "b")
    server.xadd("tick_stream:SIM@A", {"x": 1})
    server.xgroup_create("tick_stream:SIM@A", "signals", id="0")
    server.xadd("tick_dead_letter", {"stream": "tick_stream:SIM@A", "reason": "<b>bad</b> price"})
    jobs(1, status="in_progress", finished_at=None)
    (failed,) = jobs(1, status="failed", finished_at=timezone.now(), error="the selector stands for <nothing>")
    try:
        text = page(staff, "")
    finally:
        server.flushdb()
    assert "<dt>celery</dt><dd>2</dd>" in text and "<dt>urgent</dt><dd>0</dd>" in text
    assert "<dt>SIM@A</dt><dd>1 unread, 0 unacknowledged</dd>" in text and "<dt>dead letters</dt><dd>1</dd>" in text
    assert '<dt class="state in_progress">in_progress</dt><dd>1</dd>' in text
    assert f"/admin/batch/job/{failed.pk}/change/" in text and "stands for &lt;nothing&gt;" in text
    assert "&lt;b&gt;bad&lt;/b&gt; price" in text and "<b>bad" not in text


@pytest.fixture
def unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", f"unix://{tmp_path}/nobody")


def test_without_redis_the_first_page_says_so(staff: Client, unreachable: None) -> None:
    begun = time.monotonic()
    text = page(staff, "")
    assert time.monotonic() - begun < 3
    assert text.count("Redis does not answer") == 2 and "Jobs" in text


def test_a_table_that_is_locked_does_not_hold_the_first_page(staff: Client) -> None:
    with open_lock("batch_job"):
        begun = time.monotonic()
        text = page(staff, "")
    assert 0.9 < time.monotonic() - begun < 4 and "PostgreSQL does not answer in time" in text


@contextmanager
def open_lock(table: str) -> Iterator[None]:
    names = {"host": "HOST", "dbname": "NAME", "user": "USER", "port": "PORT"}
    address = {name: str(connection.settings_dict[django]) for name, django in names.items()}
    with psycopg.connect(**address) as other:  # type: ignore[arg-type]
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


def test_many_streams_are_a_bounded_number_of_lines(staff: Client) -> None:
    server = redis_client(settings.REDIS_URL)
    server.flushall()
    for number in range(60):
        server.xgroup_create(f"tick_stream:SIM@S{number}", "signals", id="0", mkstream=True)
    try:
        assert page(staff, "").count("unacknowledged</dd>") == dashboard.MOST_STREAMS
    finally:
        server.flushall()


def test_staff_without_the_right_to_see_jobs_see_no_dashboard() -> None:
    browser = Client(headers={"host": "localhost"})
    browser.force_login(get_user_model().objects.create_user("clerk", is_staff=True))
    assert 'id="service"' not in page(browser, "")
