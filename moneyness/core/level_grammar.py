"""The grammar of moneyness levels, as topics, addresses and tables write them.

    ATM                                     the strike at the money
    ITM1 ITM2 ... OTM1 OTM2 ...             by strikes from it
    ITM OTM                                 all of ITM1, ITM2, ...; all of OTM1, OTM2, ...
    OTM_PCT_2_5 ITM_PCT_0_2.5               by distance from the forward, |K/F - 1| in percent, from the first number
                                            (included) to the second (excluded)
    OTM_LOG_0.02_0.05 ITM_LOG_0_0.1         the same by |ln(K/F)|
    OTM25D OTM5D OTM2.5D                    by delta, in hundredths: of each side the option with the nearest one

A number has at most three digits before the point and four after it, no leading and no trailing zeros, so each level
has one name. A name is safe in topics, addresses and file names.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from moneyness.core.chain_params import Band, ChainParams
from moneyness.core.levels import UnknownLevel, level_name

_NUMBER = r"(0|[1-9][0-9]{0,2})(\.[0-9]{0,3}[1-9])?"
_STRIKES = re.compile(r"(ITM|OTM)([1-9][0-9]{0,3})")
_BAND = re.compile(rf"(ITM|OTM)_(PCT|LOG)_({_NUMBER})_({_NUMBER})")
_DELTA = re.compile(rf"OTM({_NUMBER})D")
LONGEST = 25  # OTM_LOG_100.1234_200.1234
_GRAMMAR = (
    "ATM, ITM, OTM, ITM1 to ITM{0}, OTM1 to OTM{0}, a band such as OTM_PCT_2_5 or ITM_LOG_0.02_0.05, "
    "a delta such as OTM25D"
)


class LevelRule(StrEnum):
    STRIKES = "strikes"
    PERCENT = "percent"
    LOG = "log"
    DELTA = "delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level. Of `depth`, `band` and `delta` one at most is there; a bare ITM or OTM has none."""

    name: str
    rule: LevelRule
    out_of: bool = False  # out of the money, for bare levels
    depth: int | None = None  # as moneyness.core.levels counts
    band: Band | None = None
    delta: float | None = None  # absolute


@lru_cache(maxsize=1024)
def read_level(text: str, deepest: int) -> Level:
    """Return the level that the text names, with strikes up to `deepest`. Raises UnknownLevel.

    >>> read_level("OTM_PCT_2_5", 10).band
    Band(low=2.0, high=5.0, logarithmic=False, out_of=True)
    >>> read_level("OTM2.5D", 10).delta
    0.025
    """
    found = _read(text, deepest) if len(text) <= LONGEST else None
    if found is None:
        raise UnknownLevel(f"moneyness level {text[:20]!r} is none of {_GRAMMAR.format(deepest)}")
    return found


def _read(text: str, deepest: int) -> Level | None:
    if text == "ATM":
        return Level(name=text, rule=LevelRule.STRIKES, depth=0)
    if text in ("ITM", "OTM"):
        return Level(name=text, rule=LevelRule.STRIKES, out_of=text == "OTM")
    if strikes := _STRIKES.fullmatch(text):
        depth = int(strikes[2])
        sign = 1 if strikes[1] == "ITM" else -1
        return Level(name=text, rule=LevelRule.STRIKES, depth=sign * depth) if depth <= deepest else None
    if band := _BAND.fullmatch(text):
        low, high = float(band[3]), float(band[6])
        logarithmic = band[2] == "LOG"
        made = Band(low=low, high=high, logarithmic=logarithmic, out_of=band[1] == "OTM")
        rule = LevelRule.LOG if logarithmic else LevelRule.PERCENT
        return Level(name=text, rule=rule, band=made) if low < high else None
    if delta := _DELTA.fullmatch(text):
        percent = float(delta[1])
        return Level(name=text, rule=LevelRule.DELTA, delta=percent / 100.0) if 0.0 < percent < 100.0 else None
    return None


def band_name(band: Band) -> str:
    """Return the level's name of a band: the inverse of `read_level`."""
    side, kind = "OTM" if band.out_of else "ITM", "LOG" if band.logarithmic else "PCT"
    return f"{side}_{kind}_{_number(band.low)}_{_number(band.high)}"


def delta_name(delta: float) -> str:
    """Return the level's name of an absolute delta.

    >>> delta_name(0.05), delta_name(0.025)
    ('OTM5D', 'OTM2.5D')
    """
    return f"OTM{_number(delta * 100.0)}D"


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


@lru_cache(maxsize=256)
def levels_of(params: ChainParams) -> tuple[Level, ...]:
    """Return the levels that an evaluation has, in the order of its rows."""
    depths = [0, *range(1, params.strikes + 1), *range(-1, -params.strikes - 1, -1)]
    return (
        *(Level(name=level_name(depth), rule=LevelRule.STRIKES, depth=depth) for depth in depths),
        Level(name="ITM", rule=LevelRule.STRIKES, out_of=False),
        Level(name="OTM", rule=LevelRule.STRIKES, out_of=True),
        *(
            Level(name=band_name(band), rule=LevelRule.LOG if band.logarithmic else LevelRule.PERCENT, band=band)
            for band in params.bands
        ),
        *(Level(name=delta_name(delta), rule=LevelRule.DELTA, delta=delta) for delta in params.deltas),
    )


def with_level(params: ChainParams, level: Level) -> ChainParams:
    """Return the parameters of an evaluation that has the level too."""
    if any(each.name == level.name for each in levels_of(params)):
        return params
    if level.band is not None:
        return replace(params, bands=(*params.bands, level.band))
    if level.delta is not None:
        return replace(params, deltas=(*params.deltas, level.delta))
    return replace(params, strikes=max(params.strikes, abs(level.depth or 0)))
