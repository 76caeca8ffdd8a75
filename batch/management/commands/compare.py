"""manage.py compare FILE: a vendor's own numbers beside ours, and the settings that bring them nearest."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from batch.exports.files import write_file
from batch.exports.formats import SUFFIXES
from signals.comparison.core import report
from signals.comparison.core.settings import BOUNDS, CHOICES, MEANINGS, NAMES, parse_setting
from signals.comparison.files import MAX_LEGS
from signals.comparison.services import Comparison, compare_file, guess_mapping, rows_of
from signals.importers.core.mapping import Mapping
from signals.importers.mapping_arguments import add_mapping_arguments, mapping_of
from signalsite.foundation.errors import InvalidInput, SignalServiceError


class Command(BaseCommand):
    requires_system_checks = []  # no database is needed
    help = (
        "Compare a vendor's volatilities, Greeks and valuations with ours, and find the settings that bring ours"
        " nearest. The file is read as import_quotes reads it; without --preset and --map the preset is guessed."
        " Nothing is stored, and no server is needed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument("file", type=Path, metavar="FILE")
        add_mapping_arguments(parser)
        parser.add_argument("--as-is", action="store_true", help="compare only, without a search of settings")
        parser.add_argument("--out", type=Path, metavar="FILE", help=f"one row per option: {', '.join(SUFFIXES)}")
        parser.add_argument(
            "--limit", type=int, default=MAX_LEGS, metavar="N", help=f"options to compare at most (up to {MAX_LEGS:,})"
        )
        known = [f"  {name:<16} {' | '.join(CHOICES.get(name, ('a number',)))}: {MEANINGS[name]}" for name in NAMES]
        parser.epilog = (
            "settings of --set, which fixes what is not to be searched:\n"
            + "\n".join(known)
            + "\n\n"
            + (parser.epilog or "")
        )

    def handle(self, *, file: Path, out: Path | None, as_is: bool, limit: int, **options: Any) -> None:
        try:
            _check(out, limit)
            fixed = _take_settings(options)
            mapping = _mapping(file, options)
            found = compare_file(file, mapping, fixed, search=not as_is, limit=limit)
        except SignalServiceError as error:
            raise CommandError(_said(file, error)) from error
        self.stdout.write("\n".join(_lines(file, mapping, found)))
        if out:
            try:
                write_file(out, rows_of(found))
            except OSError as error:
                raise CommandError(f"{out} could not be written: {error.strerror}") from error
            self.stdout.write(f"written to {out}")


def _said(file: Path, error: SignalServiceError) -> str:
    """Return the sentence with what it is about: the file, or the argument if the sentence does not name it."""
    subject = error.field if isinstance(error, InvalidInput) else "file"
    return f"{file.name if subject == 'file' else subject}: {error}"


def _check(out: Path | None, limit: int) -> None:
    if out is not None and out.suffix.lower() not in SUFFIXES:
        raise InvalidInput("out", f"{out.name[:60]!r} ends in none of {', '.join(SUFFIXES)}")
    if not 1 <= limit <= MAX_LEGS:
        raise InvalidInput("limit", f"{limit} is not from 1 to {MAX_LEGS:,}")


def _take_settings(options: dict[str, Any]) -> dict[str, str | float]:
    """Return the settings among --set, and leave there the values of the file's fields."""
    fixed: dict[str, str | float] = {}
    rest = []
    for pair in options["set"]:
        name, _, value = pair.partition("=")
        if name in CHOICES or name in BOUNDS:
            fixed[name] = parse_setting(name, value)
        else:
            rest.append(pair)
    options["set"] = rest
    return fixed


def _mapping(file: Path, options: dict[str, Any]) -> Mapping:
    if options["preset"] is None and not options["map"]:
        options["preset"] = guess_mapping(file).name
    return mapping_of(options)


def _lines(file: Path, mapping: Mapping, found: Comparison) -> list[str]:
    vendor = found.file.columns
    given = ", ".join(vendor.given())
    lines = [f"{file.name}, read as {mapping.name}: {len(vendor):,} options, the vendor gives {given}"]
    lines += [f"  {note}" for note in [*found.file.notes, mapping.note] if note]
    lines += [f"  {count:,} rows not used: {reason}" for reason, count in found.file.rejected.most_common()]
    lines += ["", f"As the service computes: {report.defaults(found.asked, vendor)}"]
    lines += report.compared(vendor, found.ours_as_asked, found.asked)
    if found.found:
        lines += ["", *report.nearest(found.found, vendor, found.ours)]
        lines += ["", "With the nearest settings:", *report.compared(vendor, found.ours, found.settings)]
    return lines + report.parts(vendor, found.ours, found.settings)
