"""The arguments of commands that read any table: a preset, a mapping of its columns, and how its values are written."""

import argparse
from collections.abc import Collection
from collections.abc import Mapping as Names
from typing import Any

from signals.importers.core.fields import FIELDS
from signals.importers.core.mapping import BadMapping, Mapping, parse_assignments
from signals.importers.core.presets import PRESETS

_OPTIONS = (
    # (option, attribute of Mapping, metavar or choices, help)
    ("--time-zone", "zone", "ZONE", "zone of times without an offset (default: the exchange's)"),
    (
        "--time-format",
        "time_format",
        "FORMAT",
        "iso, epoch (any unit), epoch_s, _ms, _us, _ns, ms_of_day, or as strptime",
    ),
    ("--date-format", "date_format", "FORMAT", "iso, or as strptime, such as %%Y%%m%%d"),
    ("--expiry-format", "expiry_format", "FORMAT", "iso, epoch_ms, or as strptime, such as %%d-%%b-%%Y"),
    ("--currency", "currency", "NAME", "currency of the prices, for the report"),
    ("--price-in", "price_unit", ("currency", "coin"), "coin: prices times the row's underlying price"),
    ("--volume-in", "volume_unit", ("units", "contracts"), "contracts are multiplied by the lot"),
    ("--interest-in", "interest_unit", ("units", "contracts"), "the same for open interest"),
    ("--volatility-in", "volatility_unit", ("percent", "decimal"), "the vendor's implied volatility"),
    ("--contract-names", "contract_names", ("osi", "deribit", "deribit_linear", "tda"), "how contracts are named"),
    ("--product", "product", ("option", "spot", "any"), "what the rows are of; any: what their columns say"),
    ("--asset", "asset", ("equity", "crypto"), "the kind of underlying"),
    ("--bar", "bar", "LENGTH", "rows are bars named by their beginning, such as 1m: quotes are of their end"),
    ("--hours", "hours", ("any", "not_before", "within"), "reject rows before the opening, or outside the session"),
    ("--delimiter", "delimiter", "CHARACTER", "between the fields of a line (default: a comma)"),
)


def add_mapping_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all options of a mapping, for quotes."""
    add_table_arguments(parser, PRESETS, FIELDS, [name for _, name, _, _ in _OPTIONS])


def add_table_arguments(
    parser: argparse.ArgumentParser, presets: Names[str, Mapping], fields: Names[str, str], options: Collection[str]
) -> None:
    """Add what any table needs, and those of the other options whose attributes `options` names."""
    parser.epilog = "presets:\n" + "\n".join(f"  {p.name:<17} {p.summary}" for p in presets.values())
    parser.epilog += "\n\nfields:\n" + "\n".join(f"  {name:<19} {text}" for name, text in fields.items())
    parser.add_argument("--preset", metavar="NAME", help="a kind of file that is known (below)")
    parser.add_argument(
        "--map",
        action="extend",
        nargs="+",
        default=[],
        metavar="COLUMN=FIELD",
        help="which column is which field (below); call.FIELD and put.FIELD where a row has both legs",
    )
    parser.add_argument("--set", nargs="+", default=[], metavar="FIELD=VALUE", help="a value for all rows")
    parser.add_argument("--columns", metavar="A,B,...", help="names of the columns of a file without header")
    parser.add_argument("--records", nargs="+", metavar="PATH", help="where the rows of a JSON are, such as data.*")
    for option, name, kind, text in _OPTIONS:
        if name not in options:
            continue
        if isinstance(kind, str):
            parser.add_argument(option, dest=name, metavar=kind, help=text)
        else:
            parser.add_argument(option, dest=name, choices=kind, help=text)


def mapping_of(options: dict[str, Any], presets: Names[str, Mapping] = PRESETS) -> Mapping:
    """Return the mapping that the options describe; those that the command does not have may be absent.

    Raises InvalidInput.
    """
    preset = options["preset"]
    if preset is not None and preset not in presets:
        raise BadMapping(f"there is no preset {preset[:40]!r}; presets are {', '.join(presets)}")
    pairs = parse_assignments(options["map"], "COLUMN=FIELD")
    columns = {field: column for column, field in pairs}
    if doubled := [field for field in columns if sum(field == each for _, each in pairs) > 1]:
        raise BadMapping(f"{doubled[0]} has two columns; give alternatives as A|B={doubled[0]}")
    if preset is None and not columns:
        raise BadMapping(f"say what the columns are, with --map, or --preset with one of {', '.join(presets)}")
    changes = {name: options[name] for _, name, _, _ in _OPTIONS if options.get(name) is not None}
    if options["columns"]:
        changes["names"] = tuple(name.strip() for name in options["columns"].split(","))
    if options["records"]:
        changes["records"] = tuple(options["records"])
    mapping = presets[preset] if preset else Mapping()
    if "bar" in changes:
        changes["bar_assumed"] = False
    if columns:
        changes["columns"] = columns
    if changes:
        mapping = mapping.changed(**changes)
    constants = {}
    for pair in options.get("set", ()):
        name, equals, value = pair.partition("=")
        if not equals or not name or not value:
            raise BadMapping(f"{pair[:60]!r} is not FIELD=VALUE")
        constants[name] = value
    return mapping.with_constants(constants) if constants else mapping
