"""deploy/audit.py, which `make check` runs: it finds, it says where it could not look, and it never stops for that."""

import importlib.util
import os
import subprocess
import sys

import pytest

from tests.integration.processes import ROOT

SPEC = importlib.util.spec_from_file_location("audit", ROOT / "deploy/audit.py")
assert SPEC and SPEC.loader
audit = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(audit)


def test_without_a_network_it_says_so_and_lists_the_licences() -> None:
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "NO_PROXY": "", "no_proxy": ""}
    done = subprocess.run(
        [sys.executable, "deploy/audit.py"],
        cwd=ROOT,
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pip-audit: NOT CHECKED, the network does not allow it here" in done.stdout
    assert "licences: " in done.stdout and "MIT" in done.stdout


def test_a_known_vulnerability_fails(capsys: pytest.CaptureFixture[str]) -> None:
    hole = {"id": "CVE-2030-1", "fix_versions": ["2.0"]}
    packages = [{"name": "bad", "version": "1.0", "vulns": [hole]}, {"name": "good", "version": "1.0", "vulns": []}]
    assert audit.report(packages) == 1
    assert "bad 1.0: CVE-2030-1, fixed in 2.0" in capsys.readouterr().out


def test_none_passes_and_what_was_skipped_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    packages = [{"name": "good", "version": "1.0", "vulns": []}, {"name": "own", "skip_reason": "not found"}]
    assert audit.report(packages) == 0
    assert "1 packages checked, 0 known" in (said := capsys.readouterr().out) and "NOT CHECKED: own" in said


def test_a_licence_that_is_not_allowed_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "ALLOWED", ("MIT",))
    assert audit.licences(["Django", "channels"]) == 1
    assert "which deploy/audit.py does not allow" in capsys.readouterr().out


def test_make_check_runs_it() -> None:
    planned = subprocess.run(["make", "--dry-run", "check"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "deploy/audit.py" in planned.stdout
