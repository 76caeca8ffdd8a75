"""The API's client inside this process."""

import logging

import httpx
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from rest_framework_simplejwt.tokens import AccessToken

from batch.client import Client
from batch.jobs.command_jobs import command_line_user


def client() -> Client:
    """Return a client that calls this process, signed in as the command line's user. It needs no web server."""
    user = command_line_user()
    application = get_wsgi_application()
    logging.getLogger("django.request").setLevel(logging.ERROR)  # the caller reports a 4xx
    return Client(
        f"https://{_allowed_host()}",  # http would be redirected to https
        token=lambda: str(AccessToken.for_user(user)),
        transport=httpx.WSGITransport(application),
    )


def _allowed_host() -> str:
    """Return a host that ALLOWED_HOSTS admits: its first. `.example.com` includes example.com, and `*` means any."""
    first: str = next(iter(settings.ALLOWED_HOSTS), "localhost")
    return "localhost" if first == "*" else first.removeprefix(".")
