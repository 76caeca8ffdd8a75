"""What the client raises."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .effects import Reply

SHOWN = 500  # characters of an answer that is no problem+json


class ClientError(Exception):
    """Any failure that the client raises on purpose."""


class ServiceUnreachable(ClientError):
    """No answer came, after all attempts. The cause is the transport's error."""


class WaitTimeout(ClientError, TimeoutError):
    """The job has not ended in the time given. It goes on: wait again, or cancel it."""


class FeedEnded(ClientError):
    """The service closed the socket for a reason that reconnecting does not mend. docs/websocket.md lists the codes."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"the service closed the socket: {self.code} {self.reason}".rstrip()


@dataclass(frozen=True, slots=True)
class FieldError:
    field: str  # path in the body that was sent, such as params.rate
    detail: str


class ApiError(ClientError):
    """The service refuses the request.

    The fields are those of its problem+json (RFC 9457). `problem` has all members of it, and is empty where a proxy in
    between answered with something else.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        retry_after: float | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status, title, detail, errors)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after  # seconds
        self.problem = problem or {}

    @property
    def type(self) -> str:
        return str(self.problem.get("type", "about:blank"))

    def __str__(self) -> str:
        return f"{self.status} {self.title}: {self.detail}"

    @classmethod
    def of(cls, reply: "Reply") -> "ApiError":
        """The error that a reply states."""
        retry_after = seconds(reply.headers.get("retry-after"))
        if 300 <= reply.status < 400 and "location" in reply.headers:
            detail = f"the service is at another address: {reply.headers['location']}"
            return cls(reply.status, reply.reason, detail, (), retry_after)
        problem = _problem(reply)
        if problem is None:
            return cls(reply.status, reply.reason, reply.text[:SHOWN], (), retry_after)
        rows = problem.get("errors")
        errors = tuple(
            FieldError(str(row.get("field", "")), str(row.get("detail", "")))
            for row in (rows if isinstance(rows, list) else ())
            if isinstance(row, dict)
        )
        title, detail = str(problem.get("title", reply.reason)), str(problem.get("detail", ""))
        return cls(reply.status, title, detail, errors, retry_after, problem)


def _problem(reply: "Reply") -> dict[str, Any] | None:
    if "json" not in reply.headers.get("content-type", ""):
        return None
    try:
        body = json.loads(reply.body)
    except ValueError:  # a proxy's: its text is shown instead
        return None
    return body if isinstance(body, dict) else None


def seconds(retry_after: str | None) -> float | None:
    """Return what a Retry-After header asks for: it holds seconds, or a date."""
    if not retry_after:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(timezone.utc)).total_seconds())
    except (TypeError, ValueError):  # neither: as if the header were absent
        return None
