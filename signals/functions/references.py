"""How a job names a function: an internal one by name, a user's by `mine/NAME`, `mine/NAME@VERSION`, or by its id.

The id, `version/UUID`, is what a job stores: a version never changes, and its owner is known.
"""

import re
import uuid
from typing import Any

from signals.functions.core.internal import InternalFunction
from signals.functions.core.naming import NAME
from signals.functions.core.registry import internal_function
from signals.functions.models import FunctionVersion
from signals.functions.running import unavailable
from signals.functions.selectors import PERMISSION, Runnable, version_named
from signalsite.foundation.errors import InvalidInput

_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
PATTERN = rf"^({NAME}|mine/{NAME}(@[1-9][0-9]{{0,5}})?|version/{_UUID})$"
LONGEST = 80
_MINE = re.compile(rf"mine/(?P<name>{NAME})(@(?P<number>[1-9][0-9]{{0,5}}))?", re.ASCII)
_VERSION = re.compile(rf"version/(?P<id>{_UUID})", re.ASCII)


def check_reference(text: str, field: str = "function") -> None:
    """Raise InvalidInput for what names no function that there can be."""
    if not (_MINE.fullmatch(text) or _VERSION.fullmatch(text)):
        internal_function(text, field)


def is_internal(text: str) -> bool:
    return "/" not in text


def settle(text: str, caller: Any, field: str) -> str:
    """Return the reference to store of what the caller may run. Raises InvalidInput."""
    if is_internal(text):
        return text
    if not caller.has_perm(PERMISSION):
        raise InvalidInput(field, "your account may not run functions of users")
    if reason := unavailable():
        raise InvalidInput(field, f"functions of users do not run here: {reason}")
    if (named := _MINE.fullmatch(text)) is not None:
        number = named["number"]
        return f"version/{version_named(caller, named['name'], int(number) if number else None, field).pk}"
    found = _VERSION.fullmatch(text)
    if found is None or not FunctionVersion.objects.filter(pk=uuid.UUID(found["id"]), function__owner=caller).exists():
        raise InvalidInput(field, "you have no such version of a function")
    return text


def resolve(text: str) -> InternalFunction | Runnable | None:
    """Return the function of a stored reference, None where it has been deleted."""
    if is_internal(text):
        return internal_function(text, "function")
    found = _VERSION.fullmatch(text)
    if found is None:
        return None
    version = FunctionVersion.objects.select_related("function").filter(pk=uuid.UUID(found["id"])).first()
    if version is None:
        return None
    function = version.function
    return Runnable(function.owner_id, function.name, version.digest, version.source, version.number)
