"""Internal functions in columns: the last values of each instrument equal those of its own bars."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.functions.core.last_values import LAST_VALUES
from signals.functions.core.registry import complete, internal_function

PARAMS = {
    "close_zscore": {"length": 5},
    "pivots": {},
    "range_position": {"length": 4},
    "realised_volatility": {"length": 6},
    "relative_volume": {"length": 3},
    "volatility_zscore": {"length": 4, "history": 7},
    "drawdown": {},
}
CASES = [*PARAMS.items(), ("pivots", {"method": "camarilla"}), ("pivots", {"method": "fibonacci"})]


@pytest.mark.parametrize(("name", "given_params"), CASES)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(2, 40), flat=st.booleans())
@settings(max_examples=40, deadline=None)
def test_they_equal_the_function_of_each_instrument(name, given_params, seed, rows, flat):
    random = np.random.default_rng(seed)
    lanes, function = 6, internal_function(name, "function")
    params = complete(function, given_params, "params")
    close = np.full((rows, lanes), 100.0) if flat else random.choice([0.0, 99.0, 100.5, 101.0, 103.0], (rows, lanes))
    time = 1_000_000.0 + 60.0 * np.arange(rows)
    session = np.repeat(time[:: max(rows // 3, 1)], max(rows // 3, 1))[:rows]
    session_begin = session - random.choice([0.0, 60.0])
    columns = {
        "open": close - 1,
        "high": close + random.random((rows, lanes)),
        "low": close - random.random((rows, lanes)),
        "close": close,
        "volume": random.choice([0.0, 5.0, 7.0], (rows, lanes)),
        **{key: np.repeat(each[:, None], lanes, 1) for key, each in
           (("timestamp", time), ("session", session), ("session_begin", session_begin))},
    }  # fmt: skip
    begins = random.integers(0, rows, lanes)
    padded = {key: np.where(np.arange(rows)[:, None] < begins, np.nan, each) for key, each in columns.items()}
    with np.errstate(all="ignore"):
        found = LAST_VALUES[name](padded, params)
        assert found.keys() == function.outputs.keys()
        for lane, begin in enumerate(begins):
            own = {key: np.ascontiguousarray(each[begin:, lane]) for key, each in columns.items()}
            for output, values in function.compute(own, params).items():
                np.testing.assert_allclose(found[output][lane], values[-1], rtol=1e-9, atol=1e-12, err_msg=output)
