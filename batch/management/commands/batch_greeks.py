"""Compute Greeks of a chain, or of a whole exchange, from the command line: the same job that the API submits."""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from batch.client import ApiError, Client, Job, ServiceUnreachable
from batch.exports.chain_table import NEEDED, chain_lines
from batch.exports.files import SUFFIXES, write_file
from batch.exports.plots import check_plot, draw
from batch.jobs import in_process_client
from batch.jobs.local_workers import LocalWorkers, WorkerEnded, local_workers
from signalsite.foundation.blocks import count_words
from signalsite.foundation.computations.files import choose_columns, split_names
from signalsite.foundation.computations.registry import computations
from signalsite.foundation.errors import ConfigurationError, InvalidInput


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
    if not text.lstrip().startswith("{"):
        return text
    try:
        found: dict[str, Any] = json.loads(text, parse_constant=_refuse_constant)
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
        out, plot = (Path(options[name]) if options[name] else None for name in ("out", "plot"))
        fields = _check(options, out, plot)
        with local_workers(settings.WORKERS) as workers, in_process_client.client() as client:
            try:
                job = self.run(client, workers, options)
                answers = client.to_arrow(job)
            except ApiError as error:
                wrong = "; ".join(f"{row.field}: {row.detail}" for row in error.errors)
                raise CommandError(wrong or str(error)) from error
            except (ServiceUnreachable, WorkerEnded) as error:
                raise CommandError(str(error)) from error
        self.stdout.write(
            f"job {job.id} as of {job.as_of:%Y-%m-%d %H:%M:%S %Z}: {job.counts.total} items, "
            f"{job.counts.completed} with a value, {job.counts.failed} with a reason, in {job.duration_seconds:.2f} s"
        )
        words = Counter(count_words(answers.column("status")))
        for status, count in [("ok", words.pop("ok", 0)), *words.most_common()]:
            self.stdout.write(f"  {status:16} {count}")
        if chain := list(chain_lines(answers, ascii_only=not self.stdout.isatty())):
            self.stdout.write("\n".join(["", *chain]))
        if out:
            write_file(out, answers.select(fields))
            self.stdout.write(f"written to {out}")
        if plot:
            try:
                draw(plot, answers, as_of=f"{job.as_of:%d %B %Y, %H:%M %Z}")
            except InvalidInput as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"drawn in {plot}")

    def run(self, client: Client, workers: LocalWorkers, options: dict[str, Any]) -> Job:
        """Run the job to its end and return it. Ctrl-C cancels it."""
        items = [*options["keys"], *options["item"]]
        job = client.submit(
            items or None,
            selector=None if items else selector(options),
            kind=options["kind"],
            params=dict(options["param"]),
            as_of=options["at"],
        )
        try:
            with tqdm(total=1, unit=" items", file=sys.stderr) as bar:

                def show(state: Job) -> None:
                    if not state.done:
                        workers.check()
                    bar.total = state.counts.total or 1
                    bar.update(state.counts.answered - bar.n)

                workers.compute(job.id)
                job = client.wait(job, progress=show)
        except KeyboardInterrupt:
            client.cancel(job)
            raise
        if job.status != "completed":
            raise CommandError(f"job {job.id} {job.status}: {job.error}")
        return job


def selector(options: dict[str, Any]) -> dict[str, Any]:
    chosen: dict[str, Any] = {name: options[name] for name in ("underlying", "exchange") if options[name]}
    if options["expiry"]:
        chosen["expiries"] = options["expiry"]
    for window in ("strike", "moneyness"):
        if options[window]:
            chosen[window] = dict(zip(("min", "max"), options[window], strict=True))
    return chosen


def _check(options: dict[str, Any], out: Path | None, plot: Path | None) -> list[str]:
    """Return the columns to write. Raises CommandError for what would fail after the job."""
    kind, fields, params = options["kind"], options["fields"], dict(options["param"])
    if out and out.suffix.lower() not in SUFFIXES:
        raise CommandError(f"out: {out} must end in {' or '.join(SUFFIXES)}")
    if fields is not None and not out:
        raise CommandError("fields: they choose the columns of a file; name it with --out")
    for name, path in (("out", out), ("plot", plot)):
        if path and not path.absolute().parent.is_dir():
            raise CommandError(f"{name}: there is no folder {path.parent}")
    try:
        computation = computations()[kind]
        if plot:
            check_plot(plot)
            there = {column.name for column in computation.file_columns_for(params)}
            for name in sorted(NEEDED & computation.picked.keys() - there):
                raise InvalidInput("plot", f"it needs {name}: {computation.picked[name]} must name it")
        columns = choose_columns(computation, params, [] if fields is None else split_names(fields))
    except (InvalidInput, ConfigurationError) as error:
        raise CommandError(str(error)) from error
    return [column.name for column in columns]
