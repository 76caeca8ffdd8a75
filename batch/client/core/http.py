"""A request, its reply, and the error that a reply states."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from .errors import ApiError, FieldError

SHOWN = 500  # characters of an answer that is no problem+json


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | Iterable[bytes] | None = None  # an iterable begins anew each time that it is sent


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    reason: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    stream: Any = None  # of an opened reply: the driver's handle, for Read

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ApiError(self.status, "Not JSON", self.text[:SHOWN]) from error

    def error(self) -> ApiError:
        """Return the error that this reply states."""
        retry_after = seconds(self.headers.get("retry-after"))
        if 300 <= self.status < 400 and "location" in self.headers:
            detail = f"the service is at another address: {self.headers['location']}"
            return ApiError(self.status, self.reason, detail, (), retry_after)
        problem = self._problem()
        if problem is None:
            return ApiError(self.status, self.reason, self.text[:SHOWN], (), retry_after)
        rows = problem.get("errors")
        errors = tuple(
            FieldError(str(row.get("field", "")), str(row.get("detail", "")))
            for row in (rows if isinstance(rows, list) else ())
            if isinstance(row, dict)
        )
        title, detail = str(problem.get("title", self.reason)), str(problem.get("detail", ""))
        return ApiError(self.status, title, detail, errors, retry_after, problem)

    def _problem(self) -> dict[str, Any] | None:
        if "json" not in self.headers.get("content-type", ""):
            return None
        try:
            body = json.loads(self.body)
        except ValueError:  # a proxy's: its text is shown instead
            return None
        return body if isinstance(body, dict) else None


def seconds(retry_after: str | None) -> float | None:
    """Return what a Retry-After header asks for: it holds seconds, or a date."""
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError):  # neither: as if the header were absent
        return None
