"""Command-line options from a computation's parameters."""

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from signalsite.foundation.computations.contract import Parameter
from signalsite.foundation.errors import InvalidInput

_FLAGS = {"true": True, "false": False}


def add_options(parser: argparse._ActionsContainer, parameters: Sequence[Parameter]) -> None:
    """Add an option per parameter: max_quote_age_seconds becomes --max-quote-age-seconds."""
    for each in parameters:
        default = " ".join(map(str, each.default)) if each.most else each.default
        options: dict[str, Any] = {"help": f"{each.help} Default: {default}".replace("%", "%%")}
        if each.type is bool:
            options |= {"type": _flag, "metavar": "true|false"}
        elif each.form is not None:
            options |= {"type": partial(_text, each), "metavar": "TEXT"}
        elif each.type is str:
            options["choices"] = list(each.choices)
        else:
            options |= {"type": partial(_number, each), "metavar": "NUMBER"}
        if each.most:
            options["nargs"] = "+"
        parser.add_argument(f"--{each.name.replace('_', '-')}", **options)


def given(options: Mapping[str, Any], parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return the parameters that the command line sets."""
    return {each.name: options[each.name] for each in parameters if options[each.name] is not None}


def _number(parameter: Parameter, text: str) -> float:
    kind, bounds = parameter.type, parameter.bounds
    assert bounds is not None  # the registry checks this
    try:
        value: float = kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no {'whole ' * (kind is int)}number") from None
    if not bounds.admits(value):  # no bounds admit NaN or infinity
        raise argparse.ArgumentTypeError(f"must be {bounds}, not {text}")
    return value


def _text(parameter: Parameter, text: str) -> str:
    assert parameter.form is not None
    try:
        parameter.form.check(text)
    except InvalidInput as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _flag(text: str) -> bool:
    if text not in _FLAGS:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return _FLAGS[text]
