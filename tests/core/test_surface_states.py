"""The surface of an underlying from the states of its smiles."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moneyness.core.chain_params import ChainParams
from moneyness.core.chain_states import smile_state
from moneyness.core.evaluate_chain import evaluate_chain
from moneyness.core.states import FittedSmile, SmileFit, SurfaceState, Years
from moneyness.core.surface_states import MOST_COLUMNS, surface_state
from moneyness.core.svi import total_variance
from tests.core.smile_chains import from_smile, priced
from tests.core.test_svi_fit import svi

K = np.linspace(-0.3, 0.3, 31)


def fit(**changes: object) -> SmileFit:
    numbers = {"a": 0.01, "b": 0.1, "rho": -0.3, "m": 0.0, "sigma": 0.1, "lowest": -0.3, "highest": 0.25}
    errors = {"points": 30, "residual": 0.001, "worst": 0.002}
    values = {"status": "fitted", "reason": None, "butterfly_free": True, "calendar_free": True} | numbers | errors
    return SmileFit(**(values | changes))  # type: ignore[arg-type]


def smile(expiry: str, years: float | None, **changes: object) -> FittedSmile:
    return FittedSmile(expiry=expiry, receipt=Years(expiry_years=years), fit=fit(**changes))


def test_the_states_of_an_evaluation_make_its_surface() -> None:
    first = from_smile(svi(0.01, 0.1, -0.3, 0.0, 0.1), years=0.25, log_moneyness=K)
    few = from_smile(svi(0.01, 0.1, -0.3, 0.0, 0.1), years=0.3, log_moneyness=K[14:17])
    last = from_smile(svi(0.02, 0.12, -0.3, 0.0, 0.1), years=0.5, log_moneyness=1.5 * K)
    found = evaluate_chain(priced([first, few, last]), ChainParams())
    decode = msgspec.json.Decoder(FittedSmile).decode
    smiles = [decode(msgspec.json.encode(smile_state(found, group, "2026-01-01T00:00:00Z"))) for group in (2, 0, 1)]
    surface = surface_state(smiles, (30.0, 0.375 * 365, 365.0))
    grid = np.array(surface.log_moneyness)
    assert 0.0 in surface.log_moneyness
    assert len(grid) <= MOST_COLUMNS
    assert grid[0] <= -0.45 < 0.45 <= grid[-1]
    assert [row.days for row in surface.expiries] == pytest.approx([91.25, 109.5, 182.5])
    one, two = (total_variance(found.fits, group, grid) for group in (0, 2))
    np.testing.assert_allclose(surface.expiries[0].total_variance, one, rtol=1e-12)
    np.testing.assert_allclose(surface.expiries[0].volatility, np.sqrt(one / 0.25), rtol=1e-12)
    assert all(math.isnan(cell) for cell in surface.expiries[1].total_variance)
    assert surface.expiries[0].beyond == [bool(each) for each in np.abs(grid) > 0.3]
    near, middle, far = surface.constant_maturities
    assert all(math.isnan(cell) for cell in near.total_variance + far.total_variance)
    np.testing.assert_allclose(middle.total_variance, (one + two) / 2, rtol=1e-12)
    assert (middle.expiry, middle.days) == (None, pytest.approx(0.375 * 365))
    assert msgspec.json.decode(msgspec.json.encode(surface), type=SurfaceState).expiries[1].volatility[0] is None


def test_without_smiles_and_without_fits_there_are_no_numbers() -> None:
    nothing = surface_state([], (7.0,))
    assert (nothing.log_moneyness, nothing.expiries) == ([0.0], [])
    assert math.isnan(nothing.constant_maturities[0].volatility[0])
    unfitted = surface_state([smile("2026-01-01", None, status="no_forward", a=None, lowest=None)], ())
    assert unfitted.log_moneyness == [0.0]
    assert math.isnan(unfitted.expiries[0].volatility[0])


numbers = st.none() | st.floats() | st.sampled_from([1e308, -1e308, 0.1, -0.1])


fits = st.lists(numbers, min_size=9, max_size=9)
statuses = st.sampled_from(["fitted", "expired", "?"])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(numbers, statuses, st.lists(numbers, min_size=9, max_size=9)), max_size=5), st.lists(st.floats())
)
def test_a_strangers_states_do_no_harm(drawn: list, tenors: list[float]) -> None:
    names = ("a", "b", "rho", "m", "sigma", "lowest", "highest", "residual", "worst")
    smiles = [smile(str(place), years, status=status, **dict(zip(names, values, strict=True)))
              for place, (years, status, values) in enumerate(drawn)]  # fmt: skip
    surface = surface_state(smiles, tenors)
    assert 1 <= len(surface.log_moneyness) <= MOST_COLUMNS
    assert len(surface.expiries) == len(smiles)
    for row in surface.expiries + surface.constant_maturities:
        assert len(row.volatility) == len(row.total_variance) == len(row.beyond) == len(surface.log_moneyness)
