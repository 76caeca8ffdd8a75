"""What all views that take a submission share: estimate it, or store its job and answer 202."""

from typing import cast

import orjson
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from drf_orjson_renderer.renderers import ORJSONRenderer
from drf_spectacular.utils import OpenApiResponse
from rest_framework.request import Request

from batch.jobs import services
from batch.jobs.estimates import estimate
from batch.jobs.idempotency import json_response
from batch.jobs.models import Job
from batch.jobs.serializers import JobSerializer
from batch.jobs.services import Submission
from batch.tasks import enqueue_job

TAGS = ["batch"]
ACCEPTED = OpenApiResponse(JobSerializer, "The job is stored. Location is its address.")


def owner_of(request: Request) -> User:
    return cast(User, request.user)  # the default permission refuses anonymous users


def submit(request: Request, submission: Submission, *, dry_run: bool) -> HttpResponse:
    if dry_run:
        submission = services.granted(owner_of(request), submission)
        return json_response(orjson.dumps(estimate(submission, now=timezone.now())))
    return accept(services.submit(owner_of(request), submission))


def accept(job: Job) -> HttpResponse:
    """Enqueue the job after the commit, and answer 202 with its address."""
    transaction.on_commit(lambda: enqueue_job(job.pk))
    response = json_response(ORJSONRenderer().render(JobSerializer(job).data), status=202)
    response["Location"] = reverse("job", args=[job.pk])
    return response
