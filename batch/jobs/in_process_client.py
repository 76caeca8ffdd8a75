"""The API's client inside this process, so that commands and requests do exactly the same."""

import logging

import httpx
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.wsgi import get_wsgi_application
from rest_framework_simplejwt.tokens import AccessToken

from batch.client import Client

COMMAND_LINE_USER = "command-line"


def client() -> Client:
    """Return a client that calls this process, signed in as the command line's user. It needs no web server."""
    user, made = get_user_model().objects.get_or_create(username=COMMAND_LINE_USER)
    if made:
        user.set_unusable_password()
        user.save(update_fields=["password"])
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
