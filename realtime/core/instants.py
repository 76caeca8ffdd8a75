"""Event times of ticks: ISO 8601 or an epoch in seconds, milliseconds or microseconds."""

from datetime import UTC, datetime, tzinfo

# An epoch's size tells its unit. Seconds reach this bound in the year 5138, milliseconds start at it in March 1973.
_SECONDS_BELOW = 1e11
_MILLISECONDS_BELOW = 1e14
_MICROSECONDS_BELOW = 1e17


class BadInstant(ValueError):
    """Neither an ISO 8601 instant nor an epoch in seconds, milliseconds or microseconds."""


def parse_event_time(value: str | float, zone: tzinfo) -> datetime:
    """The instant, aware. A naive ISO text is in `zone`, the exchange's; digits in a text are an epoch too.

    Raises BadInstant.
    """
    if isinstance(value, str):
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            return _from_epoch_text(value)
        if len(value) < 11 or (value.isascii() and value.isdigit()):  # "20250101" is a date to fromisoformat
            return _from_epoch_text(value)
        return instant if instant.tzinfo else instant.replace(tzinfo=zone)
    return _from_epoch(value)


def _from_epoch_text(text: str) -> datetime:
    try:
        return _from_epoch(float(text))
    except ValueError:
        raise BadInstant(f"{text[:40]!r} is neither ISO 8601 nor an epoch") from None


def _from_epoch(epoch: float) -> datetime:
    if 0 < epoch < _SECONDS_BELOW:
        seconds = epoch
    elif _SECONDS_BELOW <= epoch < _MILLISECONDS_BELOW:
        seconds = epoch / 1e3
    elif _MILLISECONDS_BELOW <= epoch < _MICROSECONDS_BELOW:
        seconds = epoch / 1e6
    else:
        raise BadInstant(f"{epoch!r} is no epoch in seconds, milliseconds or microseconds")
    return datetime.fromtimestamp(seconds, UTC)
