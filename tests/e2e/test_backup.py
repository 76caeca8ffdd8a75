"""`manage.py backup` while the service runs, and `restore` on a new machine."""

import json
import stat
from pathlib import Path

import httpx

from tests.e2e.conftest import AT, BATCH, manage, run, succeed
from tests.integration.processes import environment, fresh_state

# The API as it is there, without its processes; and every row of the tables that jobs are made from.
_ANSWERS = """
import json, os
from django.test import Client
client = Client(headers={"host": "localhost"})
account = {"username": "alice", "password": os.environ["PASSWORD"]}
token = client.post("/api/token", account, content_type="application/json").json()["access"]
client = Client(headers={"host": "localhost", "authorization": f"Bearer {token}"})
job, rows, cursor = client.get(os.environ["JOB"]).json(), [], -1
while cursor is not None:
    page = client.get(job["links"]["results"], {"cursor": cursor}).json()
    rows += page["data"]
    cursor = page["next_cursor"]
print(json.dumps([job, rows]))
"""
_ROWS = """
import hashlib
from django.apps import apps
for model in apps.get_models():
    rows = sorted(map(repr, model.objects.values_list()))
    if not model._meta.label.startswith(("sessions", "django_celery_beat", "batch.EventCount")):  # beat goes on
        print(model._meta.label, len(rows), hashlib.md5("".join(rows).encode()).hexdigest())
"""


def test_a_whole_round(address: str, alice: httpx.Client, passwords: dict[str, str], tmp_path: Path) -> None:
    selector = {"underlying": "SIM@BANKNIFTY", "moneyness": {"min": 0.97, "max": 1.03}}
    job, rows = run(alice, selector=selector, as_of=AT)
    assert len(rows) > 50
    file = tmp_path / "night.backup"
    said = succeed("backup", str(file))
    assert "Not in it: what is only in Redis" in said and "secrets" in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and list(tmp_path.iterdir()) == [file]
    before = manage("shell", "-v0", "-c", _ROWS).stdout.splitlines()

    refused = manage("restore", str(file), "--replace")
    assert refused.returncode == 1 and "stop the service first" in refused.stderr

    with fresh_state() as state:
        there = environment(state, PASSWORD=passwords["alice"], JOB=f"{BATCH}/jobs/{job['id']}")
        said = succeed("restore", str(file), **there)
        assert "is restored" in said and "migrate" not in said
        *rows_there, answers = manage("shell", "-v0", "-c", _ROWS + _ANSWERS, **there).stdout.splitlines()
        assert rows_there == before and len(before) > 10
        assert json.loads(answers) == [job, rows]
