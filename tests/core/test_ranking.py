"""Rank and percentile: against hand-counted ones."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moneyness.core.ranking import standing


def test_by_hand() -> None:
    found = standing(np.array([0.10, 0.30, np.nan, 0.20, 0.25]))
    assert (found.value, found.known, found.lowest, found.highest) == (0.25, 4, 0.10, 0.30)
    assert found.rank == pytest.approx(0.75) and found.percentile == pytest.approx(2 / 3)
    assert found.mean == pytest.approx(0.2125)
    assert standing(np.array([0.2, np.nan])).known == 1 and math.isnan(standing(np.array([0.2])).rank)
    assert math.isnan(standing(np.array([np.nan])).value) and math.isnan(standing(np.array([])).percentile)
    flat = standing(np.array([0.2, 0.2]))
    assert math.isnan(flat.rank) and flat.percentile == 0.0


@given(values=st.lists(st.floats(0.01, 3.0), min_size=2, max_size=30))
def test_it_equals_counting(values: list[float]) -> None:
    found = standing(np.array(values))
    assert found.percentile == pytest.approx(sum(each < values[-1] for each in values[:-1]) / (len(values) - 1))
    if max(values) > min(values):
        assert 0.0 <= found.rank <= 1.0
