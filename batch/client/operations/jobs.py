"""Batch jobs: submit, look at, wait for, cancel, retry."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from ..computations import Kind
from ..core.effects import Call, Emit, Flow, Now, Pause, Stream, Work, collect
from ..core.errors import WaitTimeout
from ..core.service import Service
from ..core.shapes import Estimate, ItemResult, Job, ResultsPage, counts, instant
from ..spool import ArrowTable, Columns, Lines, Spool

ROOT = "/api/v2/signals/batch"
PAGE = 10_000  # results a page
SHORTEST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.02, 1.0

Item = str | Mapping[str, Any]  # an instrument key, or an object with a key or an option's terms, and overrides
JobId = Job | uuid.UUID | str
Moment = str | date | datetime


def submit(
    service: Service,
    items: Iterable[Item] | ArrowTable | None = None,
    *,
    selector: Mapping[str, Any] | None = None,
    kind: Kind | str = "greeks",
    params: Mapping[str, Any] | None = None,
    as_of: Moment | None = None,
    idempotency_key: str | None = None,
    reuse: bool | None = None,
    webhook: Mapping[str, Any] | None = None,
) -> Flow[Job]:
    """Submit a job of `items`, or of the options that `selector` stands for.

    A list is sent as JSON, any other iterable as NDJSON, a table (pyarrow, pandas, polars) as an Arrow stream; its
    columns are instrument_key or an option's terms, custom_id and overrides. The last two go through a temporary file
    and are never all in memory.

    Each submission has an idempotency key. Without one of yours the client makes one, so that a submission repeated
    after a broken connection still makes one job. `reuse=False` computes anew what an earlier job has answered.
    """
    more = {"kind": kind, "params": params, "as_of": as_of, "reuse": reuse, "webhook": webhook}
    headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
    reply = yield from _submission(service, items, selector, _given(more), headers)
    return Job.of(reply)


def estimate(
    service: Service,
    items: Iterable[Item] | ArrowTable | None = None,
    *,
    selector: Mapping[str, Any] | None = None,
    kind: Kind | str = "greeks",
    params: Mapping[str, Any] | None = None,
    as_of: Moment | None = None,
) -> Flow[Estimate]:
    """Validate a submission and estimate its cost, without making a job."""
    more = {"kind": kind, "params": params, "as_of": as_of, "dry_run": True}
    reply = yield from _submission(service, items, selector, _given(more), {})
    return Estimate.of(reply)


def answer(
    service: Service,
    kind: Kind | str,
    items: Iterable[Item],
    *,
    params: Mapping[str, Any] | None = None,
    as_of: Moment | None = None,
) -> Flow[ItemResult]:
    """Compute a few items in one request: up to 100, unless the service is set otherwise.

    The service makes a job of more, and of items with many rows each. The client then waits for it.
    """
    body = _given({"items": _listed(items), "params": params, "as_of": as_of})
    # Only the service knows whether it makes a job, so every request has a key.
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    reply = yield from service.call("POST", f"{ROOT}/{quote(kind, safe='')}", body=body, headers=headers)
    found = reply.json()
    if reply.status != 202:
        forwards = found.get("forwards", [])
        return ItemResult(
            instant(found["as_of"]), found["params"], counts(found["request_counts"]), found["data"], forwards
        )
    job = yield from wait(service, Job.of(found))
    data = yield from collect(results(service, job))
    about = yield from receipt(service, job)
    return ItemResult(job.as_of or job.created_at, job.raw["params"], job.counts, data, about.get("forwards", []))


def greeks(
    service: Service,
    items: Iterable[Item],
    *,
    params: Mapping[str, Any] | None = None,
    as_of: Moment | None = None,
) -> Flow[ItemResult]:
    """Compute implied volatility and Greeks of a few items: `answer` of the kind greeks."""
    return answer(service, "greeks", items, params=params, as_of=as_of)


def job(service: Service, job: JobId) -> Flow[Job]:
    """Return a job as it is now."""
    reply = yield from service.call("GET", job_path(job))
    return Job.of(reply.json())


def jobs(
    service: Service,
    *,
    status: str | None = None,
    kind: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> Stream[Job]:
    """Iterate over your jobs, newest first. Pages are read as the iterator goes on."""
    query = _given({"limit": 200, "status": status, "kind": kind})
    query |= {"created_after": created_after.isoformat()} if created_after else {}
    query |= {"created_before": created_before.isoformat()} if created_before else {}
    while True:
        page = (yield from service.call("GET", f"{ROOT}/jobs", query=query)).json()
        for found in page["results"]:
            yield Emit(Job.of(found))
        if page["next"] is None:
            return
        # Only the cursor is taken: behind a proxy the service may not know its own address.
        query["cursor"] = parse_qs(urlsplit(page["next"]).query)["cursor"][0]


def wait(
    service: Service,
    job: JobId,
    *,
    progress: Callable[[Job], Any] | None = None,
    timeout: float | None = None,
) -> Flow[Job]:
    """Return the job when it has ended, well or not.

    `progress` is called with each state seen, the last one too. `timeout`: seconds, after which WaitTimeout is raised
    and the job goes on.
    """
    began: float = yield Now()
    pauses = _pauses()
    current = job if isinstance(job, Job) else (yield from _job(service, job))
    while True:
        if progress is not None:
            yield Call(lambda state=current: progress(state))  # type: ignore[misc]
        if current.done:
            return current
        pause = next(pauses)
        if current.eta_seconds is not None:
            pause = min(pause, max(current.eta_seconds, SHORTEST_POLL_SECONDS))
        if timeout is not None:
            now: float = yield Now()
            left = began + timeout - now
            if left <= 0:
                raise WaitTimeout(f"job {current.id} is {current.status} after {timeout} s")
            pause = min(pause, left)
        yield Pause(pause)
        current = yield from _job(service, current)


def results(service: Service, job: JobId, *, status: str | None = None) -> Stream[dict[str, Any]]:
    """Iterate over the results of all items, in the order of the request.

    While the job runs, the iterator gives what is complete and goes on as the job does. `status`: only results with
    this status word; `failed` means all that are not ok.
    """
    cursor: int | None = None
    pauses = _pauses()
    while True:
        page = yield from results_page(service, job, cursor=cursor, status=status)
        for row in page.data:
            yield Emit(row)
        if page.next_cursor is None:
            return
        cursor = page.next_cursor
        if page.data:
            pauses = _pauses()
        else:
            yield Pause(next(pauses))


def results_page(
    service: Service, job: JobId, *, cursor: int | None = None, limit: int = PAGE, status: str | None = None
) -> Flow[ResultsPage]:
    """Return one page of results. A page of a running job may be empty: ask again with its `next_cursor`."""
    query = _given({"limit": limit, "status": status, "cursor": cursor})
    page = (yield from service.call("GET", f"{job_path(job)}/results", query=query)).json()
    return ResultsPage(page["data"], page["next_cursor"])


def receipt(service: Service, job: JobId) -> Flow[dict[str, Any]]:
    """Return what the job's items share: `forwards`, one for each underlying and expiry, with the strikes left out."""
    found: dict[str, Any] = (yield from service.call("GET", f"{job_path(job)}/receipt")).json()
    return found


def cancel(service: Service, job: JobId) -> Flow[Job]:
    """Stop a job. Its computed results stay; a job that has ended stays as it is."""
    reply = yield from service.call("POST", f"{job_path(job)}/cancel")
    return Job.of(reply.json())


def retry(service: Service, job: JobId, *, idempotency_key: str | None = None) -> Flow[Job]:
    """Submit a new job of those failed items of an ended one that trying again can help."""
    headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
    reply = yield from service.call("POST", f"{job_path(job)}/retry", body={}, headers=headers)
    return Job.of(reply.json())


def statistics(service: Service) -> Flow[dict[str, Any]]:
    """Return the service's counts of jobs and items, its speed and its queue."""
    found: dict[str, Any] = (yield from service.call("GET", f"{ROOT}/statistics")).json()
    return found


def job_path(job: JobId) -> str:
    return f"{ROOT}/jobs/{job.id if isinstance(job, Job) else uuid.UUID(str(job))}"


_job = job  # under a name that no argument hides


def _submission(
    service: Service,
    items: Any,
    selector: Mapping[str, Any] | None,
    head: dict[str, Any],
    headers: Mapping[str, str],
) -> Flow[dict[str, Any]]:
    if (items is None) == (selector is None):
        raise ValueError("give either items or selector")
    path = f"{ROOT}/jobs"
    found: dict[str, Any]
    if items is None or isinstance(items, Sequence):
        body = head | ({"selector": selector} if items is None else {"items": _listed(items)})
        found = (yield from service.call("POST", path, body=body, headers=headers)).json()
        return found
    form = Columns if hasattr(items, "__arrow_c_stream__") else Lines
    spool: Spool = yield Work(lambda: form(head, items))
    with spool:
        found = (yield from service.call("POST", path, body=spool, headers=headers)).json()
    return found


def _listed(items: Iterable[Item]) -> list[Item]:
    if isinstance(items, str | bytes):
        raise TypeError("items is one text: give a list of instrument keys")
    return list(items)


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _pauses() -> Iterator[float]:
    pause = SHORTEST_POLL_SECONDS
    while True:
        yield pause
        pause = min(pause * 1.5, LONGEST_POLL_SECONDS)
