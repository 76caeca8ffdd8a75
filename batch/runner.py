"""Running a job from a command: the API's own client, called in this process, and a worker if there is none."""

import logging
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.wsgi import get_wsgi_application
from rest_framework_simplejwt.tokens import AccessToken

from batch.client import Client
from batch.tasks import compute_chunk
from signalsite.foundation.process import ends_with_parent

COMMAND_LINE_USER = "command-line"
STOP_SECONDS = 20
LOG_END = 4000  # bytes of a worker's log that are shown when it fails


class WorkerEnded(RuntimeError):
    """Our own worker ended before the job did; the message ends with its log."""


def client() -> Client:
    """A client of this very process, signed in as the command line's own user: no web server is needed."""
    user, made = get_user_model().objects.get_or_create(username=COMMAND_LINE_USER)
    if made:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    application = get_wsgi_application()
    logging.getLogger("django.request").setLevel(logging.ERROR)  # a 4xx is the caller's to tell
    return Client(
        f"https://{_allowed_host()}",  # https: not to be redirected to it
        token=lambda: str(AccessToken.for_user(user)),
        transport=httpx.WSGITransport(application),
    )


def _allowed_host() -> str:
    """A name that ALLOWED_HOSTS lets in: its first, `.example.com` standing for example.com too and `*` for all."""
    first: str = next(iter(settings.ALLOWED_HOSTS), "localhost")
    return "localhost" if first == "*" else first.removeprefix(".")


@contextmanager
def worker(notify: Callable[[str], object]) -> Iterator[Callable[[], None]]:
    """A worker for the length of the body: one that runs already, or our own, whose output goes to a file.

    Yields a function to call now and then: it raises WorkerEnded when our own has.
    """
    if compute_chunk.app.control.ping(timeout=0.5, limit=1):
        yield lambda: None
        return
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "signalsite", "worker", "--loglevel", "WARNING"]
    command += ["--concurrency", str(settings.WORKERS), "--without-gossip", "--without-mingle", "--without-heartbeat"]
    with (
        tempfile.NamedTemporaryFile(prefix="signalsite-worker-", suffix=".log") as log,
        subprocess.Popen(
            command,
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=ends_with_parent(signal.SIGTERM),
        ) as child,
    ):
        notify(f"no worker is running: starting one for this job (log: {log.name})")

        def check() -> None:
            if (code := child.poll()) is not None:
                log.seek(0)
                end = log.read()[-LOG_END:].decode(errors="replace")
                raise WorkerEnded(f"the worker ended with exit code {code}; the end of its log:\n{end}")

        try:
            yield check
        finally:
            child.terminate()
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
