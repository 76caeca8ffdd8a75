"""manage.py import_bars FILE... --instrument KEY --timeframe 1m"""

from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from signals.importers.bars import import_bars
from signals.importers.commands import ImportCommand
from signals.importers.core.bar_presets import BAR_PRESETS
from signals.importers.core.bar_table import FIELDS
from signals.importers.core.mapping import Mapping
from signals.importers.mapping_arguments import add_table_arguments, mapping_of
from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import InstrumentKey, parse_key
from timeframes.core.timeframe import DAY, parse_timeframe
from timeframes.default_exchange import completed


class Command(ImportCommand):
    unit = "B"
    help = "Import bars (OHLCV) of one instrument: CSV, JSON, JSON lines or Parquet; plain, .gz or .zip."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--instrument", required=True, metavar="KEY", help="whose bars the files hold")
        parser.add_argument("--timeframe", required=True, help="length of the bars, from 1s to 1d: 1m, 5m, 1h, 1d")
        add_table_arguments(parser, BAR_PRESETS, FIELDS, ("zone", "time_format", "date_format", "delimiter"))
        parser.set_defaults(preset="plain")

    def handle(
        self, *, files: list[Path], rejects: Path | None, instrument: str, timeframe: str, **options: Any
    ) -> None:
        try:
            key = parse_key(completed(instrument))
            exchange_named(key.exchange)
            seconds = _length(timeframe)
            # The instrument stands for the contract that other importers read from each row.
            mapping = mapping_of(options, BAR_PRESETS).changed(constants={"key": "set"})
        except InvalidInput as error:
            raise CommandError(f"{error.field}: {error}") from error
        self.import_files(files, rejects, partial(_import, mapping, key, seconds))


def _import(mapping: Mapping, key: InstrumentKey, seconds: int, path: Path, progress: Any) -> Any:
    return import_bars(path, mapping, key, seconds, progress=progress)


def _length(text: str) -> int:
    seconds = parse_timeframe(text)
    if not isinstance(seconds, int) or seconds > DAY or DAY % seconds:
        raise InvalidInput(
            "timeframe", f"bars of a day at most are stored, of which a day holds a whole number: {text}"
        )
    return seconds
