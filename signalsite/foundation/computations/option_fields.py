"""The fields by which an item names an option outright, instead of by its key."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from signalsite.foundation.computations.contract import Bounds

STRIKES_BELOW = 10**12
"""A key's strike has at most 12 digits before the point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionField:
    """A text, one of `choices` where there are any, or a number within `bounds`."""

    name: str
    help: str
    bounds: Bounds | None = None
    choices: Sequence[str] = ()
    required: bool = True


OPTION_FIELDS = (
    OptionField(name="underlying", help="Symbol (NIFTY) or key (NSE@NIFTY)."),
    OptionField(name="expiry", help="Date as YYYY-MM-DD, in the exchange's time zone, from 1970 to 2199."),
    OptionField(
        name="strike", bounds=Bounds(0.0, math.nextafter(STRIKES_BELOW, 0), above=0.0), help="With at most 6 decimals."
    ),
    OptionField(name="option_type", choices=("call", "put"), help="call or put."),
    OptionField(name="exchange", help="Of a symbol; default: DEFAULT_EXCHANGE.", required=False),
)
REQUIRED = tuple(each.name for each in OPTION_FIELDS if each.required)
NAMES = frozenset(each.name for each in OPTION_FIELDS)
TEXTS = tuple(each.name for each in OPTION_FIELDS if each.bounds is None)
EITHER = f"instrument_key, or {', '.join(REQUIRED[:-1])} and {REQUIRED[-1]}"
