"""Writes of users' functions: upload, delete, and the log. Each upload is compiled in the sandbox first."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max

from signals.functions.core.naming import check_name, check_source, digest_of
from signals.functions.models import FunctionRun, FunctionVersion, UserFunction
from signals.functions.running import FunctionRefused, check_in_sandbox
from signalsite.foundation.errors import InvalidInput, LimitExceeded

RESERVED = ("internal", "dry_run", "runs")
"""Names that addresses beside a function's own have."""


def create(owner: User, *, name: str, description: str, source: str, now: datetime) -> FunctionVersion:
    """Store a new function with its first version.

    Raises InvalidInput, FunctionRefused, LimitExceeded or SandboxUnavailable.
    """
    check_name(name)
    if name in RESERVED:
        raise InvalidInput("name", f"{', '.join(RESERVED)} are taken by the service")
    check_source(source)
    if UserFunction.objects.filter(owner=owner, name=name).exists():  # before the sandbox is asked, and again below
        raise InvalidInput("name", f"you have a function {name!r}; upload a version of it")
    milliseconds = _compiled(owner, name, source, now)
    with transaction.atomic():
        get_user_model().objects.select_for_update(no_key=True).get(pk=owner.pk)
        mine = UserFunction.objects.filter(owner=owner)
        if mine.filter(name=name).exists():
            raise InvalidInput("name", f"you have a function {name!r}; upload a version of it")
        if mine.count() >= settings.FUNCTIONS_PER_USER:
            raise LimitExceeded(f"you have {settings.FUNCTIONS_PER_USER} functions; delete one first")
        function = UserFunction.objects.create(owner=owner, name=name, description=description, created_at=now)
        return _store(function, 1, source, now, milliseconds)


def add_version(function: UserFunction, *, source: str, now: datetime) -> tuple[FunctionVersion, bool]:
    """Store a version, and return it and whether it is new: the newest version's own source makes no other.

    Raises what `create` does.
    """
    check_source(source)
    milliseconds = _compiled(function.owner, function.name, source, now)
    with transaction.atomic():
        locked = UserFunction.objects.select_for_update(no_key=True).filter(pk=function.pk).first()
        if locked is None:
            raise InvalidInput("name", "the function has been deleted")
        newest = locked.versions.order_by("-number").first()
        if newest is not None and newest.digest == digest_of(source):
            return newest, False
        number = (locked.versions.aggregate(most=Max("number"))["most"] or 0) + 1
        if locked.versions.count() >= settings.FUNCTIONS_VERSIONS:
            raise LimitExceeded(f"the function has {settings.FUNCTIONS_VERSIONS} versions; start another function")
        return _store(locked, number, source, now, milliseconds), True


def describe(function: UserFunction, description: str) -> None:
    function.description = description
    function.save(update_fields=["description"])


def delete(function: UserFunction, *, now: datetime) -> None:
    with transaction.atomic():
        newest = function.versions.order_by("-number").first()
        record(
            function.owner,
            name=function.name,
            digest="" if newest is None else newest.digest,
            action=FunctionRun.Action.DELETE,
            now=now,
        )
        function.delete()


def record(
    owner: Any,
    *,
    name: str,
    digest: str,
    action: str,
    now: datetime,
    reasons: Sequence[str | None] = (),
    milliseconds: float = 0.0,
) -> None:
    """Log one row for any number of calls. `reasons` has the error of each, None where there is none."""
    failed = [each for each in reasons if each is not None]
    FunctionRun.objects.create(
        time=now,
        owner_id=owner if isinstance(owner, int) else owner.pk,
        name=name,
        digest=digest,
        action=action,
        calls=len(reasons),
        failed=len(failed),
        milliseconds=milliseconds,
        error=failed[0][:500] if failed else "",
    )


def forget_old_runs(now: datetime, *, most: int = 100_000) -> int:
    """Delete log rows of more than FUNCTIONS_LOG_DAYS ago, the oldest first. Return how many."""
    old = FunctionRun.objects.filter(time__lt=now - timedelta(days=settings.FUNCTIONS_LOG_DAYS)).order_by("time")
    deleted, _ = FunctionRun.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:most])).delete()
    return deleted


def _compiled(owner: User, name: str, source: str, now: datetime) -> float:
    """Compile the source in the sandbox, and return the milliseconds. A refusal is logged, and raised."""
    begun = time.perf_counter()
    try:
        check_in_sandbox(source)
    except FunctionRefused as error:
        record(
            owner,
            name=name,
            digest=digest_of(source),
            action=FunctionRun.Action.UPLOAD,
            now=now,
            reasons=[str(error)],
            milliseconds=1000 * (time.perf_counter() - begun),
        )
        raise
    return 1000 * (time.perf_counter() - begun)


def _store(function: UserFunction, number: int, source: str, now: datetime, milliseconds: float) -> FunctionVersion:
    version = FunctionVersion.objects.create(
        function=function, number=number, digest=digest_of(source), source=source, created_at=now
    )
    record(
        function.owner,
        name=function.name,
        digest=version.digest,
        action=FunctionRun.Action.UPLOAD,
        now=now,
        reasons=[None],
        milliseconds=milliseconds,
    )
    return version
