"""What the client returns."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Counts:
    total: int
    completed: int  # items with a value
    failed: int  # items with a reason instead

    @property
    def answered(self) -> int:
        return self.completed + self.failed


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it was when the service answered. `raw` is the whole answer."""

    id: uuid.UUID
    kind: str
    status: str  # validating, in_progress, cancelling; completed, failed, cancelled
    done: bool  # the status is final
    counts: Counts
    progress: float  # part of the items that have their answer, 0 to 1
    eta_seconds: float | None
    duration_seconds: float  # from acceptance to the end, or until now
    as_of: datetime | None  # None until it is resolved
    error: str  # why the job as a whole failed
    retry_of: uuid.UUID | None  # the job whose failed items these are
    reused_from: uuid.UUID | None  # the earlier job whose answers these are
    created_at: datetime
    finished_at: datetime | None
    links: Mapping[str, str] = field(compare=False)
    raw: Mapping[str, Any] = field(compare=False, repr=False)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Job":
        return cls(
            id=uuid.UUID(body["id"]),
            kind=body["kind"],
            status=body["status"],
            done=body["done"],
            counts=counts(body["request_counts"]),
            progress=body["progress"],
            eta_seconds=body["eta_seconds"],
            duration_seconds=body["duration_seconds"],
            as_of=optional_instant(body["as_of"]),
            error=body["error"],
            retry_of=_job_id(body["retry_of"]),
            reused_from=_job_id(body["reused_from"]),
            created_at=instant(body["created_at"]),
            finished_at=optional_instant(body["finished_at"]),
            links=body["links"],
            raw=body,
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """The cost of a submission that was not made. `raw` is the whole answer."""

    as_of: datetime | None
    total: int
    refused_count: int  # items that would be answered bad_input
    refused: list[dict[str, Any]]  # the first of them: position, reason
    chunks: int
    estimated_seconds: float
    items_ahead: int  # in the queue
    raw: Mapping[str, Any] = field(compare=False, repr=False)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Estimate":
        names = ("total", "refused_count", "refused", "chunks", "estimated_seconds", "items_ahead")
        return cls(as_of=optional_instant(body["as_of"]), raw=body, **{name: body[name] for name in names})


@dataclass(frozen=True, slots=True)
class ItemResult:
    """Results of a few items, given within the request."""

    as_of: datetime
    params: Mapping[str, Any]  # every one, defaults filled in
    counts: Counts
    data: list[dict[str, Any]]  # in the order of the items
    forwards: list[dict[str, Any]]  # of each underlying and expiry, with the strikes left out


@dataclass(frozen=True, slots=True)
class ResultsPage:
    """Some results of a job. `next_cursor` is None after the last; pass it to get the next page."""

    data: list[dict[str, Any]]
    next_cursor: int | None


def counts(body: Mapping[str, int]) -> Counts:
    return Counts(body["total"], body["completed"], body["failed"])


def instant(text: str) -> datetime:
    """Read an ISO instant. Python 3.10 takes no Z, and only 3 or 6 digits of a second."""
    whole = re.sub(r"\.([0-9]+)", lambda found: f".{found[1]:0<6.6}", text, count=1)
    return datetime.fromisoformat(whole.replace("Z", "+00:00"))


def optional_instant(text: str | None) -> datetime | None:
    return instant(text) if text else None


def _job_id(text: str | None) -> uuid.UUID | None:
    return uuid.UUID(text) if text else None
