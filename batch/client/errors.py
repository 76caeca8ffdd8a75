"""What the client raises."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx


class ClientError(Exception):
    """Any failure that the client raises on purpose."""


class ServiceUnreachable(ClientError):
    """No answer came, after all attempts. The cause is httpx's error."""


class WaitTimeout(ClientError, TimeoutError):
    """The job had not ended in the time given. It goes on: wait again, or cancel it."""


@dataclass(frozen=True, slots=True)
class FieldError:
    field: str  # path in the body that was sent, such as params.rate
    detail: str


class ApiError(ClientError):
    """The service refused, with problem+json (RFC 9457) or whatever a proxy in between says."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        errors: tuple[FieldError, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(status, title, detail, errors)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after  # seconds

    def __str__(self) -> str:
        return f"{self.status} {self.title}: {self.detail}"

    @classmethod
    def of(cls, response: httpx.Response) -> "ApiError":
        """The error that a response tells, its body being read."""
        title, retry_after = response.reason_phrase, _seconds(response.headers.get("Retry-After"))
        if response.has_redirect_location:
            detail = f"the service is at another address: {response.headers['Location']}"
            return cls(response.status_code, title, detail, (), retry_after)
        if "json" not in response.headers.get("Content-Type", ""):
            return cls(response.status_code, title, response.text[:500], (), retry_after)
        body = response.json()
        errors = tuple(FieldError(row["field"], row["detail"]) for row in body.get("errors", ()))
        return cls(response.status_code, body.get("title", title), body.get("detail", ""), errors, retry_after)


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After header: seconds, or a date."""
    if not retry_after:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):  # neither: as if it were not there
        return None
