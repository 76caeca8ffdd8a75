"""The first thing that a server process does: read the settings, or end with one sentence that says what is wrong."""

from typing import NoReturn

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def read_settings() -> None:
    """Load the settings: uvicorn, celery and flower would print a traceback where `manage.py` prints a sentence."""
    try:
        settings.ROOT_URLCONF  # noqa: B018 - the first attribute that is asked for loads them
    except ImproperlyConfigured as error:
        _end(error)


def _end(error: ImproperlyConfigured) -> NoReturn:
    raise SystemExit(str(error)) from None
