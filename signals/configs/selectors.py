"""Reads of configurations."""

import logging
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import F, Max, Q, QuerySet

from signals.configs.core.canonical import UnreadableDocument, document_of
from signals.configs.core.document import Document
from signals.configs.models import Configuration, ConfigurationChange, ConfigurationVersion
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import parse_key

VIEW, CHANGE = "signals.view_configuration", "signals.change_configuration"
DELETE = "signals.delete_configuration"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """A configuration that runs."""

    id: uuid.UUID
    owner_id: int
    version: int
    document: Document


def active_on_ticks(underlyings: Collection[str]) -> list[Active]:
    """Return the active configurations that name an instrument of these underlyings, whatever their frequency.

    Those of accounts that are not active do not run.
    """
    if not underlyings:
        return []
    running = Configuration.objects.filter(active=True, owner__is_active=True)
    return active_of(running.filter(underlyings__overlap=list(underlyings)))


def active_of(rows: Iterable[Configuration]) -> list[Active]:
    """Return what can be read. A row that cannot be is logged, and shown where configurations are listed."""
    found = []
    for row in rows:
        try:
            document = document_of(row.document)
        except UnreadableDocument as error:
            logger.error("configuration %s of user %s does not run: %s", row.pk, row.owner_id, error)
            continue
        found.append(Active(id=row.pk, owner_id=row.owner_id, version=row.version, document=document))
    return found


def public_owner() -> int | None:
    """Return whose configurations every user may see: the owner of the stream's."""
    found = get_user_model().objects.filter(username=settings.CONFIG_STREAM_OWNER)
    return found.values_list("pk", flat=True).first()


def newest_change() -> int:
    """Return the number of the newest change, 0 if there is none: equal numbers mean that nothing has changed."""
    return ConfigurationChange.objects.aggregate(most=Max("id"))["most"] or 0


def visible_to(user: Any) -> QuerySet[Configuration]:
    """Return the user's own configurations; all, for those who may view them in the admin."""
    rows = Configuration.objects.select_related("owner")
    return rows if user.has_perm(VIEW) or user.has_perm(CHANGE) else rows.filter(owner=user)


def may_act_on(user: Any, configuration: Configuration, permission: str = CHANGE) -> bool:
    return configuration.owner_id == user.pk or user.has_perm(permission)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A filter of configurations; None: whatever it is. An empty interval or frequency: those that have none."""

    name: str | None = None
    instrument: str | None = None
    interval: str | None = None
    frequency: str | None = None
    active: bool | None = None


def page_of(user: Any, wanted: Wanted, *, after: tuple[datetime, uuid.UUID] | None, limit: int) -> list[Configuration]:
    """Return the newest configurations first, from the one after `after`, which a row's created_at and id are."""
    rows = visible_to(user)
    for name in ("name", "interval", "frequency", "active"):
        if (value := getattr(wanted, name)) is not None:
            rows = rows.filter(**{name: value})
    if wanted.instrument is not None:
        underlying = _underlying(wanted.instrument)
        rows = rows.filter(underlyings__contains=[underlying], document__instruments__contains=[wanted.instrument])
    if after is not None:
        created_at, identity = after
        rows = rows.filter(Q(created_at__lt=created_at) | Q(created_at=created_at, id__lt=identity))
    return list(rows.order_by(F("created_at").desc(), F("id").desc())[:limit])


def _underlying(key: str) -> str:
    try:
        return parse_key(key).underlying
    except InvalidInput as error:
        raise InvalidInput("instrument", str(error)) from error


def versions_page(configuration: Configuration, *, before: int | None, limit: int) -> list[ConfigurationVersion]:
    """Return the newest versions first, without documents, from the one before number `before`."""
    rows = configuration.versions.defer("document").order_by("-number")
    return list((rows if before is None else rows.filter(number__lt=before))[:limit])


def version_numbered(configuration: Configuration, number: int) -> ConfigurationVersion | None:
    return configuration.versions.filter(number=number).first()
