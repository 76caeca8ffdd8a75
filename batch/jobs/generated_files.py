"""Generate files from the declarations of computations: a page of docs, and types for the client."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import settings

from signalsite.foundation.computations.columns import (
    IDENTITY,
    ITEM_KINDS,
    KEY_COLUMNS,
    OK,
    PORTFOLIO,
    VERDICT,
    Column,
    ItemKind,
)
from signalsite.foundation.computations.contract import LEG_FIELDS, Computation, Parameter
from signalsite.foundation.computations.option_fields import OPTION_FIELDS, OptionField
from signalsite.foundation.computations.requests import meaning, pascal

DOCS = Path("docs/computations.md")
CLIENT_TYPES = Path("batch/client/computations.py")


def texts(found: Iterable[Computation]) -> dict[Path, str]:
    """Return the text of each file, by its path in the repository."""
    found = list(found)
    return {DOCS: docs_page(found), CLIENT_TYPES: client_types(found)}


def outdated(found: Iterable[Computation]) -> list[Path]:
    """Return the files whose text is not current."""
    paths = ((settings.BASE_DIR / path, path, text) for path, text in texts(found).items())
    return [path for file, path, text in paths if not file.exists() or file.read_text() != text]


def docs_page(found: Iterable[Computation]) -> str:
    lines = [
        "# What can be computed",
        "",
        "This page lists every computation with its parameters, result fields and statuses. Each is a `kind` of job,",
        "has an address of its own for a few items at once ([batch API](batch-api.md)), and a name for",
        "`manage.py compute`.",
        "",
        "`manage.py computations` generates this page from the code.",
        "",
        "Every result begins with these fields. A field that can't be computed is `null`.",
        "",
        *_table(("field", "type", "meaning"), map(_column, (*IDENTITY, *VERDICT))),
        "",
        "Files ([exports](exports.md) and what commands write with `--out`) have these columns too, after",
        "`instrument_key`. They are `null` where the key has none. Where a computation has a field of the same name,",
        "the column of the key ends in `_key`.",
        "",
        *_table(("column", "type", "meaning"), map(_column, KEY_COLUMNS)),
        "",
        "A computation on portfolios has `portfolio`, a digest of the legs, in place of `instrument_key`. Its items",
        "have `legs` ([positions](positions.md)).",
        "",
        "A computation on underlyings has `underlying` in place of `instrument_key`, and its files have none of",
        "these columns.",
        "",
        "An item names its instrument by `instrument_key`, or an option by these fields",
        "([more](data.md#options-by-their-terms)). The result has the key.",
        "",
        *_table(("field of an item", "allowed", "meaning"), map(_option_field, OPTION_FIELDS)),
    ]
    for each in found:
        lines += ["", *_section(each)]
    return "\n".join(lines) + "\n"


def _section(computation: Computation) -> Iterator[str]:
    yield f"## `{computation.name}`"
    yield ""
    yield f'{computation.summary}. Use `POST {computation.name}`, or `POST jobs` with `"kind": "{computation.name}"`.'
    yield ""
    yield from _table(("parameter", "default", "allowed", "meaning"), map(_parameter, computation.parameters))
    if computation.overrides:
        yield ""
        of_legs = LEG_FIELDS if computation.item_kind is PORTFOLIO else ()
        fields = ((f"`{each.name}`", str(each.bounds), each.help) for each in (*of_legs, *computation.overrides))
        yield from _table(("field of a leg" if of_legs else "override of an item", "allowed", "meaning"), fields)
    yield ""
    fields = ((f"`{each.name}`", each.type.__name__, meaning(each, computation)) for each in computation.columns)
    yield from _table(("field", "type", "meaning"), fields)
    yield ""
    statuses = ((f"`{each.word}`", each.help, "yes" if each.retryable else "no") for each in computation.words)
    yield from _table(("status", "meaning", "retryable"), [(f"`{OK}`", "a value", ""), *statuses])


def _column(column: Column) -> tuple[str, str, str]:
    return f"`{column.name}`", column.type.__name__, column.help


def _option_field(field: OptionField) -> tuple[str, str, str]:
    allowed = ", ".join(f"`{each}`" for each in field.choices) or str(field.bounds or "a text")
    return f"`{field.name}`", allowed, field.help if field.required else f"Optional. {field.help}"


def _parameter(parameter: Parameter) -> tuple[str, str, str, str]:
    values = list(parameter.default) if parameter.most else parameter.default
    default = "`null`" if values is None else f"`{values}`"
    allowed = ", ".join(f"`{each}`" for each in parameter.choices) or str(parameter.bounds or "true, false")
    if parameter.form is not None:
        allowed = parameter.form.allowed
    if parameter.most:
        allowed = f"1 to {parameter.most} of: {allowed}"
    return f"`{parameter.name}`", default, allowed, parameter.help


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def client_types(found: Iterable[Computation]) -> str:
    """Return a module of TypedDicts. It needs nothing but the standard library."""
    found = list(found)
    lines = [
        '"""Types of what can be computed. This file is generated: `manage.py computations` writes it."""',
        "",
        "from typing import Literal, TypedDict",
        "",
        "Kind = Literal[",  # over several lines, however long the list is
        *(f'    "{each.name}",' for each in found),
        "]",
        "",
        *(line for kind in ITEM_KINDS if kind is not PORTFOLIO for line in (*_item_type(kind), "")),
        *_typed_dict("OptionItem", "An item that names an option by its terms.", _terms(required=True), "TypedDict"),
    ]
    for each in found:
        name = pascal(each.name)
        params = [(one.name, _python(one)) for one in each.parameters]
        item = [("custom_id", "str"), *((one, "float") for one in each.bounds)]
        if each.item_kind is PORTFOLIO:
            lines += _leg_type(name, each)
            item = [("custom_id", "str"), ("legs", f"list[{name}Leg]")]
        row = [(one.name, _python(one)) for one in (*each.identity, *each.answer_columns)]
        base = f"{name}Picked" if each.picked else "TypedDict"
        lines += ["", *_typed_dict(f"{name}Params", f"{each.summary}: parameters.", params, "TypedDict, total=False")]
        kind = each.item_kind
        own = "TypedDict, total=False" if kind is PORTFOLIO else f"{pascal(kind.name)}Item, total=False"
        lines += ["", *_typed_dict(f"{name}Item", f"{each.summary}: an item.", item, own)]
        if kind.by_terms:
            terms = [*_terms(required=False), *item]
            by_terms = f"{each.summary}: an option by its terms."
            lines += ["", *_typed_dict(f"{name}OptionItem", by_terms, terms, "OptionItem, total=False")]
        if each.picked:  # Python 3.10 has no NotRequired
            some = [field for field in row if field[0] in each.picked]
            doc = f"The columns of {each.name} that exist if a parameter names them."
            lines += ["", *_typed_dict(base, doc, some, "TypedDict, total=False")]
        always = [field for field in row if field[0] not in each.picked]
        lines += ["", *_typed_dict(f"{name}Row", f"{each.summary}: an answer.", always, base)]
    return "\n".join(lines) + "\n"


def _leg_type(name: str, computation: Computation) -> list[str]:
    contract = [("instrument_key", "str"), *((each.name, _term(each)) for each in OPTION_FIELDS)]
    numbers = [(each.name, "float") for each in (*LEG_FIELDS, *computation.overrides)]
    doc = "A leg of a portfolio: a contract by its key or terms, and its quantity."
    return ["", *_typed_dict(f"{name}Leg", doc, [*contract, *numbers], "TypedDict, total=False")]


def _item_type(kind: ItemKind) -> list[str]:
    doc = f"An item that names its {kind.name}."
    return _typed_dict(f"{pascal(kind.name)}Item", doc, [(kind.column.name, "str")], "TypedDict")


def _terms(*, required: bool) -> list[tuple[str, str]]:
    return [(each.name, _term(each)) for each in OPTION_FIELDS if each.required is required]


def _term(field: OptionField) -> str:
    if field.choices:
        words = ", ".join(f'"{each}"' for each in field.choices)
        return f"Literal[{words}]"
    return "float" if field.bounds else "str"


def _typed_dict(name: str, doc: str, fields: Iterable[tuple[str, str]], base: str) -> list[str]:
    body = [f"    {field}: {type_}" for field, type_ in fields]
    return ["", f"class {name}({base}):", f'    """{doc}"""', *([""] if body else []), *body]


def _python(each: Parameter | Column) -> str:
    if isinstance(each, Column):
        always = each.name in ("position", "status", "retryable")
        return each.type.__name__ + ("" if always else " | None")
    name = f"list[{each.type.__name__}]" if each.most else each.type.__name__
    return f"{name} | None" if each.nullable else name
