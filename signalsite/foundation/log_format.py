"""Log lines, as text and as JSON. Both have the time with its zone, level, component, logger and message, and what else
is known: the request's id, the user, and what the caller gave as `extra`."""

import logging
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from signalsite.foundation.log_context import component, request_id, user_id

_COMPONENT = component()
_CONTEXT = ("request_id", "user")
_NO_EXTRAS = {*RESERVED_ATTRS, *_CONTEXT, "component", "color_message", "request", "status_code", "data", "server_time"}
LONGEST_EXTRA = 500
_INDENT = "    "


class Context(logging.Filter):
    """Adds what is known of the work to each record; of the handler, so that lines of libraries have it too."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.component = _COMPONENT
        if found := request_id.get():
            record.request_id = found
        if user := user_id():
            record.user = user
        return True


class JsonLines(JsonFormatter):
    def __init__(self, **options: Any) -> None:
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            static_fields={"service": "signalsite"},
            reserved_attrs=[*RESERVED_ATTRS, "color_message", "request", "server_time"],
            **options,
        )

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data["timestamp"] = _time_of(record)
        super().add_fields(log_data, record, message_dict)


class TextLines(logging.Formatter):
    """`2026-03-02T05:30:00.123Z INFO    signalsite.x: message name=value`, then the lines of a traceback, indented.

    Line breaks and whatever else is not printable are escaped: a caller's text forges no line and moves no cursor.
    """

    def __init__(self) -> None:
        super().__init__("%(time)s %(levelname)-7s %(name)s: %(message)s%(extras)s")

    def format(self, record: logging.LogRecord) -> str:
        line, *traceback = super().format(record).split("\n")
        return "\n".join([line, *(f"{_INDENT}{_printable(each)}" for each in traceback)])

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.time = _time_of(record)
        record.message = _printable(record.message)
        known = [(name, getattr(record, name)) for name in _CONTEXT if hasattr(record, name)]
        given = [(name, value) for name, value in vars(record).items() if name not in _NO_EXTRAS | {"time", "extras"}]
        record.extras = "".join(f" {name}={_shown(value)}" for name, value in (*given, *known))
        return super().formatMessage(record)


def _time_of(record: logging.LogRecord) -> str:
    return f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S}.{int(record.msecs):03d}Z"


def _shown(value: object) -> str:
    text = str(value)
    text = text if len(text) <= LONGEST_EXTRA else f"{text[:LONGEST_EXTRA]}…"
    plain = text and text.isprintable() and not any(letter in " \"'" for letter in text)
    return text if plain else repr(text)


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
