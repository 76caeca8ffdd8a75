"""Greeks of a chain, or of a whole exchange, from the command line: the same job that the API submits."""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from batch import exports, runner
from batch.kinds.greeks import GreeksParamsSerializer
from batch.models import Job
from batch.serializers import JobSubmissionSerializer
from signalsite.foundation.errors import InvalidInput
from signalsite.foundation.problems import flat_errors


def parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not name=value")
    return name, value


class Command(BaseCommand):
    help = "Compute implied volatility and Greeks of the options quoted at an instant, as a batch job."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--underlying", help="symbol (NIFTY) or key (NSE@NIFTY); default: every one of the exchange"
        )
        parser.add_argument("--exchange", help="without --underlying: which exchange (default: DEFAULT_EXCHANGE)")
        parser.add_argument("--expiry", action="append", default=[], metavar="YYYY-MM-DD", help="may be repeated")
        parser.add_argument("--strike", nargs=2, type=float, metavar=("MIN", "MAX"), help="window of strikes")
        parser.add_argument("--moneyness", nargs=2, type=float, metavar=("MIN", "MAX"), help="window of strike/forward")
        parser.add_argument(
            "--at", metavar="INSTANT", help="ISO instant, or a date for its close; default: newest quote"
        )
        parser.add_argument(
            "--param",
            action="append",
            default=[],
            type=parameter,
            metavar="name=value",
            help=f"one of {', '.join(GreeksParamsSerializer().fields)}; may be repeated",
        )
        parser.add_argument("--out", metavar="FILE", help="write .csv or .parquet, one row an item; default: a summary")

    def handle(self, **options: Any) -> None:
        selector: dict[str, Any] = {name: options[name] for name in ("underlying", "exchange") if options[name]}
        if options["expiry"]:
            selector["expiries"] = options["expiry"]
        for window in ("strike", "moneyness"):
            if options[window]:
                selector[window] = dict(zip(("min", "max"), options[window], strict=True))
        body = {"kind": "greeks", "selector": selector, "params": dict(options["param"]), "as_of": options["at"]}
        serializer = JobSubmissionSerializer(data=body)
        try:
            write = exports.writer(options["out"]) if options["out"] else None
            valid = serializer.is_valid()
        except InvalidInput as error:
            raise CommandError(f"{error.field}: {error}") from error
        if not valid:
            raise CommandError("; ".join(f"{row['field']}: {row['detail']}" for row in flat_errors(serializer.errors)))

        job = runner.submit(serializer.validated_data)
        with runner.worker(notify=self.stderr.write), tqdm(total=1, unit=" items", file=sys.stderr) as bar:
            for state in runner.follow(job):
                bar.total = state.total or 1
                bar.update(state.completed + state.failed - bar.n)
            job = state
        if job.status != Job.Status.COMPLETED:
            raise CommandError(f"job {job.pk} {job.status}: {job.error}")
        if write:
            write(exports.result_batches(job))
        elapsed = (job.finished_at or job.created_at) - job.created_at
        self.stdout.write(
            f"job {job.pk} as of {job.as_of:%Y-%m-%d %H:%M:%S %Z}: {job.total} items, {job.completed} with a value, "
            f"{job.failed} with a reason, in {elapsed.total_seconds():.2f} s"
        )
        for status, count in exports.count_by_status(job):
            self.stdout.write(f"  {status:16} {count}")
        if options["out"]:
            self.stdout.write(f"written to {options['out']}")
