"""Validators of ended jobs: their results never change, so a client need not read them twice."""

import hashlib
from datetime import datetime
from email.utils import format_datetime

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers

from batch.jobs.models import Job

VARY = ("Accept", "Accept-Encoding", "Authorization", "Cookie")


class Validators:
    """The ETag and Last-Modified (RFC 9110, 8.8) of one representation of an ended job's results."""

    def __init__(self, job: Job, finished_at: datetime, *representation: object):
        text = repr((str(job.pk), finished_at.isoformat(), *map(str, representation)))
        self.etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
        self.finished_at = finished_at

    def answer(self, request: HttpRequest) -> HttpResponseBase | None:
        """Return a 304 or 412 if the request's conditions ask for it. None means: send the results."""
        response = get_conditional_response(request, self.etag, int(self.finished_at.timestamp()))
        if response is not None:
            self.mark(response)
        return response

    def mark(self, response: HttpResponseBase) -> None:
        response["ETag"] = self.etag
        response["Last-Modified"] = format_datetime(self.finished_at, usegmt=True)
        patch_vary_headers(response, VARY)
        patch_cache_control(response, private=True, no_cache=True)  # the client may store it, but must revalidate


def validators_of(job: Job, *representation: object) -> Validators | None:
    """Return None while the job runs. `representation`: everything besides the job that the bytes depend on."""
    if job.status not in Job.TERMINAL or job.finished_at is None:
        return None
    return Validators(job, job.finished_at, *representation)
