"""Find the configuration that a message deletes."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from realtime.configs.core.refusals import Reason, Refused
from signals.configs.core.document import key_text
from signals.configs.core.frequency import format_frequency, parse_frequency
from signals.configs.models import Configuration
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import complete_key
from timeframes.core.timeframe import format_timeframe, parse_timeframe

MOST_NAMED = 5


def find(owner: Any, given: Mapping[str, Any]) -> Configuration:
    """Find a configuration by `name`, or by `instrument_key`, `interval` and `frequency`. Raises Refused.

    Without a name it is the one that was sent without a name for this instrument, interval and frequency, or else the
    owner's only one for just these.
    """
    name = given.get("name")
    if name is not None:
        if not isinstance(name, str) or "\0" in name:
            raise Refused(Reason.INVALID, [("name", "must be the configuration's name")])
        return _named(owner, name)
    instrument_key = _instrument(given)
    interval, frequency = _interval(given), _frequency(given)
    own = Configuration.objects.filter(owner=owner)
    if unnamed := own.filter(name=key_text(instrument_key, interval, frequency)).first():
        return unnamed
    found = list(
        own.filter(interval=interval or "", frequency=frequency or "", document__instruments=[instrument_key]).order_by(
            "name"
        )[: MOST_NAMED + 1]
    )
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(each.name for each in found[:MOST_NAMED])
        raise Refused(Reason.AMBIGUOUS, [("name", f"several are for this instrument alone: send one of {names}")])
    what = f"{key_text(instrument_key, interval, frequency)} for this instrument alone"
    raise Refused(Reason.NOT_FOUND, [("instrument_key", f"{owner.get_username()} has no configuration {what}")])


def _named(owner: Any, name: str) -> Configuration:
    found = Configuration.objects.filter(owner=owner, name=name).first()
    if found is None:
        raise Refused(Reason.NOT_FOUND, [("name", f"{owner.get_username()} has no configuration {name!r}")])
    return found


def _instrument(given: Mapping[str, Any]) -> str:
    found = given.get("instrument_key")
    several = given.get("instruments")
    if found is None and isinstance(several, list) and len(several) == 1:
        found = several[0]
    if not isinstance(found, str) or "\0" in found:
        text = "send the configuration's name, or instrument_key, interval and frequency"
        raise Refused(Reason.INVALID, [("name", text)])
    return complete_key(found, settings.DEFAULT_EXCHANGE)


def _interval(given: Mapping[str, Any]) -> str | None:
    found = given.get("interval")
    if found in (None, "", "none"):
        return None
    if not isinstance(found, str):
        raise Refused(Reason.INVALID, [("interval", "must be a timeframe such as 5m")])
    try:
        return format_timeframe(parse_timeframe(found))
    except InvalidInput as error:
        raise Refused(Reason.INVALID, [("interval", str(error))]) from None


def _frequency(given: Mapping[str, Any]) -> str | None:
    found = given.get("frequency")
    if found in (None, "", "none"):
        return None
    if not isinstance(found, str):
        raise Refused(Reason.INVALID, [("frequency", "must be a frequency such as 5m, bar or daily")])
    try:
        return format_frequency(parse_frequency(found))
    except InvalidInput as error:
        raise Refused(Reason.INVALID, [("frequency", str(error))]) from None
