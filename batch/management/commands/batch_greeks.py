"""Compute Greeks of a chain, or of a whole exchange, from the command line: the same job that the API submits."""

import argparse
import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from batch.exports.formats import SUFFIXES
from batch.jobs.local_workers import local_workers
from signalsite.foundation.computations.files import split_names
from signalsite.foundation.computations.registry import computations


def parameter(text: str) -> tuple[str, str | float | list[str]]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not name=value")
    if name in {each.name for each in computations()["greeks"].parameters if each.most}:
        return name, split_names(value)
    try:
        return name, float(value)  # the API takes no text for a number
    except ValueError:
        return name, value


def item(text: str) -> str | dict[str, Any]:
    """Read an item: a key, or the API's object as JSON."""
    try:
        text.encode()  # neither bytes that are no UTF-8 nor, below, escapes that UTF-8 cannot write
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError("not UTF-8") from error
    if not text.lstrip().startswith("{"):
        return text
    try:
        found: dict[str, Any] = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    return found


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def add_items(parser: CommandParser) -> None:
    parser.add_argument(
        "--item",
        action="append",
        default=[],
        type=item,
        metavar="ITEM",
        help="a key, or an item as JSON, as the API takes it, with overrides; may be repeated",
    )


class Command(BaseCommand):
    requires_system_checks = []  # they take half a second of two
    help = "Compute implied volatility and Greeks of the options quoted at an instant, as a batch job."

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_selection(parser)
        add_items(parser)
        names = ", ".join(each.name for each in computations()["greeks"].parameters)
        parser.add_argument(
            "--param",
            action="append",
            default=[],
            type=parameter,
            metavar="name=value",
            help=f"one of {names}; a list has commas: greeks=delta,vanna; may be repeated",
        )
        parser.set_defaults(kind="greeks", keys=[])

    def add_selection(self, parser: CommandParser) -> None:
        parser.add_argument("--underlying", help="symbol (NIFTY) or key (NSE@NIFTY); default: all of the exchange")
        parser.add_argument("--exchange", help="the exchange, without --underlying (default: DEFAULT_EXCHANGE)")
        parser.add_argument("--expiry", action="append", default=[], metavar="YYYY-MM-DD", help="may be repeated")
        parser.add_argument("--strike", nargs=2, type=float, metavar=("MIN", "MAX"), help="window of strikes")
        parser.add_argument("--moneyness", nargs=2, type=float, metavar=("MIN", "MAX"), help="window of strike/forward")
        parser.add_argument(
            "--at", metavar="INSTANT", help="ISO instant, or a date for its close; default: the newest quote"
        )
        parser.add_argument(
            "--out",
            metavar="FILE",
            help=f"write the answers to a file: {', '.join(SUFFIXES)}; the columns are those of exports",
        )
        parser.add_argument(
            "--fields", metavar="a,b,c", help="the columns of the file, in this order; default: all (docs/exports.md)"
        )
        parser.add_argument(
            "--plot", metavar="FILE", help="draw the smile of each expiry and the term structure: .png or .svg"
        )

    def handle(self, **options: Any) -> None:
        if (options["keys"] or options["item"]) and selector(options):
            raise CommandError("give either instruments or a selection, not both")
        with local_workers(settings.WORKERS) as workers:
            from batch.management.running import run  # here, because the workers load the kernels meanwhile

            run(workers, options, selector(options), self.stdout)


def selector(options: dict[str, Any]) -> dict[str, Any]:
    chosen: dict[str, Any] = {name: options[name] for name in ("underlying", "exchange") if options[name]}
    if options["expiry"]:
        chosen["expiries"] = options["expiry"]
    for window in ("strike", "moneyness"):
        if options[window]:
            chosen[window] = dict(zip(("min", "max"), options[window], strict=True))
    return chosen
