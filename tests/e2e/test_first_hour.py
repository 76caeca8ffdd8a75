"""A fresh clone: `manage.py up` says how to sign in, and a wrong environment is one sentence."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from signalsite.embedded.service import running_service
from tests.e2e.conftest import ROOT
from tests.integration.processes import environment, fresh_state

SAID = re.compile(r"admin: (http://\S+/admin/) \(user (\w+), password (\S+), kept in (\S+)\)")
BIN = Path(sys.executable).parent
PROGRAMS = {
    "manage.py": [sys.executable, "manage.py", "check"],
    "uvicorn": [str(BIN / "uvicorn"), "signalsite.asgi:application", "--port", "0"],
    "worker": [str(BIN / "celery"), "-A", "signalsite", "worker"],
    "beat": [str(BIN / "celery"), "-A", "signalsite", "beat"],
    "flower": [str(BIN / "celery"), "-A", "signalsite", "flower"],
    "consumer": [sys.executable, "manage.py", "consume_ticks"],
    "configs": [sys.executable, "manage.py", "consume_configs"],
}
COMPLETE = {
    "SIGNALSITE_ENV": "production",
    "SECRET_KEY": "0123456789" * 6,
    "ALLOWED_HOSTS": "signals.example",
    "DATABASE_URL": "postgresql://nobody@db.invalid/none",
    "REDIS_URL": "redis://redis.invalid/0",
}


def test_a_newcomer_can_sign_in_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "up.log"
    with fresh_state() as state:
        for name, value in environment(state).items():
            monkeypatch.setenv(name, value)
        with running_service(log, "--workers", "1") as service:
            found = SAID.search(log.read_text())
            assert found, log.read_text()
            page, name, password, file = found.groups()
            assert page == f"{service.address}/admin/" and len(password) >= 16
            assert Path(file).read_text() == password and stat.S_IMODE(Path(file).stat().st_mode) == 0o600
            account = {"username": name, "password": password}
            token = httpx.post(f"{service.address}/api/token", json=account).raise_for_status().json()["access"]
            with httpx.Client(base_url=service.address, follow_redirects=True) as browser:
                browser.get("/admin/login/")
                form = {**account, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
                assert "Log out" in browser.post("/admin/login/?next=/admin/", data=form).text
            headers = {"Authorization": f"Bearer {token}"}
            assert httpx.get(f"{service.address}/api/v2/signals/batch/jobs", headers=headers).status_code == 200


@pytest.mark.parametrize("missing", ["SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL"])
@pytest.mark.parametrize("program", ["manage.py", "uvicorn", "worker"])
def test_a_missing_variable_of_production_is_one_sentence(program: str, missing: str) -> None:
    said = refused(program, {name: value for name, value in COMPLETE.items() if name != missing})
    assert said.startswith(f"{missing} must be set when SIGNALSITE_ENV=production: ") and said.count("\n") == 1


@pytest.mark.parametrize("program", ["beat", "flower", "consumer", "configs"])
def test_every_process_says_it(program: str) -> None:
    said = refused(program, {name: value for name, value in COMPLETE.items() if name != "REDIS_URL"})
    assert said.startswith("REDIS_URL must be set") and said.count("\n") == 1


@pytest.mark.parametrize("program", ["manage.py", "uvicorn", "worker"])
def test_a_wrong_variable_is_one_sentence(program: str) -> None:
    said = refused(program, {**COMPLETE, "WORKERS": "many"})
    assert 'variable "WORKERS" invalid: Not a valid integer' in said and said.count("\n") == 1


def refused(program: str, variables: dict[str, str]) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in COMPLETE}
    done = subprocess.run(
        PROGRAMS[program], cwd=ROOT, env={**kept, **variables}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0 and not done.stdout, done.stdout
    return done.stderr
