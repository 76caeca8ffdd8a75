"""The authentication backend. The API and the admin both check passwords here, through Django's authenticate()."""

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
LONGEST_NAME = 150  # characters, like the column
LONGEST_PASSWORD = 1024  # a longer one only makes hashing slow
PLACE_SECONDS = 1.0  # how long one waits for the hash ahead of it


class SignInRefused(APIException):
    """The password was not checked. `wait` is the number of seconds until the next attempt may succeed."""

    def __init__(self, detail: str, wait: float) -> None:
        super().__init__(detail)
        self.wait = wait


class TooManyAttempts(SignInRefused):
    status_code = 429


class SignInUnavailable(SignInRefused):
    status_code = 503


class Places:
    """Limits how many hashes run and wait at once: each occupies a thread and a core for a third of a second."""

    def __init__(self) -> None:
        most = (settings.WEB_THREADS - 1) // 2  # two instances exist, and other requests need a thread
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


_strangers, _known = Places(), Places()  # separate, so that a flood of strangers does not keep users out


class ThrottledBackend(ModelBackend):
    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **more: Any
    ) -> User | None:
        """Raises SignInRefused before it hashes. Commands pass no request and have no limit."""
        if username is None or password is None or len(username) > LONGEST_NAME or len(password) > LONGEST_PASSWORD:
            return None
        if request is None:
            return super().authenticate(request, username, password, **more)
        attempt = _begin(username, client_network(request))
        try:
            with (_known if attempt.known else _strangers).one():
                user = super().authenticate(request, username, password, **more)
        except Exception:  # raised again: an attempt that was never checked must not count
            _count(attempts.withdraw, attempt)
            raise
        if user is not None:
            _count(attempts.succeed, attempt)
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


def _count(update: Any, attempt: attempts.Attempt) -> None:
    """Update the counts. The answer to the password stands even when Redis does not answer."""
    try:
        update(attempt)
    except RedisConnectionError as error:
        logger.warning("an attempt to sign in stays counted: %s", error)
