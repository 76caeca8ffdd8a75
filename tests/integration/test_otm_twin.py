"""The volatilities of a real day of closes, from each option's own price and from its strike's out-of-the-money leg."""

import io
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command

from signals.greeks.core.conventions import GreeksParams, IvFrom
from signals.greeks.market import load_market
from signals.greeks.selectors import load_options, load_twins, option_groups
from signals.greeks.services import compute_greeks
from signals.instruments.models import Instrument
from timeframes.core.sessions import session_close

FILE = Path(__file__).parents[2] / "../shared/data/1_bhavcopy/fo_legacycols_20260611.csv.gz"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not FILE.exists(), reason="the shared market data is not on this machine"),
]


def test_twins_give_a_value_to_most_options_that_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    call_command("import_bhavcopy", str(FILE.resolve()), stdout=io.StringIO(), stderr=io.StringIO())
    keys = list(Instrument.objects.exclude(right="").values_list("key", flat=True))
    as_of = session_close("NSE", date(2026, 6, 11))
    found = {}
    for iv_from in IvFrom:
        params = GreeksParams(iv_from=iv_from)
        market = load_market(option_groups([keys]), as_of, params)
        rows = load_options(keys, as_of, params.max_quote_age_seconds)
        found[iv_from] = compute_greeks(keys, rows, {}, as_of, params, market, load_twins(keys, as_of, params))
    own, twin = (
        {name: np.array(columns[name]) for name in ("status", "iv_source", "implied_volatility", "delta")}
        for columns in found.values()
    )
    missing = {name: Counter(columns["status"].tolist()) for name, columns in (("own", own), ("twin", twin))}
    shares = {name: 1 - counts["ok"] / len(keys) for name, counts in missing.items()}
    assert shares["own"] > 0.035, missing
    assert shares["twin"] < 0.005, missing
    # Nothing that had a value loses it, and options out of the money do not change.
    assert (twin["status"][own["status"] == "ok"] == "ok").all()
    same = twin["iv_source"] == "price"
    assert np.array_equal(twin["implied_volatility"][same], own["implied_volatility"][same], equal_nan=True)
    # Call and put of a strike have one volatility, and deltas of one strike are 1 apart: black-scholes, no yield.
    place = {key: at for at, key in enumerate(keys)}
    pairs = [(at, place.get(key.replace("@call@", "@put@"))) for key, at in place.items() if "@call@" in key]
    both = [(c, p) for c, p in pairs if p is not None and "otm_twin" in (twin["iv_source"][c], twin["iv_source"][p])]
    calls, puts = np.array(both).T
    assert len(calls) > 10_000
    assert twin["implied_volatility"][calls] == pytest.approx(twin["implied_volatility"][puts], rel=1e-12)
    assert twin["delta"][calls] - twin["delta"][puts] == pytest.approx(np.ones(len(calls)), abs=1e-9)
