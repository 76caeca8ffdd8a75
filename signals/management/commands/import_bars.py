"""manage.py import_bars FILE... --instrument KEY --timeframe 1m"""

from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from signals.importers.bars import import_bars
from signals.importers.commands import ImportCommand
from signals.importers.core.bar_presets import BAR_PRESETS
from signals.importers.core.mapping import Mapping, parse_assignments
from signalsite.foundation.errors import InvalidInput
from timeframes.core.exchanges import exchange_named
from timeframes.core.keys import InstrumentKey, parse_key
from timeframes.core.timeframe import DAY, parse_timeframe
from timeframes.default_exchange import completed


class Command(ImportCommand):
    help = "Import bars (OHLCV) of one instrument: CSV, JSON, JSON lines or Parquet; plain, .gz or .zip."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        presets = "; ".join(f"{preset.name}: {preset.summary}" for preset in BAR_PRESETS.values())
        parser.add_argument("--instrument", required=True, metavar="KEY", help="whose bars the files hold")
        parser.add_argument("--timeframe", required=True, help="length of the bars, from 1s to 1d: 1m, 5m, 1h, 1d")
        parser.add_argument("--preset", choices=list(BAR_PRESETS), default="plain", help=f"{presets}. Default: plain")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="COLUMN=FIELD",
            help="a column of the file and its field: time, date, open, high, low, close, volume, vwap, turnover, "
            "trades, open_interest",
        )
        parser.add_argument(
            "--columns", metavar="NAME,...", help="names of the columns, for a file without header or a JSON of lists"
        )
        parser.add_argument("--zone", help="time zone of times without an offset (default: the exchange's)")
        parser.add_argument(
            "--time-format",
            metavar="FORMAT",
            help="iso, epoch_s, epoch_ms, epoch_us, epoch_ns, or formats such as '%%d-%%m-%%Y %%H:%%M', with | between",
        )
        parser.add_argument("--date-format", metavar="FORMAT", help="the same for a column of dates beside the time")

    def handle(
        self, *, files: list[Path], rejects: Path | None, instrument: str, timeframe: str, **options: Any
    ) -> None:
        try:
            key = parse_key(completed(instrument))
            exchange_named(key.exchange)
            seconds = _length(timeframe)
            mapping = _mapping(**options)
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


def _mapping(
    *,
    preset: str,
    map: list[str],
    columns: str | None,
    zone: str | None,
    time_format: str | None,
    date_format: str | None,
    **_: Any,
) -> Mapping:
    changes: dict[str, Any] = {"zone": zone, "time_format": time_format, "date_format": date_format}
    if map:
        changes["columns"] = {name: column for column, name in parse_assignments(map, "COLUMN=FIELD")}
    if columns:
        changes["names"] = tuple(columns.split(","))
    found = BAR_PRESETS[preset].changed(**{name: value for name, value in changes.items() if value})
    # The instrument stands for the contract that other importers read from each row.
    return found.changed(constants={"key": "set"})
