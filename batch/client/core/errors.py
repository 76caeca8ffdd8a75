"""What the client raises."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
