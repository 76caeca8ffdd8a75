"""docs/operations.md, "Restore, upgrade, roll back": the commands are run as they stand there, one after another."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import redis
import yaml
from django.conf import settings
from django.core.management import get_commands

from tests.integration.databases import fresh_database
from tests.integration.processes import ROOT
from tests.integration.test_backups import GROUPS, Site

SECTION = (
    (ROOT / "docs/operations.md").read_text().partition("## Restore, upgrade, roll back\n")[2].partition("\n## ")[0]
)
PARTS = dict(re.findall(r"^### (.+)\n((?:(?!^### ).*\n?)*)", SECTION, re.MULTILINE))


def commands(part: str) -> list[str]:
    blocks = re.findall(r"^```bash\n(.*?)^```$", PARTS[part], re.MULTILINE | re.DOTALL)
    return "".join(blocks).splitlines()


def walk(checkout: Path, part: str, environment: dict[str, str]) -> None:
    for command in commands(part):
        done = subprocess.run(
            ["bash", "-euc", command], cwd=checkout, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout: there is no version to check out")
def test_upgrade_roll_back_and_restore_as_the_docs_say(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
    (checkout / ".venv").symlink_to(Path(sys.executable).parents[1])
    here = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, check=True, capture_output=True, text=True)
    version = here.stdout.strip()
    with fresh_database("signalsite_runbook") as variables:
        variables.pop("PYTHONPATH")  # the checkout's own code
        variables |= {"VERSION": version, "EARLIER": version, "BACKUP": "before-upgrade.backup"}
        site = Site(variables)
        site.migrate(("auth",), ("batch", "0004"))  # a database of an earlier version, with a row
        site.rows("INSERT INTO auth_group (name) VALUES ('before')")

        walk(checkout, "Upgrade to a version", variables)
        assert site.rows("SELECT name FROM django_migrations WHERE app = 'batch' AND name LIKE '0005%'")
        assert site.rows(GROUPS) == [("before",)]
        assert (checkout / "staticfiles/signalsite/admin.css").exists()

        site.rows("INSERT INTO auth_group (name) VALUES ('since')")
        walk(checkout, "Roll back to the version before", variables)
        assert site.rows(GROUPS) == [("before",)]
        assert not site.rows("SELECT name FROM django_migrations WHERE app = 'batch' AND name LIKE '0005%'")

        server = redis.Redis.from_url(settings.REDIS_URL)
        server.set("of-another-database", "1")
        walk(checkout, "Restore a backup", variables)
        assert site.rows("SELECT name FROM django_migrations WHERE app = 'batch' AND name LIKE '0005%'")
        assert site.rows(GROUPS) == [("before",)] and server.get("of-another-database") is None


def test_the_steps_with_docker_name_what_exists() -> None:
    """There is no engine here: services and management commands are checked by name."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    steps = [line.split() for line in commands("With Docker") if line.startswith("docker compose ")]
    assert len(steps) == 7
    for _, _, verb, *words in steps:
        named = [word for word in words if not word.startswith("-")]
        if verb == "run":
            assert named[0] == "manage" and named[1] in get_commands() and named[2].startswith("/backups/")
        else:
            assert verb in ("stop", "up", "build") and set(named) <= set(services)
