"""Run any computation from the command line. Its options follow from its declaration."""

from typing import Any

from django.core.management.base import CommandParser

from batch.management.commands import batch_greeks
from signalsite.foundation.computations.options import add_options, given
from signalsite.foundation.computations.registry import computations


class Command(batch_greeks.Command):
    help = (
        "Run a computation as a batch job, over the instruments named or over the options quoted at an instant. "
        "Put Django's own options, such as --settings, before NAME."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        names = parser.add_subparsers(dest="kind", required=True, metavar="NAME")
        for name, computation in computations().items():
            one = names.add_parser(name, help=computation.summary, description=computation.summary)
            one.add_argument(
                "keys",
                nargs="*",
                type=batch_greeks.item,
                metavar="ITEM",
                help="instrument keys, or items as JSON; default: the options selected",
            )
            self.add_selection(one)
            batch_greeks.add_items(one)
            add_options(one.add_argument_group("parameters"), computation.parameters)

    def handle(self, **options: Any) -> None:
        computation = computations()[options["kind"]]
        options["param"] = list(given(options, computation.parameters).items())
        super().handle(**options)
