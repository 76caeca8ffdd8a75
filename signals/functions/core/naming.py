"""Names of functions, and the bounds of their sources and arguments. Pure."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from signals.functions.inside.wire import MOST_SOURCE_BYTES
from signalsite.foundation.errors import InvalidInput

NAME = r"[a-z][a-z0-9_]{0,63}"
_NAME = re.compile(NAME, re.ASCII)
MOST_ARGUMENT_CHARACTERS = 8192
DEEPEST_ARGUMENTS = 8


def check_name(name: str, field: str = "name") -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInput(field, "1 to 64 characters of a-z, 0-9 and _, the first a letter")
    return name


def check_source(source: str, field: str = "source") -> str:
    """Return a source that may be compiled, in a sandbox. Raises InvalidInput."""
    if not source.strip():
        raise InvalidInput(field, "is empty")
    if "\0" in source:
        raise InvalidInput(field, "has a NUL character")
    try:
        size = len(source.encode())
    except UnicodeEncodeError:
        raise InvalidInput(field, "has characters that UTF-8 cannot write") from None
    if size > MOST_SOURCE_BYTES:
        raise InvalidInput(field, f"has {size} bytes; {MOST_SOURCE_BYTES} are allowed")
    return source


def digest_of(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()


def check_arguments(given: Any, field: str) -> dict[str, Any]:
    """Return the arguments of a call: a JSON object of bounded size and depth. Raises InvalidInput."""
    if not isinstance(given, Mapping):
        raise InvalidInput(field, "must be a JSON object")
    if _depth(given) > DEEPEST_ARGUMENTS:
        raise InvalidInput(field, f"is nested too deeply; {DEEPEST_ARGUMENTS} levels are allowed")
    try:
        text = json.dumps(given, allow_nan=False)
    except ValueError:
        raise InvalidInput(field, "has a number that JSON cannot write") from None
    if len(text) > MOST_ARGUMENT_CHARACTERS:
        raise InvalidInput(field, f"has {len(text)} characters; {MOST_ARGUMENT_CHARACTERS} are allowed")
    if _has_odd(given):
        raise InvalidInput(field, "has a number beyond 64 bits, or a text that UTF-8 cannot write")
    return dict(given)


def _depth(value: Any, level: int = 0) -> int:
    if level > DEEPEST_ARGUMENTS or not isinstance(value, Mapping | list):
        return level
    inner = value.values() if isinstance(value, Mapping) else value
    return max((_depth(each, level + 1) for each in inner), default=level + 1)


def _has_odd(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_odd(each) for pair in value.items() for each in pair)
    if isinstance(value, list):
        return any(map(_has_odd, value))
    if isinstance(value, str):
        return any("\ud800" <= each <= "\udfff" or each == "\0" for each in value)
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def read_arguments(text: str, field: str) -> dict[str, Any]:
    """Return the arguments that a text holds as JSON. Raises InvalidInput."""
    if len(text) > MOST_ARGUMENT_CHARACTERS:
        raise InvalidInput(field, f"has over {MOST_ARGUMENT_CHARACTERS} characters")
    try:
        given = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InvalidInput(field, "is no JSON object") from None
    return check_arguments(given, field)


def _refuse_constant(name: str) -> float:
    raise ValueError(name)
