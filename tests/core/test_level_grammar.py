"""The grammar of moneyness levels."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moneyness.core.chain_params import Band, ChainParams
from moneyness.core.level_grammar import LevelRule, band_name, delta_name, levels_of, read_level, with_level
from moneyness.core.levels import UnknownLevel, parse_level
from signalsite.foundation.errors import InvalidInput

NUMBERS = st.integers(0, 9_999_999).map(lambda number: number / 10_000)


@pytest.mark.parametrize(
    ("text", "rule", "field", "value"),
    [
        ("ATM", LevelRule.STRIKES, "depth", 0),
        ("ITM3", LevelRule.STRIKES, "depth", 3),
        ("OTM10", LevelRule.STRIKES, "depth", -10),
        ("ITM", LevelRule.STRIKES, "depth", None),
        ("OTM", LevelRule.STRIKES, "out_of", True),
        ("OTM_PCT_2_5", LevelRule.PERCENT, "band", Band(low=2, high=5, logarithmic=False, out_of=True)),
        ("ITM_PCT_0_2.5", LevelRule.PERCENT, "band", Band(low=0, high=2.5, logarithmic=False, out_of=False)),
        ("ITM_LOG_0.02_0.05", LevelRule.LOG, "band", Band(low=0.02, high=0.05, logarithmic=True, out_of=False)),
        ("OTM25D", LevelRule.DELTA, "delta", 0.25),
        ("OTM5D", LevelRule.DELTA, "delta", 0.05),
        ("OTM2.5D", LevelRule.DELTA, "delta", 0.025),
    ],
)
def test_what_a_name_means(text: str, rule: LevelRule, field: str, value: object) -> None:
    level = read_level(text, 10)
    assert (level.name, level.rule, getattr(level, field)) == (text, rule, value)


REFUSED = (
    "", "atm", "ATM1", "ITM0", "ITM01", "ITM11", "OTM-1", "OTM1 ", "OTM\n", "OTM1\n", "\x00ATM", "OTM_PCT_5_2",
    "OTM_PCT_2_2", "OTM_PCT_02_5", "OTM_PCT_2_5.0", "OTM_PCT_2_5.", "OTM_PCT_.5_5", "OTM_PCT_2_1e3", "OTM_PCT_2",
    "OTM_PCT_-2_5", "OTM_PCT_2_inf", "OTM_PCT_nan_5", "OTM_PCT_2_1000", "OTM_LOG_0.00001_1", "ATM_PCT_0_1",
    "OTM_ABS_1_2", "ITM25D", "OTM0D", "OTM100D", "OTM025D", "OTM25d", "OTM2.50D", "\uff2f\uff34\uff2d1", "OTM\u0661",
    "A" * 100_000, "OTM" + "9" * 100_000, "OTM_PCT_" + "1_" * 50_000, "OTM_PCT_" + "0." * 50_000,
)  # fmt: skip


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:16]))
def test_other_text_is_refused_at_once(text: str) -> None:
    fastest = 1.0
    for _ in range(5):
        begun = time.perf_counter()
        with pytest.raises(UnknownLevel, match="ATM, ITM, OTM, ITM1 to ITM10") as refused:
            read_level(text, 10)
        fastest = min(fastest, time.perf_counter() - begun)
    assert fastest < 0.001
    assert isinstance(refused.value, InvalidInput)
    assert len(str(refused.value)) < 300


@given(st.booleans(), st.booleans(), NUMBERS, NUMBERS)
def test_a_band_has_one_name(logarithmic: bool, out_of: bool, one: float, other: float) -> None:
    low, high = sorted((one, other))
    band = Band(low=low, high=high, logarithmic=logarithmic, out_of=out_of)
    if low < high:
        assert read_level(band_name(band), 10).band == band
    else:
        with pytest.raises(UnknownLevel):
            read_level(band_name(band), 10)


@given(st.integers(1, 99_9999).map(lambda number: number / 1_000_000))
def test_a_delta_has_one_name(delta: float) -> None:
    assert read_level(delta_name(delta), 10).delta == pytest.approx(delta, abs=1e-9)


@given(st.text(max_size=30))
def test_any_text_is_a_level_or_refused(text: str) -> None:
    try:
        level = read_level(text, 10)
    except UnknownLevel:
        return
    assert level.name == text


@given(st.text(alphabet="ATMIOPCLG_D0123456789.", max_size=12))
def test_what_topics_took_before_is_a_level_still(text: str) -> None:
    try:
        depth = parse_level(text, 10)
    except UnknownLevel:
        return
    assert read_level(text, 10).depth == depth


def test_the_levels_of_parameters_have_their_names() -> None:
    bands = (Band(low=2, high=5, logarithmic=False, out_of=True),)
    names = [level.name for level in levels_of(ChainParams(strikes=2, bands=bands, deltas=(0.05, 0.25)))]
    assert names == ["ATM", "ITM1", "ITM2", "OTM1", "OTM2", "ITM", "OTM", "OTM_PCT_2_5", "OTM5D", "OTM25D"]
    assert all(read_level(name, 2).name == name for name in names)


@pytest.mark.parametrize("text", ["ATM", "OTM", "OTM1", "ITM7", "OTM_LOG_0.1_0.2", "OTM33.3D", "OTM5D"])
def test_an_evaluation_can_be_asked_for_any_level(text: str) -> None:
    level = read_level(text, 10)
    params = with_level(ChainParams(strikes=2), level)
    assert text in [each.name for each in levels_of(params)]
    assert with_level(params, level) == params
