"""Portfolios as jobs: their rows are the answers over HTTP, whichever format they come in."""

from typing import Any

import orjson
import pyarrow as pa
import pytest
from django.test import Client

from signals.positions.core.legs import read_legs
from signals.positions.core.portfolio_text import portfolio_text
from signalsite.foundation.computations.registry import find
from tests.integration.portfolios import FUTURE, GREEKS, NOW, SPX, http, market, post, some_legs, terms

__all__ = ["http", "market"]  # fixtures

pytestmark = pytest.mark.django_db


class TestJob:
    def rows(self, portfolios: list[Any], **asked: Any) -> list[dict[str, Any]]:
        computation = find("portfolios")
        params = {**computation.defaults, **asked}
        texts = [portfolio_text(read_legs(legs, computation.bounds, "NSE")) for legs in portfolios]
        prepared = computation.prepare([texts], NOW, params)
        answers = computation.evaluate(computation.load(texts, {}, NOW, params, prepared.context))
        assert answers.item is not None
        rows = zip(*answers.columns.values(), strict=True)
        return [
            {"item": item, **dict(zip(answers.columns, row, strict=True))}
            for item, row in zip(answers.item.tolist(), rows, strict=True)
        ]

    def test_its_rows_are_the_answers_over_http(self, http: Client) -> None:
        portfolios = [some_legs(size, seed=size) for size in (1, 7, 2, 40)]
        shocks = {"spot_shocks": [-0.1, 0.1], "days_forward": [0.0, 40.0]}
        rows = self.rows(portfolios, **shocks)
        assert [row["item"] for row in rows] == [place for place in range(4) for _ in range(4)]
        for place, legs in enumerate(portfolios):
            alone = post(http, legs, params=shocks)
            for cell, row in zip(alone["grid"], rows[4 * place :][:4], strict=True):
                assert row["status"] == "ok"
                for name in ("value", "profit_and_loss", *GREEKS, "delta_value", "gamma_value", "legs_expired"):
                    assert row[name] == pytest.approx(cell[name], rel=1e-13, abs=1e-9), name
                assert row["market_value"] == alone["net"]["market_value"]

    def test_one_that_cannot_be_computed_has_one_row_and_no_neighbour_suffers(self) -> None:
        mixed = [{**terms(24_000, "put"), "quantity": 1}, {"instrument_key": f"{SPX}@equity_spot", "quantity": 1}]
        unknown = [{"instrument_key": "NSE@NOBODY@equity_spot", "quantity": 1}]
        fine = [{**terms(24_000, "call"), "quantity": 1}]
        rows = self.rows([mixed, fine, unknown], spot_shocks=(-0.1, 0.1))
        assert [(row["item"], row["status"]) for row in rows] == [
            (0, "mixed_currencies"),
            (1, "ok"),
            (1, "ok"),
            (2, "incomplete"),
        ]
        assert "no usable auto price" in rows[-1]["reason"]

    def test_an_arrow_stream_makes_the_same_job(self, http: Client) -> None:
        items = [
            {"custom_id": "a", "legs": [{**terms(24_000, "put"), "quantity": 75.0}]},
            {"custom_id": "b", "legs": [{"instrument_key": FUTURE, "quantity": -50.0, "lot_size": 25.0}]},
            {"custom_id": "c", "legs": []},
        ]
        head = {"kind": "portfolios", "as_of": NOW.isoformat()}
        table = pa.Table.from_pylist(items).replace_schema_metadata({b"submission": orjson.dumps(head)})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        arrow = "application/vnd.apache.arrow.stream"
        bodies = {arrow: sink.getvalue().to_pybytes(), "application/json": orjson.dumps({**head, "items": items})}
        kept = {"Idempotency-Key": "same"}
        found = [
            http.post("/api/v2/signals/batch/jobs", body, content_type=kind, headers=kept)
            for kind, body in bodies.items()
        ]
        assert [each.status_code for each in found] == [202, 202], [each.content for each in found]
        assert found[0].json()["id"] == found[1].json()["id"]  # to an Idempotency-Key both are one submission

    def test_it_goes_through_the_batch_api(self, http: Client) -> None:
        items = [
            {"custom_id": "a", "legs": [{**terms(24_000, "put"), "quantity": 75}]},
            {"custom_id": "b", "legs": [{**terms(24_000, "put"), "quantity": True}]},
            {"custom_id": "a", "legs": [{**terms(24_000, "put"), "quantity": 1}]},
            {"custom_id": "c", "legs": [{**terms(24_000, "put"), "quantity": 75}], "price": 3},
            {"legs": [{**terms(24_000, "put"), "quantity": 75}]},
        ]
        body = {"items": items, "params": {"spot_shocks": [-0.1, 0.1]}}
        found = http.post("/api/v2/batch/portfolios", orjson.dumps(body), content_type="application/json")
        assert found.status_code == 200, found.content
        rows = orjson.loads(found.content)["data"]
        assert [(row["position"], row["custom_id"], row["status"]) for row in rows] == [
            (0, "a", "ok"),
            (0, "a", "ok"),
            (1, "b", "bad_input"),
            (2, "a", "bad_input"),
            (3, "c", "bad_input"),
            (4, None, "ok"),
            (4, None, "ok"),
        ]
        assert rows[2]["reason"] == "legs[0].quantity: quantity must be a number"
        assert rows[0]["portfolio"] == rows[5]["portfolio"] and len(rows[0]["portfolio"]) == 32
        assert rows[2]["portfolio"] is None
        refused = http.post(
            "/api/v2/batch/portfolios", orjson.dumps({"selector": {"underlying": "NIFTY"}}), "application/json"
        )
        assert refused.status_code == 400 and orjson.loads(refused.content)["errors"][0]["field"] == "selector"
