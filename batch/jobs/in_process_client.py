"""The API's own client, called in this process: what a command does is what a request does."""

import logging

import httpx
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.wsgi import get_wsgi_application
from rest_framework_simplejwt.tokens import AccessToken

from batch.client import Client

COMMAND_LINE_USER = "command-line"


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
