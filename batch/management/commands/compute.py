"""Any computation from the command line: its options are what it declares."""

import argparse
from typing import Any

from django.core.management.base import CommandError, CommandParser

from batch.management.commands import batch_greeks
from signalsite.foundation.computations.contract import Computation, Parameter
from signalsite.foundation.computations.registry import computations

_FLAGS = {"true": True, "false": False}


class Command(batch_greeks.Command):
    help = "Compute something of instruments as a batch job: of those named, or of the options quoted at an instant."

    def add_arguments(self, parser: CommandParser) -> None:
        names = parser.add_subparsers(dest="kind", required=True, metavar="NAME")
        for name, computation in computations().items():
            one = names.add_parser(name, help=computation.summary, description=computation.summary)
            one.add_argument("keys", nargs="*", metavar="KEY", help="instrument keys; default: the options selected")
            self.add_selection(one)
            params = one.add_argument_group("parameters")
            for parameter in computation.parameters:
                _add(params, parameter)

    def handle(self, **options: Any) -> None:
        computation = computations()[options["kind"]]
        given = {each.name: options[each.name] for each in computation.parameters}
        options["param"] = [(name, value) for name, value in given.items() if value is not None]
        if options["keys"] and batch_greeks.selector(options):
            raise CommandError("give either keys or a selection, not both")
        super().handle(**options)

    def columns(self, computation: Computation) -> list[str]:
        return ["instrument_key", *(column.name for column in computation.answer_columns)]


def _add(group: argparse._ArgumentGroup, parameter: Parameter) -> None:
    options: dict[str, Any] = {"help": f"{parameter.help} Default: {parameter.default}".replace("%", "%%")}
    if parameter.type is bool:
        options |= {"type": _flag, "metavar": "true|false"}
    elif parameter.type is str:
        options["choices"] = list(parameter.choices)
    else:
        options |= {"type": parameter.type, "metavar": "NUMBER"}
    if parameter.most:
        options["nargs"] = "+"
    group.add_argument(f"--{parameter.name.replace('_', '-')}", **options)


def _flag(text: str) -> bool:
    if text not in _FLAGS:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return _FLAGS[text]
