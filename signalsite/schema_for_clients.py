"""What generated clients need of the OpenAPI document beyond its being valid."""

import json
from typing import Any

from signalsite.foundation.computations.registry import computations
from signalsite.foundation.computations.requests import pascal

Schema = dict[str, Any]


def with_optional_request_fields(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Write the defaults of request bodies as text.

    openapi-typescript and others take a property with a default for one that is always there, so a caller would have to
    send every field.
    """
    for name, schema in result["components"]["schemas"].items():
        if name.endswith("Request"):
            for field in schema.get("properties", {}).values():
                if "default" in field:
                    _describe_default(field)
    return result


def with_required_bodies(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Say that an operation with a body needs one, even where no single field of it is required."""
    for path in result["paths"].values():
        for operation in path.values():
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
    return result


def _describe_default(field: Schema) -> None:
    default = field.pop("default")
    text = default if isinstance(default, str) else json.dumps(default)
    first, break_, rest = field.get("description", "").partition("\n\n")
    field["description"] = f"{first} Default: {text}.".strip() + break_ + rest


def with_whole_params(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Say that an answer has every parameter: the service has filled in the defaults."""
    for computation in computations().values():
        schema = result["components"]["schemas"][f"{pascal(computation.name)}Params"]
        schema["required"] = sorted(schema["properties"])
        for field in schema["properties"].values():
            field.pop("default", None)
    return result
