"""Jobs of commands: what the API's views call, without HTTP, as the user `command-line`."""

import logging
import time
import uuid
from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError, connection

from batch.jobs import services
from batch.jobs.models import Job
from batch.jobs.submissions import read_job

logger = logging.getLogger(__name__)

COMMAND_LINE_USER = "command-line"
PAUSE_SECONDS = 0.02
RETRY_SECONDS = 1.0
PATIENCE_SECONDS = 60.0  # while PostgreSQL is away


def command_line_user() -> User:
    user, made = get_user_model().objects.get_or_create(username=COMMAND_LINE_USER)
    if made:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    return user


def submit(body: dict[str, Any]) -> Job:
    """Store the job of a body that `POST jobs` takes. The caller must prepare it. Raises what that view raises."""
    return services.submit(command_line_user(), read_job(body).take())


def follow(job_id: uuid.UUID) -> Iterator[Job]:
    """Yield the job's state again and again, until it has ended. PostgreSQL may be away for PATIENCE_SECONDS."""
    answered = time.monotonic()
    while True:
        try:
            job = Job.objects.defer("context", "selector").get(pk=job_id)
        except (OperationalError, InterfaceError) as error:
            if time.monotonic() > answered + PATIENCE_SECONDS:
                raise
            logger.warning("job %s: %s; trying again in %g s", job_id, error, RETRY_SECONDS)
            connection.close()
            time.sleep(RETRY_SECONDS)
            continue
        answered = time.monotonic()
        yield job
        if job.status in Job.TERMINAL:
            return
        time.sleep(PAUSE_SECONDS)
