"""How a job names a function: an internal one by name, a user's by `mine/NAME`, `mine/NAME@VERSION`, or by its id.

The id, `version/UUID`, is what a job stores: a version never changes, and its owner is known.
"""

import uuid
from typing import Any

from signals.functions.core.internal import InternalFunction
from signals.functions.core.reference_grammar import MINE, VERSION
from signals.functions.core.registry import internal_function
from signals.functions.models import FunctionVersion
from signals.functions.running import unavailable
from signals.functions.selectors import PERMISSION, Runnable, version_named
from signalsite.foundation.errors import InvalidInput


def check_reference(text: str, field: str = "function") -> None:
    """Raise InvalidInput for what names no function that there can be."""
    if not (MINE.fullmatch(text) or VERSION.fullmatch(text)):
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
    if (named := MINE.fullmatch(text)) is not None:
        number = named["number"]
        return f"version/{version_named(caller, named['name'], int(number) if number else None, field).pk}"
    found = VERSION.fullmatch(text)
    if found is None or not FunctionVersion.objects.filter(pk=uuid.UUID(found["id"]), function__owner=caller).exists():
        raise InvalidInput(field, "you have no such version of a function")
    return text


def resolve(text: str) -> InternalFunction | Runnable | None:
    """Return the function of a stored reference; None where it has been deleted, and where its owner may no longer run
    functions or has no active account."""
    if is_internal(text):
        return internal_function(text, "function")
    found = VERSION.fullmatch(text)
    if found is None:
        return None
    version = FunctionVersion.objects.select_related("function__owner").filter(pk=uuid.UUID(found["id"])).first()
    if version is None:
        return None
    function = version.function
    if not function.owner.has_perm(PERMISSION):  # of an account that is not active, Django grants nothing
        return None
    return Runnable(function.owner_id, function.name, version.digest, version.source, version.number)
