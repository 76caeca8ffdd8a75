"""What never changes again, so that a client need not read it twice: results of jobs that have ended."""

import hashlib
from datetime import datetime
from email.utils import format_datetime

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers

from batch.jobs.models import Job

VARY = ("Accept", "Accept-Encoding", "Authorization", "Cookie")


class Validators:
    """ETag and Last-Modified (RFC 9110, 8.8) of one representation of an ended job's results."""

    def __init__(self, job: Job, finished_at: datetime, *representation: object):
        text = repr((str(job.pk), finished_at.isoformat(), *map(str, representation)))
        self.etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
        self.finished_at = finished_at

    def answer(self, request: HttpRequest) -> HttpResponseBase | None:
        """304 or 412 where the request's conditions ask for it; None where the results are to be sent."""
        response = get_conditional_response(request, self.etag, int(self.finished_at.timestamp()))
        if response is not None:
            self.mark(response)
        return response

    def mark(self, response: HttpResponseBase) -> None:
        response["ETag"] = self.etag
        response["Last-Modified"] = format_datetime(self.finished_at, usegmt=True)
        patch_vary_headers(response, VARY)
        patch_cache_control(response, private=True, no_cache=True)  # kept by the client, asked for each time


def validators(job: Job, *representation: object) -> Validators | None:
    """None while the job runs. `representation`: whatever its bytes depend on besides the job."""
    if job.status not in Job.TERMINAL or job.finished_at is None:
        return None
    return Validators(job, job.finished_at, *representation)
