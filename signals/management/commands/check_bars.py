"""manage.py check_bars FILE... --timeframe 1m, or --instrument KEY --timeframe 1m [--start --end]"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from signals.importers.bar_arguments import add_bar_arguments, bar_mapping, instrument_of, stored_length
from signals.importers.bar_checks import Checked, Span, check_file, check_stored
from signals.importers.commands import advance
from signalsite.foundation.errors import InvalidInput, SignalServiceError
from timeframes.core.keys import parse_key
from timeframes.core.ranges import parse_moment
from timeframes.core.timeframe import format_timeframe


class Command(BaseCommand):
    requires_system_checks = []  # they take half a second
    help = "Report what is wrong with bars, in files or stored. Changes nothing; the exit code is 1 if something is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="files, or none: what is stored")
        parser.add_argument("--timeframe", required=True, help="length of the bars, from 1s to 1d: 1m, 5m, 1h, 1d")
        parser.add_argument(
            "--against",
            nargs="+",
            default=[],
            metavar="TIMEFRAME",
            help="compare with stored bars of other lengths: the finer ones are folded",
        )
        parser.add_argument("--start", metavar="INSTANT", help="of stored bars: those that begin at or after it")
        parser.add_argument("--end", metavar="INSTANT", help="of stored bars: those before it, or until that date")
        parser.add_argument("--json", action="store_true", help="print one JSON document")
        add_bar_arguments(parser)

    def handle(self, *, files: list[Path], timeframe: str, against: list[str], **options: Any) -> None:
        try:
            seconds = stored_length(timeframe)
            others = [_other(each, seconds) for each in against]
            if files:
                check = partial(check_file, mapping=bar_mapping(options), seconds=seconds, against=others)
                found = [each for path in files for each in _check(path, check)]
            else:
                found = self._stored(seconds, others, options)
        except InvalidInput as error:
            raise CommandError(f"{error.field}: {error}", returncode=2) from error
        except SignalServiceError as error:
            raise CommandError(str(error), returncode=2) from error
        if options["json"]:
            self.stdout.write(json.dumps([each.plain() for each in found], indent=2))
        else:
            for each in found:
                self._show(each)
        if count := sum(len(each.findings) for each in found):
            raise CommandError(f"{count} findings", returncode=1)

    def _stored(self, seconds: int, others: list[int], options: dict[str, Any]) -> list[Checked]:
        if options["instrument"] is None:
            raise InvalidInput("instrument", "say which FILE to check, or with --instrument which stored bars")
        key = instrument_of(options["instrument"])
        exchange = parse_key(key).exchange
        start, end = (
            None if options[name] is None else parse_moment(options[name], exchange, name, ends=name == "end")
            for name in ("start", "end")
        )
        return check_stored(key, seconds, Span(start, end), others)

    def _show(self, checked: Checked) -> None:
        of = f" of {checked.instrument}" if checked.instrument else ""
        what = f"{checked.bars:,} {checked.timeframe} bars" if of else f"{checked.bars:,} rows"
        self.stdout.write(f"{checked.source}: {what}{of}: {len(checked.findings) or 'nothing'} found")
        for found in checked.findings:
            self.stdout.write(f"  {found.kind:<10} {found.count:>9,}  {found.detail}")
            for example in found.examples[:3]:
                self.stdout.write(f"  {'':<20}    {example}")


def _other(text: str, seconds: int) -> int:
    """Return the seconds of a timeframe to compare with. Raises InvalidInput if neither is made of the other."""
    other = stored_length(text)
    if other == seconds or (other % seconds and seconds % other):
        raise InvalidInput("against", f"{text} bars are not made of {format_timeframe(seconds)} bars, nor the reverse")
    return other


def _check(path: Path, check: Callable[..., list[Checked]]) -> list[Checked]:
    """Check a file, with a progress bar."""
    with tqdm(total=0, desc=path.name, unit="B", unit_scale=True, leave=False, disable=None, file=sys.stderr) as bar:
        return check(path, progress=partial(advance, bar))
