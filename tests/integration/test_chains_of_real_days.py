"""A real day through the whole road: import, stored chains, one evaluation, beside sums by hand."""

from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from moneyness.computations.chains import Moneyness
from signalsite.foundation.computations.answers import declared
from tests.integration.processes import ROOT
from timeframes.core.keys import parse_key
from timeframes.models import Quote

pytestmark = pytest.mark.django_db
DAY = ROOT.parent / "shared" / "data" / "1_bhavcopy" / "udiff_fo_20260813_NIFTY_MCX_PETRONET.csv.gz"
KIND = Moneyness()


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.chdir(tmp_path)  # the import lists its rejects in a file
    call_command("import_bhavcopy", str(DAY), verbosity=0)
    asked = KIND.defaults | {"expiries": 40}
    prepared = KIND.prepare_selector({"exchange": "NSE"}, None, asked)
    assert prepared.as_of is not None and prepared.keys
    answers = KIND.evaluate(KIND.load(prepared.keys, {}, prepared.as_of, asked, {}))
    columns = declared(KIND, answers, asked)
    assert answers.item is not None
    return [
        {"underlying": prepared.keys[item], **dict(zip(columns, row, strict=True))}
        for item, row in zip(answers.item.tolist(), zip(*columns.values(), strict=True), strict=True)
    ]


@pytest.mark.skipif(not DAY.is_file(), reason="the real day is not here")
def test_open_interest_by_hand_and_forwards_beside_futures(rows: list[dict[str, Any]]) -> None:
    interest: dict[Any, dict[str, dict[float, float]]] = defaultdict(lambda: {"call": {}, "put": {}})
    strikes: dict[Any, set[float]] = defaultdict(set)
    futures: dict[Any, float] = {}
    for quote in Quote.objects.all():
        key = parse_key(quote.instrument_key)
        if key.product.is_option and key.strike is not None:
            side = interest[key.underlying, key.expiry][key.right.value]
            if quote.open_interest is not None:
                side[float(key.strike)] = quote.open_interest
            strikes[key.underlying, key.expiry].add(float(key.strike))
        elif key.product.is_future:
            futures[key.underlying, key.expiry] = quote.settle
    assert {row["underlying"] for row in rows} == {name for name, _ in interest} and len(rows) == len(interest)
    near = 0
    for row in rows:
        expiry = date.fromisoformat(row["expiry"])
        calls, puts = (interest[row["underlying"], expiry][side] for side in ("call", "put"))
        for name, held in (("call_open_interest", calls), ("put_open_interest", puts)):
            assert row[name] == pytest.approx(sum(held.values()) if held else float("nan"), nan_ok=True)
        if puts and sum(calls.values()):
            assert row["put_call_ratio_open_interest"] == pytest.approx(sum(puts.values()) / sum(calls.values()))
        listed = sorted(strikes[row["underlying"], expiry])
        pain = [
            sum(held * max(at - strike, 0.0) for strike, held in calls.items())
            + sum(held * max(strike - at, 0.0) for strike, held in puts.items())
            for at in listed
        ]
        if sum(calls.values()) + sum(puts.values()):
            # What is least for one side alone is the end of the list, and no max pain.
            expected = listed[pain.index(min(pain))] if calls and puts else float("nan")
            assert row["max_pain"] == pytest.approx(expected, nan_ok=True), row["expiry"]
        if row["forward_source"] == "parity" and (future := futures.get((row["underlying"], expiry))):
            assert row["forward"] == pytest.approx(future, rel=0.001), (row["underlying"], expiry)
            near += 1
    assert near >= 3
