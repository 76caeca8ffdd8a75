"""What admin pages of configurations show: documents as JSON, and tables of differences."""

from collections.abc import Sequence
from typing import Any

import orjson
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from signals.configs.core.canonical import in_order
from signals.configs.core.difference import Difference, differences
from signalsite.foundation.stored_json import Unreadable

STYLES = {"all": ("signalsite/admin.css",)}
LONGEST_VALUE = 300  # characters in a table
_NONE = "(none)"


class ReadOnly:
    """A mixin for pages of what the service writes by itself."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


def pretty(document: Any) -> str:
    """Return a document as indented JSON, and why it cannot be read as a text."""
    if isinstance(document, Unreadable):
        return str(document)
    return orjson.dumps(in_order(document), option=orjson.OPT_INDENT_2).decode()


def shown_json(document: Any) -> SafeString:
    return format_html("<pre>{}</pre>", pretty(document))


def difference_table(before: Any, after: Any) -> SafeString:
    """Return what differs between two documents, None for one that there is not."""
    if isinstance(before, Unreadable) or isinstance(after, Unreadable):
        return format_html("<p>{}</p>", str(before if isinstance(before, Unreadable) else after))
    rows = differences({} if before is None else in_order(before), {} if after is None else in_order(after))
    body = format_html_join(
        "",
        "<tr><th scope=row>{}</th><td>{}</td><td>{}</td></tr>",
        ((each.path or "document", _before(each), _after(each)) for each in rows),
    )
    head = "<thead><tr><th scope=col>Field</th><th scope=col>Before</th><th scope=col>After</th></tr></thead>"
    return format_html('<table class="difference">{}<tbody>{}</tbody></table>', SafeString(head), body)


def reasons_table(rows: Sequence[tuple[str, str, str]]) -> SafeString:
    """Return a table of instruments, labels and why their values are missing."""
    body = format_html_join("", "<tr><th scope=row>{}</th><td>{}</td><td>{}</td></tr>", rows)
    head = "<thead><tr><th scope=col>Instrument</th><th scope=col>Value</th><th scope=col>Reason</th></tr></thead>"
    return format_html('<table class="difference">{}<tbody>{}</tbody></table>', SafeString(head), body)


def _before(row: Difference) -> SafeString | str:
    return _NONE if row.added else format_html("<del>{}</del>", _value(row.before))


def _after(row: Difference) -> SafeString | str:
    return _NONE if row.removed else format_html("<ins>{}</ins>", _value(row.after))


def _value(value: Any) -> str:
    return Truncator(orjson.dumps(value).decode()).chars(LONGEST_VALUE)
