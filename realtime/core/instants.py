"""Event times of ticks: ISO 8601 or an epoch in seconds, milliseconds or microseconds."""

import re
from datetime import UTC, datetime, tzinfo

# Checked first, since `datetime.fromisoformat` ignores junk between the seconds and the offset (Python 3.11).
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
_EPOCH = re.compile(r"[0-9]{1,20}(?:\.[0-9]{0,20})?(?:[eE]\+?[0-9]{1,2})?")
# The size of an epoch gives its unit. Seconds reach this bound in the year 5138; milliseconds passed it in March 1973.
_SECONDS_BELOW = 1e11
_MILLISECONDS_BELOW = 1e14
_MICROSECONDS_BELOW = 1e17


class BadInstant(ValueError):
    """Neither an ISO 8601 instant nor an epoch in seconds, milliseconds or microseconds."""


def parse_event_time(value: str | float, zone: tzinfo) -> datetime:
    """Return an aware instant. Raises BadInstant.

    A text is an epoch in digits, or ISO 8601: YYYY-MM-DD, T or a space, HH:MM[:SS[.fraction]], then Z, an offset such
    as +05:30, or nothing. Without an offset it is in `zone`, the exchange's.
    """
    if not isinstance(value, str):
        return _from_epoch(value)
    if _ISO.fullmatch(value):
        try:
            instant = datetime.fromisoformat(value)
        except ValueError as error:
            raise BadInstant(f"{value!r}: {error}") from None
        return instant if instant.tzinfo else instant.replace(tzinfo=zone)
    if _EPOCH.fullmatch(value):
        return _from_epoch(float(value))
    raise BadInstant(f"{value[:40]!r} is neither ISO 8601 nor an epoch")


def _from_epoch(epoch: float) -> datetime:
    if 0 < epoch < _SECONDS_BELOW:
        seconds = epoch
    elif _SECONDS_BELOW <= epoch < _MILLISECONDS_BELOW:
        seconds = epoch / 1e3
    elif _MILLISECONDS_BELOW <= epoch < _MICROSECONDS_BELOW:
        seconds = epoch / 1e6
    else:
        raise BadInstant(f"{str(epoch)[:40]} is no epoch in seconds, milliseconds or microseconds")
    return datetime.fromtimestamp(seconds, UTC)
