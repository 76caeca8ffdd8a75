"""The kernels against golden values of TA-Lib, which this test does not need: on drawn bars, and on real ones."""

import numpy as np
import pytest

from signals.indicators.core.compute import compute_indicators
from signals.indicators.core.spec import parse_spec
from signals.indicators.core.stream import IndicatorStream
from tests.core.golden_indicators import DATA, DRAWN, PLACES, REAL, bars_of, golden

SERIES = [
    DRAWN,
    *(
        pytest.param(name, marks=pytest.mark.skipif(not DATA.exists(), reason="the shared market data is not here"))
        for name in REAL
    ),
]
TEXTS = list(golden()[DRAWN])


@pytest.mark.parametrize("name", SERIES)
def test_kernels_equal_the_golden_values(name: str) -> None:
    bars = bars_of(name)
    for text, outputs in golden()[name].items():
        ours = list(compute_indicators(bars, [parse_spec(text, "x")])[0].values())
        for mine, theirs in zip(ours, outputs, strict=False):
            scale = float(np.nanmax(np.abs(mine)))
            for place, value in zip(PLACES, theirs, strict=True):
                if text == "mfi" and place < 460:
                    continue  # docs/indicators.md
                assert mine[place] == pytest.approx(value, rel=1e-9, abs=1e-9 * scale), (text, place)


def test_bar_by_bar_the_golden_values_come_too() -> None:
    """As live bars are computed: each bar forms, then closes."""
    bars = {name: column[:, None] for name, column in bars_of(DRAWN).items()}
    specs = [parse_spec(text, "x") for text in TEXTS]
    stream = IndicatorStream(specs)
    stream.push({name: column[:249] for name, column in bars.items()})
    for place in range(249, 335):
        bar = {name: column[place : place + 1] for name, column in bars.items()}
        forming = stream.peek({**bar, "close": bar["close"] * 1.01})
        closed = stream.push(bar)
        assert len(forming) == len(closed)
        if place in PLACES:
            for text, made in zip(TEXTS, closed, strict=True):
                for mine, theirs in zip(made.values(), golden()[DRAWN][text], strict=False):
                    if text != "mfi":
                        wanted = pytest.approx(theirs[PLACES.index(place)], rel=1e-9, abs=1e-7)
                        assert mine[0, 0] == wanted, (text, place)
