"""OpenAPI 3.0 components made of msgspec structs and dataclasses."""

from collections.abc import Iterable
from inspect import cleandoc
from typing import Any

import msgspec

Schema = dict[str, Any]
_REFERENCE = "#/components/schemas/{name}"


def reference(kind: type) -> Schema:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}


def one_of_these(kinds: Iterable[type]) -> Schema:
    return {"anyOf": [reference(kind) for kind in kinds]}


def components(kinds: Iterable[type]) -> dict[str, Schema]:
    """Return the schema of each type, and of those that it names, by name."""
    return {name: _as_openapi(schema) for name, schema in json_schemas(kinds).items()}


def json_schemas(kinds: Iterable[type]) -> dict[str, Schema]:
    """Return the same as JSON Schema 2020-12."""
    _, found = msgspec.json.schema_components(list(kinds), ref_template=_REFERENCE)
    return {name: _tidied(schema) for name, schema in found.items()}


def _tidied(schema: Any) -> Any:
    """Give each enumeration its type, and each description its left margin."""
    if isinstance(schema, list):
        return [_tidied(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    tidied = {name: _tidied(value) for name, value in schema.items()}
    if isinstance(tidied.get("description"), str):
        tidied["description"] = cleandoc(tidied["description"])
    if "type" not in tidied and (values := tidied.get("enum")) and isinstance(values, list):
        tidied["type"] = "string" if isinstance(values[0], str) else "integer"
    return tidied


def _as_openapi(schema: Any) -> Any:
    """Rewrite JSON Schema 2020-12: OpenAPI 3.0 has `nullable` where that has a type null.

    It also has bounds that are numbers, and flags that exclude them.
    """
    if isinstance(schema, list):
        return [_as_openapi(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    rewritten = {name: _as_openapi(value) for name, value in schema.items() if name not in ("title", "anyOf")}
    choices = [_as_openapi(each) for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(choices) < len(schema.get("anyOf", ())):
        rewritten["nullable"] = True
    if len(choices) == 1:
        rewritten |= {"allOf": choices} if "$ref" in choices[0] else choices[0]
    elif choices:
        rewritten["anyOf"] = choices
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if type(rewritten.get(exclusive)) in (int, float):
            rewritten[bound], rewritten[exclusive] = rewritten[exclusive], True
    return rewritten
