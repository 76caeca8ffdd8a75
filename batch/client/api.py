"""The batch API as Python functions."""

import math
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from batch.client.auth import BearerToken, PasswordTokens
from batch.client.computations import Kind
from batch.client.errors import WaitTimeout
from batch.client.http import Http, Lines
from batch.client.shapes import Answer, Estimate, Job, counts

if TYPE_CHECKING:
    import pandas
    import pyarrow

ROOT = "/api/v2/signals/batch"
PAGE = 10_000  # results a page
ROWS_AT_ONCE = 10_000  # of a table that is sent
SHORTEST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.02, 1.0

Item = str | Mapping[str, Any]  # an instrument key, or an object with instrument_key and overrides
JobId = Job | uuid.UUID | str


class Client:
    """A connection to one service, for one user. May be shared by threads.

    `address`: scheme, host and, behind a proxy, path prefix of the service. Sign in with `username` and `password`, or
    with a `token` (or a callable that gives one). `timeout`: seconds to connect, and between bytes. `transport`: one of
    httpx's, for instance WSGITransport to call an application in this process.
    All methods raise ApiError where the service refuses and ServiceUnreachable where it does not answer; both only
    after trying again, with growing pauses, where that can help.
    """

    def __init__(
        self,
        address: str,
        *,
        username: str | None = None,
        password: str | None = None,
        token: str | Callable[[], str] | None = None,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        url = httpx.URL(address)
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError(f"address: {address!r} is not http(s)://host")
        auth: httpx.Auth
        if token is not None and username is None and password is None:
            auth = BearerToken(token)
        elif token is None and username is not None and password is not None:
            auth = PasswordTokens(url, username, password)
        else:
            raise ValueError("give either username and password, or token")
        self._http = Http(url, auth, timeout, transport)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def submit(
        self,
        items: "Iterable[Item] | pyarrow.Table | None" = None,
        *,
        selector: Mapping[str, Any] | None = None,
        kind: Kind | str = "greeks",
        params: Mapping[str, Any] | None = None,
        as_of: str | date | datetime | None = None,
        idempotency_key: str | None = None,
        reuse: bool | None = None,
        webhook: Any = None,
    ) -> Job:
        """Submit a job of `items` or of what `selector` stands for.

        The submission has an idempotency key, its own where none is given: repeated after a broken connection it still
        makes one job. `reuse=False` computes anew what an earlier job has answered already.

        `items` that come one after the other (a generator), or as a pyarrow Table with columns instrument_key,
        custom_id and overrides, are never all in memory: they go to a temporary file and are sent from it.
        """
        streamed = items is not None and not isinstance(items, Sequence)
        body = _submission(() if streamed else items, selector, params, as_of) | {"kind": kind}
        more = {"reuse": reuse, "webhook": webhook}
        body |= {name: value for name, value in more.items() if value is not None}
        if not streamed:
            return self._new_job(f"{ROOT}/jobs", body, idempotency_key)
        del body["items"]
        with Lines(chain((body,), _one_by_one(items))) as lines:
            return self._new_job(f"{ROOT}/jobs", lines, idempotency_key)

    def estimate(
        self,
        items: Iterable[Item] | None = None,
        *,
        selector: Mapping[str, Any] | None = None,
        kind: Kind | str = "greeks",
        params: Mapping[str, Any] | None = None,
        as_of: str | date | datetime | None = None,
    ) -> Estimate:
        """Validate a submission and say what it would cost, without making a job."""
        body = _submission(items, selector, params, as_of) | {"kind": kind, "dry_run": True}
        return Estimate.of(self._http.send("POST", f"{ROOT}/jobs", body=body).json())

    def greeks(
        self,
        items: Iterable[Item],
        *,
        params: Mapping[str, Any] | None = None,
        as_of: str | date | datetime | None = None,
    ) -> Answer:
        """`answer` of the kind greeks."""
        return self.answer("greeks", items, params=params, as_of=as_of)

    def answer(
        self,
        kind: Kind | str,
        items: Iterable[Item],
        *,
        params: Mapping[str, Any] | None = None,
        as_of: str | date | datetime | None = None,
    ) -> Answer:
        """What a computation says of a few items (100, as the service is set) in one request.

        The service makes a job of more: then that is waited for.
        """
        response = self._http.send(
            "POST", f"{ROOT}/{quote(kind, safe='')}", body=_submission(items, None, params, as_of)
        )
        body = response.json()
        if response.status_code != 202:
            return Answer(
                datetime.fromisoformat(body["as_of"]), body["params"], counts(body["request_counts"]), body["data"]
            )
        job = self.wait(Job.of(body))
        return Answer(job.as_of or job.created_at, job.raw["params"], job.counts, list(self.results(job)))

    def job(self, job: JobId) -> Job:
        return Job.of(self._http.send("GET", _path(job)).json())

    def jobs(
        self,
        *,
        status: str | None = None,
        kind: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Iterator[Job]:
        """Your jobs, newest first; read page by page as the iterator goes on."""
        query: dict[str, Any] = {"limit": 200, "status": status, "kind": kind}
        query |= {"created_after": created_after and created_after.isoformat()}
        query |= {"created_before": created_before and created_before.isoformat()}
        query = {name: value for name, value in query.items() if value is not None}
        following = True
        while following:
            page = self._http.send("GET", f"{ROOT}/jobs", query=query).json()
            yield from map(Job.of, page["results"])
            following = page["next"] is not None
            if following:  # only the cursor: the address may be one that a proxy has and we don't
                query["cursor"] = parse_qs(urlsplit(page["next"]).query)["cursor"][0]

    def wait(self, job: JobId, *, progress: Callable[[Job], object] | None = None, timeout: float | None = None) -> Job:
        """The job when it has ended, be it well or not. `progress` is called with each state seen, the last too.

        `timeout`: seconds, after which WaitTimeout is raised and the job goes on.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pauses = _pauses()
        current = job if isinstance(job, Job) else self.job(job)
        while True:
            if progress:
                progress(current)
            if current.done:
                return current
            pause = next(pauses)
            if current.eta_seconds is not None:
                pause = min(pause, max(current.eta_seconds, SHORTEST_POLL_SECONDS))
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise WaitTimeout(f"job {current.id} is {current.status} after {timeout} s")
                pause = min(pause, left)
            time.sleep(pause)
            current = self.job(current)

    def results(self, job: JobId, *, status: str | None = None) -> Iterator[dict[str, Any]]:
        """Every item's answer once, in the order of the request, while the job runs as they come.

        `status`: only those with this status word; `failed` means all that are not ok.
        """
        query: dict[str, Any] = {"limit": PAGE} | ({"status": status} if status else {})
        pauses = _pauses()
        while True:
            page = self._http.send("GET", f"{_path(job)}/results", query=query).json()
            yield from page["data"]
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]
            if page["data"]:
                pauses = _pauses()
            else:
                time.sleep(next(pauses))

    def receipt(self, job: JobId) -> dict[str, Any]:
        """What the job's items share: `forwards`, one an underlying and expiry, with the strikes that were left out."""
        found: dict[str, Any] = self._http.send("GET", f"{_path(job)}/receipt").json()
        return found

    def cancel(self, job: JobId) -> Job:
        """Stop a job; what is computed stays. One that has ended stays as it is."""
        return Job.of(self._http.send("POST", f"{_path(job)}/cancel").json())

    def retry(self, job: JobId, *, idempotency_key: str | None = None) -> Job:
        """A new job of those failed items of an ended one that trying again can help."""
        return self._new_job(f"{_path(job)}/retry", {}, idempotency_key)

    def to_arrow(self, job: JobId) -> "pyarrow.Table":
        """All answers as a pyarrow Table, when the job has ended."""
        import pyarrow

        body = self._http.send("GET", f"{_path(self.wait(job))}/export", query={"format": "arrow"}).content
        with pyarrow.ipc.open_stream(pyarrow.py_buffer(body)) as reader:
            return reader.read_all()

    def to_pandas(self, job: JobId) -> "pandas.DataFrame":
        """All answers as a pandas DataFrame, when the job has ended."""
        return self.to_arrow(job).to_pandas()

    def _new_job(self, path: str, body: Mapping[str, Any] | Lines, idempotency_key: str | None) -> Job:
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return Job.of(self._http.send("POST", path, body=body, headers=headers).json())


def _submission(
    items: Iterable[Item] | None,
    selector: Mapping[str, Any] | None,
    params: Mapping[str, Any] | None,
    as_of: str | date | datetime | None,
) -> dict[str, Any]:
    if (items is None) == (selector is None):
        raise ValueError("give either items or selector")
    body = {"items": None if items is None else list(items), "selector": selector, "params": params, "as_of": as_of}
    return {name: value for name, value in body.items() if value is not None}


def _one_by_one(items: Any) -> Iterator[Item]:
    for place, item in enumerate(_rows(items)):
        if isinstance(item, Mapping):
            for name, value in item.items():
                if isinstance(value, float) and not math.isfinite(value):
                    raise ValueError(f"items[{place}].{name} is {value}, which JSON lacks: None is absent")
        yield item


def _rows(items: Any) -> Iterator[Item]:
    if not hasattr(items, "to_batches"):
        yield from items
        return
    for batch in items.to_batches(max_chunksize=ROWS_AT_ONCE):
        yield from batch.to_pylist()


def _path(job: JobId) -> str:
    return f"{ROOT}/jobs/{job.id if isinstance(job, Job) else uuid.UUID(str(job))}"


def _pauses() -> Iterator[float]:
    pause = SHORTEST_POLL_SECONDS
    while True:
        yield pause
        pause = min(pause * 1.5, LONGEST_POLL_SECONDS)
