"""Lists that people write in the settings of a chain: bands, deltas and constant maturities."""

import re
from collections.abc import Sequence
from typing import TypeVar

from moneyness.core.chain_params import Band
from moneyness.core.level_grammar import read_level
from moneyness.core.levels import UnknownLevel
from signalsite.foundation.errors import InvalidInput

MOST = 20
"""Elements of a list: each is a level or a maturity of every expiry."""
MOST_CHARACTERS = 1000
SMALLEST_DELTA, LARGEST_DELTA = 0.001, 0.999
LONGEST_TENOR = 3650.0
_NUMBER = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")


T = TypeVar("T")


class BadList(InvalidInput):
    """The text is not such a list; the message says what is wrong with which element."""


def parse_bands(text: str, field: str = "bands") -> tuple[Band, ...]:
    """Parse the names of levels by bands, such as `OTM_PCT_2_5, ITM_LOG_0_0.02`. Raises BadList.

    >>> parse_bands("OTM_PCT_2_5")
    (Band(low=2.0, high=5.0, logarithmic=False, out_of=True),)
    """
    return _distinct([_band(part, field) for part in _parts(text, field)], field)


def parse_deltas(text: str, field: str = "deltas") -> tuple[float, ...]:
    """Parse absolute deltas such as `0.05, 0.1, 0.25`. Raises BadList."""
    return _numbers(text, field, SMALLEST_DELTA, LARGEST_DELTA)


def parse_tenors(text: str, field: str = "tenors") -> tuple[float, ...]:
    """Parse days such as `7, 30, 60`. Raises BadList."""
    return _numbers(text, field, 1.0, LONGEST_TENOR)


def _parts(text: str, field: str) -> list[str]:
    if len(text) > MOST_CHARACTERS:
        raise BadList(field, f"at most {MOST_CHARACTERS} characters")
    parts = [part.strip() for part in text.split(",")] if text.strip() else []
    if len(parts) > MOST:
        raise BadList(field, f"at most {MOST} elements")
    return parts


def _band(text: str, field: str) -> Band:
    try:
        found = read_level(text, 1).band
    except UnknownLevel:
        found = None
    if found is None:
        raise BadList(field, f"{text[:30]!r} is no band such as OTM_PCT_2_5 or ITM_LOG_0_0.02")
    return found


def _numbers(text: str, field: str, least: float, most: float) -> tuple[float, ...]:
    found = []
    for part in _parts(text, field):
        if not _NUMBER.fullmatch(part) or not least <= float(part) <= most:
            raise BadList(field, f"{part[:30]!r} is no number from {least:g} to {most:g}")
        found.append(float(part))
    return tuple(sorted(_distinct(found, field)))


def _distinct(found: Sequence[T], field: str) -> tuple[T, ...]:
    if len(set(found)) < len(found):
        raise BadList(field, "an element is there twice")
    return tuple(found)
