"""The OpenAPI document and the running service: the document is valid and names every answer."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from tests.e2e.conftest import BATCH, run

KEY = "SIM@NIFTY@equity_options@2026-03-30@call@24000"
CONFIGS = "/api/v2/signals/configs"
CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
SECONDS = 300  # of a busy machine; it takes about fifty


@pytest.fixture(scope="module")
def schema(address: str) -> dict[str, Any]:
    return httpx.get(f"{address}/api/schema", params={"format": "json"}).raise_for_status().json()


def test_the_document_is_valid_its_defaults_and_examples_too(schema: dict[str, Any]) -> None:
    assert [error.message for error in OpenAPIV30SpecValidator(schema).iter_errors()] == []


def test_every_operation_names_its_errors(schema: dict[str, Any]) -> None:
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            named = operation["responses"].keys()
            assert named >= {"400", "401", "406", "429", "503"}, (method, path)
            if "requestBody" in operation:
                assert named >= {"408", "413", "415"}, (method, path)
            if "{" in path:
                assert "404" in named, (method, path)
            for status, response in operation["responses"].items():
                assert (status < "400") != ("$ref" in response), (method, path, status)
    conflicts = [path for path, each in schema["paths"].items() for one in each.values() if "409" in one["responses"]]
    assert sorted(set(conflicts) - {each for each in conflicts if each.startswith(CONFIGS)}) == [
        f"{BATCH}/jobs/{{job_id}}/{rest}" for rest in ("errors", "export", "retry")
    ]
    one = f"{CONFIGS}/{{config_id}}"
    assert {CONFIGS, one, *(f"{one}/{rest}" for rest in ("difference", "pause", "resume"))} <= set(conflicts)
    conditional = [path for path, each in schema["paths"].items() for one in each.values() if "412" in one["responses"]]
    assert conditional == [one, one]
    assert "422" in schema["paths"][f"{BATCH}/jobs"]["post"]["responses"]
    for name, response in schema["components"]["responses"].items():
        (body,) = response["content"].values()
        assert body["schema"] == {"$ref": "#/components/schemas/Problem"}, name
        assert body["example"]["detail"] and body["example"]["title"], name


def test_a_submission_has_three_forms(schema: dict[str, Any]) -> None:
    forms = {"application/json", "application/x-ndjson", "application/vnd.apache.arrow.stream"}
    for door in ("jobs", "greeks", "quotes", "greeks_grid", "bars", "historical_greeks"):
        assert schema["paths"][f"{BATCH}/{door}"]["post"]["requestBody"]["content"].keys() == forms, door


def _configuration(client: httpx.Client) -> str:
    document = {"name": "fuzzed", "instrument_key": KEY, "greeks": True, "active": False}
    made = client.post(CONFIGS, json=document)
    if made.status_code == 409:
        return client.get(CONFIGS, params={"name": "fuzzed"}).json()["data"][0]["id"]
    return made.raise_for_status().json()["id"]


def test_a_fuzzer_finds_no_answer_that_is_not_named(address: str, login: Any, tmp_path: Path) -> None:
    """schemathesis.toml lists the checks. A failure prints a curl command that reproduces it."""
    fuzzer = login("fuzzer")
    job, _ = run(fuzzer, items=[KEY])
    config = tmp_path / "schemathesis.toml"
    more = [
        CONFIG.read_text(),
        "[headers]",
        f'Authorization = "{fuzzer.headers["Authorization"]}"',
        "[[operations]]",  # what hangs on a job is asked of one that has ended, the job itself of any
        'include-path-regex = "job_id}/"',
        f'parameters = {{ "path.job_id" = "{job["id"]}" }}',
        "[[operations]]",
        'include-path-regex = "config_id}"',
        f'parameters = {{ "path.config_id" = "{_configuration(fuzzer)}" }}',
    ]
    config.write_text("\n".join(more))
    program = Path(sys.executable).with_name("schemathesis")
    done = subprocess.run(
        [str(program), "--config-file", str(config), "run", f"{address}/api/schema"],
        cwd=tmp_path,
        env={**os.environ, "NO_COLOR": "1", "SCHEMATHESIS_HOOKS": str(HOOKS)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert int(re.search(r"(\d+) generated", done.stdout)[1]) > 500
