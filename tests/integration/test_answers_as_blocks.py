"""The migration from JSON items and answers to blocks changes nothing that a caller sees."""

from collections.abc import Iterator

import orjson
import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client

from batch.jobs.core.items import Items
from batch.models import Job

pytestmark = pytest.mark.django_db(transaction=True)
KEYS = [f"NSE@NIFTY@equity_options@2026-12-29@call@{26000 + 50 * place}" for place in range(5)]
ITEMS = [
    {"keys": KEYS[:3], "custom_ids": [None, 'a "quoted" name', None], "overrides": {"price": {"2": 3.5}}},
    {"keys": ["", KEYS[4]], "refused": {"0": "instrument_key must be a string"}},
]


def answer(position: int) -> dict[str, object]:
    """Return an answer with the columns, and their order, of the version that wrote rows."""
    status = "bad_input" if position == 3 else "ok"
    ok = status == "ok"
    return {
        "position": position,
        "custom_id": 'a "quoted" name' if position == 1 else None,
        "instrument_key": "" if position == 3 else KEYS[position],
        "status": status,
        "reason": None if ok else "instrument_key must be a string",
        "retryable": False,
        "implied_volatility": 0.1 + position / 3 if ok else None,
        "gamma": 1e-07 if ok else None,
        "price_used": float(position) if ok else None,
    }


@pytest.fixture
def before() -> Iterator[None]:
    """Create the old tables of jobs. The migration cannot be reversed, so this drops the new ones."""
    tables = ", ".join(name for name in connection.introspection.table_names() if name.startswith("batch_"))
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {tables} CASCADE")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'batch'")
    MigrationExecutor(connection).migrate([("batch", "0004_after_repair")])
    yield
    call_command("migrate", verbosity=0)


@pytest.mark.usefixtures("before")
def test_an_old_job_reads_as_it_did() -> None:
    owner = get_user_model().objects.create_user("old-hand")
    apps = MigrationExecutor(connection).loader.project_state([("batch", "0004_after_repair")]).apps
    job = apps.get_model("batch", "Job").objects.create(
        owner_id=owner.pk,
        kind="greeks",
        status="completed",
        total=5,
        completed=4,
        failed=1,
        finished_at="2026-11-01 10:00Z",
    )
    first = 0
    for number, items in enumerate(ITEMS):
        size = len(items["keys"])
        apps.get_model("batch", "Chunk").objects.create(
            job=job, number=number, first_position=first, size=size, items=items, status="done"
        )
        first += size
    results = apps.get_model("batch", "Result").objects
    for position in range(5):
        row = answer(position)
        results.create(job=job, position=position, status=row["status"], body=orjson.dumps(row).decode())
    thinned = apps.get_model("batch", "Job").objects.create(
        owner_id=owner.pk, kind="greeks", status="completed", total=3, completed=3, finished_at="2026-10-01 10:00Z"
    )
    apps.get_model("batch", "Chunk").objects.create(
        job=thinned, number=0, first_position=0, size=3, items=ITEMS[0], status="done"
    )
    for position in (0, 2):  # retention was halfway
        row = answer(position)
        results.create(job=thinned, position=position, status="ok", body=orjson.dumps(row).decode())
    waiting = apps.get_model("batch", "Job").objects.create(owner_id=owner.pk, kind="greeks", total=3)
    chunk = apps.get_model("batch", "Chunk").objects.create(
        job=waiting, number=0, first_position=0, size=3, items=ITEMS[0], status="pending"
    )
    with connection.cursor() as cursor:  # an early version accepted such numbers
        huge = "1" + "0" * 5000
        cursor.execute(
            f"UPDATE batch_chunk SET items = jsonb_set(items, '{{overrides,price,1}}', '{huge}') WHERE id = %s",
            [chunk.pk],
        )

    call_command("migrate", verbosity=0)

    client = Client()
    client.force_login(owner)
    path = f"/api/v2/signals/batch/jobs/{job.pk}/results"
    page = client.get(path).json()
    assert page["data"] == [answer(position) for position in range(5)]
    assert list(page["data"][0]) == list(answer(0))
    assert page["next_cursor"] is None
    assert [row["position"] for row in client.get(f"{path}?status=failed").json()["data"]] == [3]
    assert [row["position"] for row in client.get(f"{path}?cursor=1&limit=2").json()["data"]] == [2, 3]
    page = client.get(f"/api/v2/signals/batch/jobs/{thinned.pk}/results").json()
    assert page["data"] == [answer(0), answer(2)]
    chunk = Job.objects.get(pk=waiting.pk).chunks.get()
    assert (chunk.rows, chunk.answer_block) == (0, None)
    items = Items.from_block(chunk.item_block)
    assert items.overrides == {"price": {2: 3.5}}
    assert list(items.refused) == [1] and "no float holds" in items.refused[1]
