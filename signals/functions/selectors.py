"""Reads of users' functions."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Max, QuerySet

from signals.functions.core.registry import nearest
from signals.functions.models import FunctionRun, FunctionVersion, UserFunction
from signalsite.foundation.errors import InvalidInput

PERMISSION = "signals.add_userfunction"
"""Who may upload and run functions of one's own."""


@dataclass(frozen=True, slots=True)
class Runnable:
    """A source that may be run."""

    owner_id: int
    name: str
    digest: str
    source: str
    number: int | None = None


def functions_of(owner: Any) -> QuerySet[UserFunction]:
    """Return the owner's functions, each with `newest`, the number of its newest version."""
    return UserFunction.objects.filter(owner=owner).annotate(newest=Max("versions__number")).order_by("name")


def runnable(owner: Any, name: str, number: int | None, field: str) -> Runnable:
    """Return a version of the owner's function, the newest without a number. Raises InvalidInput."""
    found = version_named(owner, name, number, field)
    return Runnable(found.function.owner_id, name, found.digest, found.source, found.number)


def version_named(owner: Any, name: str, number: int | None, field: str) -> FunctionVersion:
    """Return the version itself. Raises InvalidInput, which names the nearest functions."""
    versions = FunctionVersion.objects.filter(function__owner=owner, function__name=name)
    if number is not None:
        versions = versions.filter(number=number)
    found = versions.select_related("function").order_by("-number").first()
    if found is None:
        known = list(UserFunction.objects.filter(owner=owner).values_list("name", flat=True)[:1000])
        if name in known:
            raise InvalidInput(field, f"{name} has no version {number}")
        raise InvalidInput(field, f"you have no function {name[:64]!r}; {nearest(name, known)}")
    return found


def runs_of(owner: Any, name: str | None, before: int | None, limit: int) -> list[FunctionRun]:
    """Return log rows, the newest first, that come before the row with id `before`."""
    rows = FunctionRun.objects.filter(owner=owner)
    if name is not None:
        rows = rows.filter(name=name)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return list(rows.order_by("-pk")[:limit])
