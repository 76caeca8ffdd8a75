"""A third computation in one file of an app of its own: everything else follows, down to a job that has ended."""

import csv
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.forks import the_forks
from tests.integration.processes import ROOT, environment, fresh_state, servers_of

DECLARATION = """
import hashlib
from dataclasses import dataclass

from signals.greeks.selection import InstrumentComputation
from signalsite.foundation.computations.columns import Column, StatusWord
from signalsite.foundation.computations.contract import Answers, Bounds, Override, Parameter
from timeframes.core.keys import why_unknown


@dataclass(frozen=True)
class Inputs:
    keys: list
    weights: dict
    params: dict

    def digest(self):
        return hashlib.sha256(repr(self.keys).encode()).hexdigest()


class Letters(InstrumentComputation):
    name = "letters"
    version = 1
    summary = "Letters in the names of instruments"
    parameters = (
        Parameter(name="factors", type=float, default=(1.0, 2.0), bounds=Bounds(0, 9), most=3, help="Times so much."),
        Parameter(name="upper", type=bool, default=False, help="Capitals only."),
        Parameter(name="max_quote_age_seconds", type=float, default=60.0, bounds=Bounds(1, 1e9), help="Old."),
    )
    overrides = (Override("weight", Bounds(0, 5), "Of this item."),)
    columns = (Column("letters", int, "How many."), Column("weighed", float, "Times factor and weight."))
    statuses = (StatusWord("long", "the name is too long today", retryable=True),)

    def rows_per_item(self, params):
        return len(params["factors"])

    def load(self, keys, overrides, as_of, params, context):
        return Inputs(list(keys), dict(overrides.get("weight", {})), dict(params))

    def evaluate(self, inputs):
        rows = {name: [] for name in ("status", "reason", "letters", "weighed")}
        import numpy as np
        item = []
        for place, key in enumerate(inputs.keys):
            for factor in inputs.params["factors"]:
                count = sum(c.isalpha() and (c.isupper() or not inputs.params["upper"]) for c in key)
                long = len(key) > 40
                rows["status"].append("long" if long else "ok")
                rows["reason"].append("over 40 characters" if long else None)
                rows["letters"].append(None if long else count)
                rows["weighed"].append(None if long else count * factor * inputs.weights.get(place, 1.0))
                item.append(place)
        return Answers(rows, np.array(item))
"""
FOLLOWS = """
import json
from batch.jobs.generated_files import client_types, docs_page
from signalsite.foundation.computations.arrow import schema
from signalsite.foundation.computations.registry import computations
from signalsite.foundation.computations.requests import params_serializer
from signalsite.schema import document
letters = computations()["letters"]
good, bad = (params_serializer(letters)(data=data) for data in ({"factors": [3]}, {"factors": [10], "uper": 1}))
assert good.is_valid() and not bad.is_valid()
api = document()
jobs = api["paths"]["/api/v2/signals/batch/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
schemas = api["components"]["schemas"]
print(json.dumps({
    "params": good.validated_data, "errors": list(bad.errors),
    "arrow": {f.name: str(f.type) for f in schema(letters.file_columns)},
    "address": "/api/v2/signals/batch/letters" in api["paths"],
    "discriminator": schemas[jobs["$ref"].rsplit("/", 1)[1]]["discriminator"]["mapping"],
    "row": schemas["LettersRow"]["properties"]["letters"], "factors": schemas["LettersParams"]["properties"]["factors"],
    "docs": docs_page([letters]), "client": client_types([letters]),
}))
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs commands of a site that has the app `toyapp` too, on servers of its own."""
    folder = tmp_path_factory.mktemp("apps")
    (folder / "toyapp").mkdir()
    (folder / "toyapp" / "__init__.py").write_text("")
    (folder / "toyapp" / "computations.py").write_text(DECLARATION)
    (folder / "toysettings.py").write_text(
        "from signalsite.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, 'toyapp']\n"
    )
    with fresh_state() as state:
        more = {"PYTHONPATH": f"{folder}:{ROOT}", "DJANGO_SETTINGS_MODULE": "toysettings", "WORKERS": "1"}

        def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
            return the_forks().run(arguments, environment=environment(state, **more))

        with servers_of(state):
            made = run("migrate", "-v0")
            assert made.returncode == 0, made.stderr
            yield run


def test_fields_schema_columns_docs_and_types_follow(service: Run) -> None:
    done = service("shell", "-v0", "-c", FOLLOWS)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["params"] == {"factors": [3.0], "upper": False, "max_quote_age_seconds": 60.0}
    assert found["errors"] == ["uper"]
    assert found["arrow"] == {
        "position": "int64",
        "custom_id": "string",
        "instrument_key": "string",
        "underlying": "string",
        "expiry": "string",
        "strike": "double",
        "right": "string",
        "status": "string",
        "reason": "string",
        "retryable": "bool",
        "letters": "int64",
        "weighed": "double",
    }
    kinds = {"bars", "functions", "greeks", "greeks_grid", "historical_greeks", "indicators", "quotes"}
    kinds |= {"letters", "moneyness", "portfolios"}
    assert found["address"] and set(found["discriminator"]) == kinds
    assert found["row"] == {"type": "integer", "description": "How many.", "nullable": True}
    assert (found["factors"]["maxItems"], found["factors"]["items"]["maximum"]) == (3, 9)
    assert "| `factors` | `[1.0, 2.0]` | 1 to 3 of: from 0 to 9 | Times so much. |" in found["docs"]
    assert "class LettersRow(TypedDict):" in found["client"] and "    letters: int | None\n" in found["client"]


def test_a_job_from_the_command_line(service: Run, tmp_path: Path) -> None:
    out = tmp_path / "letters.csv"
    keys = ["NSE@NIFTY@equity_spot", "NSE@NIFTY@equity_options@2026-12-29@call@26000"]
    done = service("compute", "letters", *keys, "--factors", "2", "3", "--upper", "true", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "2 items, 1 with a value, 1 with a reason" in done.stdout
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["weighed"] for row in rows] == ["16", "24", "", ""]
    assert [row["retryable"] for row in rows] == ["false", "false", "true", "true"]
    key = ["position", "custom_id", "instrument_key", "underlying", "expiry", "strike", "right"]
    assert list(rows[0]) == [*key, "status", "reason", "retryable", "letters", "weighed"]
    refused = service("compute", "letters", *keys, "--factors", "10")
    assert refused.returncode != 0 and "argument --factors: must be from" in refused.stderr


def test_what_is_not_current_is_said(service: Run) -> None:
    done = service("computations", "--check")
    assert done.returncode != 0
    assert "not current: docs/computations.md, batch/client/computations.py" in done.stderr


@pytest.mark.parametrize(
    ("name", "words"), [("quotes", "are both named 'quotes'"), ("jobs", "a computation cannot be named jobs")]
)
def test_a_name_that_is_taken_ends_the_start(
    service: Run, tmp_path_factory: pytest.TempPathFactory, name: str, words: str
) -> None:
    declaration = next(tmp_path_factory.getbasetemp().glob("apps*")) / "toyapp" / "computations.py"
    declaration.write_text(DECLARATION.replace('name = "letters"', f'name = "{name}"'))
    try:
        done = service("check")
    finally:
        declaration.write_text(DECLARATION)
    assert done.returncode != 0
    assert words in done.stderr
