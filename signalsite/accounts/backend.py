"""The one place where passwords are checked: the API and the admin both come through Django's authenticate()."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.http import HttpRequest
from rest_framework.exceptions import APIException

from signalsite.accounts import attempts
from signalsite.foundation.client_address import client_network
from signalsite.foundation.errors import RedisConnectionError

logger = logging.getLogger(__name__)
LONGEST_NAME = 150  # characters, as the column has
LONGEST_PASSWORD = 1024  # more is no password, and only makes hashing slow
PLACE_SECONDS = 1.0  # that one waits for the hash before


class SignInRefused(APIException):
    """The password was not looked at. `wait`: seconds after which it may be tried again."""

    def __init__(self, detail: str, wait: float) -> None:
        super().__init__(detail)
        self.wait = wait


class TooManyAttempts(SignInRefused):
    status_code = 429


class SignInUnavailable(SignInRefused):
    status_code = 503


class Places:
    """A hash takes a thread and a core for a third of a second, so that few may be computed or waited for at once."""

    def __init__(self) -> None:
        most = (settings.WEB_THREADS - 1) // 2  # there are two of us, and others need a thread
        hashing = min(settings.SIGN_IN_CONCURRENCY, most)
        self._hashing = threading.BoundedSemaphore(hashing)
        self._places = threading.BoundedSemaphore(max(hashing, settings.WEB_THREADS // 2 - 1))

    @contextmanager
    def one(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise SignInUnavailable("too many are signing in at this moment, try again", 1)
        try:
            if not self._hashing.acquire(timeout=PLACE_SECONDS):
                raise SignInUnavailable("too many are signing in at this moment, try again", 1)
            try:
                yield
            finally:
                self._hashing.release()
        finally:
            self._places.release()


_strangers, _known = Places(), Places()  # apart, so that a flood of strangers keeps no user out


class ThrottledBackend(ModelBackend):
    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **more: Any
    ) -> User | None:
        """Raises SignInRefused before anything is hashed. Without a request (a command) there is no limit."""
        if username is None or password is None or len(username) > LONGEST_NAME or len(password) > LONGEST_PASSWORD:
            return None
        if request is None:
            return super().authenticate(request, username, password, **more)
        attempt = _begin(username, client_network(request))
        try:
            with (_known if attempt.known else _strangers).one():
                user = super().authenticate(request, username, password, **more)
        except Exception:  # raised again: an attempt that was never judged must not count against its name
            _tell(attempts.withdraw, attempt)
            raise
        if user is not None:
            _tell(attempts.succeed, attempt)
        return user

    async def aauthenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **more: Any
    ) -> User | None:
        return await sync_to_async(self.authenticate)(request, username, password, **more)


def _begin(username: str, address: str) -> attempts.Attempt:
    try:
        attempt, wait = attempts.begin(username, address)
    except RedisConnectionError as error:
        logger.error("nobody can sign in: %s", error)
        raise SignInUnavailable("signing in is not possible at this moment, try again", 5) from error
    if wait:
        logger.warning("sign-in delayed", extra={"address": address, "account": attempt.account, "seconds": wait})
        raise TooManyAttempts(f"too many attempts to sign in: wait {int(wait) + 1} s", wait)
    return attempt


def _tell(what: Any, attempt: attempts.Attempt) -> None:
    """The password's answer stands whether or not it could be counted."""
    try:
        what(attempt)
    except RedisConnectionError as error:
        logger.warning("an attempt to sign in stays counted: %s", error)
