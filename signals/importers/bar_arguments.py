"""The arguments of commands that read files of bars."""

import argparse
from typing import Any

from signals.importers.core.bar_presets import BAR_PRESETS
from signals.importers.core.bar_table import FIELDS
from signals.importers.core.mapping import Mapping
from signals.importers.mapping_arguments import add_table_arguments, mapping_of
from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import InvalidInstrumentKey, parse_key
from timeframes.core.timeframe import DAY, parse_timeframe
from timeframes.default_exchange import completed

_OPTIONS = ("zone", "time_format", "date_format", "expiry_format", "contract_names", "product", "asset", "delimiter")


def add_bar_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a mapping of bars, and the instrument that they are of."""
    parser.add_argument(
        "--instrument", metavar="KEY", help="whose bars the files hold (default: what their columns say)"
    )
    add_table_arguments(parser, BAR_PRESETS, FIELDS, _OPTIONS)
    parser.set_defaults(preset="plain")


def bar_mapping(options: dict[str, Any]) -> Mapping:
    """Return the mapping that the options describe. Raises InvalidInput."""
    mapping = mapping_of(options, BAR_PRESETS)
    if options["instrument"] is None:
        return mapping
    return mapping.with_constants({"key": instrument_of(options["instrument"])})


def instrument_of(text: str) -> str:
    """Return the whole key of an instrument. Raises InvalidInput."""
    key = parse_key(completed(text))
    exchange_named(key.exchange)
    if not key.product:
        raise InvalidInstrumentKey(text, "product", f"{key} is an underlying: say which of its instruments")
    return str(key)


def stored_length(text: str) -> int:
    """Return the seconds of a timeframe whose bars are stored. Raises InvalidInput."""
    seconds = parse_timeframe(text)
    if not isinstance(seconds, int) or seconds > DAY or DAY % seconds:
        raise InvalidInput(
            "timeframe", f"bars of a day at most are stored, of which a day holds a whole number: {text}"
        )
    return seconds
