"""Bodies that are configurations: their JSON is read by the rules of `core.text`, which names what is given twice."""

from typing import IO, Any

from rest_framework.exceptions import ValidationError

from signals.configs.core.faults import Fault
from signals.configs.core.text import read_text
from signalsite.foundation.bodies import body_limit
from signalsite.foundation.parsers import LimitedJSONParser, spooled


class ConfigurationParser(LimitedJSONParser):
    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Any = None) -> Any:
        request = parser_context["request"]
        with spooled(stream, request) as file:
            value, faults = read_text(file.read(), most_bytes=body_limit(request.resolver_match.func))
        if faults:
            raise refused(faults)
        return value


def refused(faults: list[Fault]) -> ValidationError:
    """Return the error whose answer names each field."""
    by_field: dict[str, list[str]] = {}
    for field, message in faults:
        by_field.setdefault(field, []).append(message)
    return ValidationError(by_field)
