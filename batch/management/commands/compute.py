"""Any computation from the command line: its options are what it declares."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from batch.management.commands import batch_greeks
from signalsite.foundation.computations.contract import Computation
from signalsite.foundation.computations.options import add_options, given
from signalsite.foundation.computations.registry import computations


class Command(batch_greeks.Command):
    help = (
        "Compute something of instruments as a batch job: of those named, or of the options quoted at an instant. "
        "Django's own options, such as --settings, stand before NAME."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        names = parser.add_subparsers(dest="kind", required=True, metavar="NAME")
        for name, computation in computations().items():
            one = names.add_parser(name, help=computation.summary, description=computation.summary)
            one.add_argument("keys", nargs="*", metavar="KEY", help="instrument keys; default: the options selected")
            self.add_selection(one)
            add_options(one.add_argument_group("parameters"), computation.parameters)

    def handle(self, **options: Any) -> None:
        computation = computations()[options["kind"]]
        options["param"] = list(given(options, computation.parameters).items())
        if options["keys"] and batch_greeks.selector(options):
            raise CommandError("give either keys or a selection, not both")
        super().handle(**options)

    def columns(self, computation: Computation) -> list[str]:
        return ["instrument_key", *(column.name for column in computation.answer_columns)]
