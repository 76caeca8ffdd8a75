"""Keep a batch of messages: the configurations, and the position in the stream, in one transaction.

The position is why each message counts once, in the order of the stream, however often Redis delivers it and however
many consumers believe that it is theirs: who keeps locks the row first, and leaves out what is kept already.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from realtime.configs import deleting
from realtime.configs.core.message import Action, Message, read_message
from realtime.configs.core.refusals import Reason, Refusal, Refused
from realtime.configs.owners import owner_of
from realtime.core.entry_ids import parse_id
from realtime.models import ConfigStreamPosition
from signals.configs import services
from signals.configs.models import Configuration
from signalsite.foundation.errors import Conflict, LimitExceeded
from signalsite.foundation.postgres import UNAVAILABLE

logger = logging.getLogger(__name__)

Entry = tuple[str, Sequence[str]]
"""ID, and names and values in turn."""
STATEMENT_MILLISECONDS = 10_000
IDLE_MILLISECONDS = 10_000  # a consumer that is suspended inside a transaction does not hold the others up for longer


@dataclass(slots=True)
class Kept:
    """`outcomes`: how many messages did what. `refused`: by entry ID. `fresh`: the refusals that are new."""

    outcomes: dict[str, int] = field(default_factory=dict)
    refused: dict[str, Refusal] = field(default_factory=dict)
    fresh: list[tuple[str, Refusal]] = field(default_factory=list)

    def count(self, outcome: str) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1

    def refuse(self, entry_id: str, refusal: Refusal) -> None:
        self.refused[entry_id] = refusal
        self.fresh.append((entry_id, refusal))


def keep(stream: str, entries: Sequence[Entry], *, now: datetime, alive: Callable[[], None], give_up: int = 0) -> Kept:
    """Keep entries, in the order of their IDs. `give_up`: keep none, they were delivered so many times.

    Raises what an outage of PostgreSQL raises, and what `alive` raises, which is called before each message: then
    nothing is kept. Any other fault is a message's own.
    """
    kept = Kept()
    with transaction.atomic():
        _bound()
        position = _locked(stream)
        at = parse_id(position.entry_id)
        before = position.refused
        owners: dict[str | None, Any] = {}
        for entry_id, entry in sorted(entries, key=lambda each: parse_id(each[0])):
            alive()
            if parse_id(entry_id) <= at:
                if (refusal := _refused_before(before, entry_id)) is not None:
                    kept.refused[entry_id] = refusal
                kept.count("kept before")
                continue
            if give_up:
                text = f"delivered {give_up} times: it may be what ends its consumers"
                kept.refuse(entry_id, Refusal(reason=Reason.GAVE_UP, faults=(("", text),)))
            else:
                _handle(kept, entry_id, entry, owners, now)
            position.entry_id = entry_id
        if parse_id(position.entry_id) > at:
            position.refused = {each: refusal.as_json() for each, refusal in kept.refused.items()}
            position.save()
    return kept


def begin_again(stream: str, newest: str) -> None:
    """Take a stream whose newest ID is below the position for a new one, since its entries would all be left out."""
    with transaction.atomic():
        position = _locked(stream)
        if parse_id(newest) < parse_id(position.entry_id):
            logger.warning("%s begins anew: its newest entry is %s, and %s is kept", stream, newest, position.entry_id)
            position.entry_id, position.refused = "0-0", {}
            position.save()


def _locked(stream: str) -> ConfigStreamPosition:
    ConfigStreamPosition.objects.get_or_create(stream=stream)
    return ConfigStreamPosition.objects.select_for_update().get(stream=stream)


def _bound() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_MILLISECONDS}")
        cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = {IDLE_MILLISECONDS}")


def _handle(kept: Kept, entry_id: str, entry: Sequence[str], owners: dict[str | None, Any], now: datetime) -> None:
    """Keep one message. A fault rolls back what it did, and nothing else."""
    try:
        with transaction.atomic():
            message = read_message(entry, most_bytes=settings.CONFIG_MAX_BYTES)
            kept.count(_ACTIONS[message.action](message, entry_id, owners, now))
    except Refused as refused:
        owners.pop(None, None)  # the stream's own user, if this message made it
        kept.refuse(entry_id, Refusal.of(refused))
    except UNAVAILABLE:
        raise
    except Exception as error:  # a message's fault, whatever it is: the others are kept
        owners.pop(None, None)
        logger.exception("message %s cannot be handled", entry_id)
        fault = Refused(Reason.HANDLER_ERROR, [("", f"{type(error).__name__}: {error}")])
        kept.refuse(entry_id, Refusal.of(fault))


def _owner(message: Message, owners: dict[str | None, Any]) -> Any:
    if message.owner not in owners:
        owners[message.owner] = owner_of(message.owner)
    return owners[message.owner]


def _update(message: Message, entry_id: str, owners: dict[str | None, Any], now: datetime) -> str:
    owner = _owner(message, owners)
    try:
        configuration, changed = services.save(owner, message.document, origin="stream", entry_id=entry_id, now=now)
    except services.InvalidConfiguration as error:
        raise Refused(Reason.INVALID, error.faults) from None
    except (LimitExceeded, Conflict) as error:
        raise Refused(Reason.LIMIT, [("", str(error))]) from None
    if not changed:
        _refuse_older(configuration, entry_id)
    return "updated" if changed else "unchanged"


def _delete(message: Message, entry_id: str, owners: dict[str | None, Any], now: datetime) -> str:
    found = deleting.find(_owner(message, owners), message.document)
    _refuse_older(found, entry_id)
    try:
        services.delete(found, now=now)
    except Conflict as error:  # somebody else has deleted it meanwhile
        raise Refused(Reason.NOT_FOUND, [("name", str(error))]) from None
    return "deleted"


def _refuse_older(configuration: Configuration, entry_id: str) -> None:
    """Redis may come back with an older state, and deliver what was done before the configuration was sent anew."""
    if configuration.entry_id and parse_id(configuration.entry_id) > parse_id(entry_id):
        text = f"{configuration.name} has the newer message {configuration.entry_id}"
        raise Refused(Reason.OLDER, [("", text)])


_ACTIONS: dict[Action, Callable[[Message, str, dict[str | None, Any], datetime], str]] = {
    Action.UPDATE: _update,
    Action.DELETE: _delete,
}


def _refused_before(refused: Mapping[str, Any], entry_id: str) -> Refusal | None:
    """Return why an entry was refused, if it was; also where the row cannot be read."""
    found = refused.get(entry_id) if isinstance(refused, Mapping) else None
    if found is None:
        return None
    try:
        return Refusal.from_json(found)
    except (KeyError, TypeError, ValueError) as error:
        logger.error("why %s was refused cannot be read: %s", entry_id, error)
        return Refusal(reason=Reason.HANDLER_ERROR, faults=(("", "refused; why cannot be read"),))
