"""Writes of configurations. PostgreSQL leaves a row in the outbox with each change, in its transaction."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from signals.configs.core.canonical import UnreadableDocument, document_of, to_json
from signals.configs.core.document import Document, FunctionAsked
from signals.configs.core.faults import Fault
from signals.configs.core.frequency import parse_frequency
from signals.configs.core.schedule import due_after
from signals.configs.models import Configuration, ConfigurationVersion
from signals.configs.site_schema import site_schema
from signals.functions.references import settle
from signalsite.foundation.errors import Conflict, InvalidConfigurationError, InvalidInput, LimitExceeded
from timeframes.core.keys import parse_key

_TOLD_FAULTS = 20  # in a message
NONE_YET = 0
"""The expected version of a configuration that must be new."""


class InvalidConfiguration(InvalidConfigurationError):
    """`faults`: every one, as a field and what would be right."""

    def __init__(self, faults: list[Fault]) -> None:
        told = "; ".join(f"{field}: {message}" for field, message in faults[:_TOLD_FAULTS])
        super().__init__(told if len(faults) <= _TOLD_FAULTS else f"{told}; and {len(faults) - _TOLD_FAULTS} more")
        self.faults = faults


class Changed(Conflict):
    """The configuration is not what the caller has read."""


def check(owner: Any, given: Any) -> Document:
    """Return the checked document of the owner, with users' functions by version. Raises InvalidConfiguration."""
    document, faults = site_schema().read(given)
    if document is None:
        raise InvalidConfiguration(faults)
    settled: list[FunctionAsked] = []
    for place, asked in enumerate(document.external_functions):
        try:
            version = settle(asked.function, owner, f"external_functions[{place}].function")
        except InvalidInput as error:
            faults.append((error.field, str(error)))
            continue
        settled.append(replace(asked, function=version))
    if faults:
        raise InvalidConfiguration(faults)
    return replace(document, external_functions=tuple(settled))


def save(
    owner: Any, given: Any, *, origin: str, now: datetime, entry_id: str = "", expected: int | None = None
) -> tuple[Configuration, bool]:
    """Store a configuration under its owner and name, and return it and whether that changed anything.

    An equal document makes no version. `entry_id`: of the stream's message; one older than what the configuration has
    changes nothing. `expected`: the version that the caller has read, NONE_YET for none; another one raises Changed.
    Raises InvalidConfiguration, LimitExceeded.
    """
    document = check(owner, given)
    with transaction.atomic():
        one_at_a_time()
        found = Configuration.objects.select_for_update(no_key=True).filter(owner=owner, name=document.name).first()
        if expected is not None and expected != (NONE_YET if found is None else found.version):
            raise Changed(_changed(document.name, found))
        if found is None:
            if Configuration.objects.filter(owner=owner).count() >= settings.CONFIGS_PER_USER:
                raise LimitExceeded(
                    f"{owner.get_username()} has {settings.CONFIGS_PER_USER} configurations; delete one first"
                )
            found = Configuration(owner=owner, name=document.name, version=NONE_YET, created_at=now)
        elif entry_id and found.entry_id and _order(entry_id) <= _order(found.entry_id):
            return found, False
        return found, _store(found, document, origin=origin, now=now, entry_id=entry_id)


def rewrite(
    configuration: Configuration, given: Any, *, origin: str, now: datetime, expected: int | None = None
) -> tuple[Configuration, bool]:
    """Store another document of this configuration, whose name stays. Return as `save` does.

    Raises InvalidConfiguration, and Changed where it is not the version expected, or has been deleted.
    """
    document = check_named(configuration, given)
    with transaction.atomic():
        one_at_a_time()
        found = _locked(configuration)
        if expected is not None and found.version != expected:
            raise Changed(_changed(found.name, found))
        return found, _store(found, document, origin=origin, now=now)


def check_named(configuration: Configuration, given: Any) -> Document:
    """Return the checked document of a configuration whose name stays. Raises InvalidConfiguration."""
    if isinstance(given, Mapping) and given.get("name") is None:
        given = {**given, "name": configuration.name}
    faults: list[Fault] = []
    if isinstance(given, Mapping) and given.get("name") != configuration.name:
        faults.append(("name", f"a name stays: this is {configuration.name}; create another configuration"))
        given = {**given, "name": configuration.name}
    try:
        document = check(configuration.owner, given)
    except InvalidConfiguration as error:
        raise InvalidConfiguration([*faults, *error.faults]) from error
    if faults:
        raise InvalidConfiguration(faults)
    return document


def set_active(configuration: Configuration, active: bool, *, origin: str, now: datetime) -> Configuration:
    """Pause or resume a configuration. It is a change of its document like any other.

    Raises Changed where it has been deleted, Conflict where its document cannot be read.
    """
    with transaction.atomic():
        one_at_a_time()
        found = _locked(configuration)
        try:
            document = document_of(found.document)
        except UnreadableDocument as error:
            raise Conflict(f"{found.name}: {error}; replace it") from error
        if document.active != active:
            _store(found, replace(document, active=active), origin=origin, now=now)
    return found


def delete(configuration: Configuration, *, now: datetime, expected: int | None = None) -> None:
    """Delete a configuration with its versions. Its results stay for their time.

    Its runs may be millions: `batch.configs.sweeping` deletes them in portions. `expected`: as in `save`. Raises
    Changed, also where it has been deleted.
    """
    with transaction.atomic():
        one_at_a_time()
        found = _locked(configuration)
        if expected is not None and found.version != expected:
            raise Changed(_changed(found.name, found))
        found.delete()


def one_at_a_time() -> None:
    """Wait for other changes of configurations, until the end of the transaction.

    So no reader sees a row of the outbox before one with a lower number (migration 0007 takes the same lock), and of
    two callers in a hurry the later one's document is what stays. The lock comes before any row's: nobody waits in a
    circle.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('signal_configurations', 0))")


def _locked(configuration: Configuration) -> Configuration:
    found = Configuration.objects.select_for_update(no_key=True).filter(pk=configuration.pk).first()
    if found is None:
        raise Changed(f"{configuration.name} has been deleted")
    return found


def _store(found: Configuration, document: Document, *, origin: str, now: datetime, entry_id: str = "") -> bool:
    """Write the document as the next version, unless it is the present one. Return whether it was written."""
    written = to_json(document)
    if found.version and found.document == written:
        if entry_id:
            found.entry_id = entry_id
            found.save(update_fields=["entry_id"])
        return False
    keeps = found.next_due is not None and _schedule(found.document) == _schedule(written)
    if not (keeps and document.active):  # what is due and has not begun stays due, where its schedule is the same
        found.next_due = first_due(document, now)
    found.version += 1
    found.document = written
    found.active = document.active
    found.underlyings = sorted({parse_key(each).underlying for each in document.instruments})
    found.interval, found.frequency = document.interval or "", document.frequency or ""
    found.origin, found.updated_at = origin, now
    found.entry_id = entry_id or found.entry_id
    found.save()
    ConfigurationVersion.objects.create(
        configuration=found,
        number=found.version,
        document=written,
        origin=origin,
        entry_id=entry_id,
        created_at=now,
    )
    return True


def first_due(document: Document, now: datetime) -> datetime | None:
    """Return when a document is first due after `now`, None without a schedule."""
    if not document.active or document.frequency is None:
        return None
    return due_after(
        parse_frequency(document.frequency),
        now,
        exchange=exchange_of(document),
        interval=document.interval,
        anchor=document.anchor,
    )


def _schedule(document: Any) -> Any:
    """Return all that decides when a document is due."""
    if not isinstance(document, Mapping) or not document.get("instruments"):
        return None
    return [
        *(document.get(name) for name in ("frequency", "interval", "anchor")),
        str(document["instruments"][0]).partition("@")[0],
    ]


def exchange_of(document: Document) -> str:
    """Return the exchange whose sessions a document's schedule follows."""
    return parse_key(document.instruments[0]).exchange


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def _changed(name: str, found: Configuration | None) -> str:
    return f"{name} is not there" if found is None else f"{name} is there, at version {found.version}"
