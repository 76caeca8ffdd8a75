"""Log lines of a request name its user, once it is known."""

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin

from signalsite.foundation.log_context import find_user


class NameUserInLogs(MiddlewareMixin):
    """A session's user is loaded when it is first asked for, a token's by DRF. A log line waits for neither.

    The variable is of the request's own context, and ends with it: Django logs an error after the last middleware.
    """

    def process_request(self, request: HttpRequest) -> None:
        find_user.set(lambda: _user_of(request))


def known_user(request: HttpRequest) -> User | None:
    """Return the user of a request if it was loaded, and load nobody."""
    known = vars(request).get("_cached_user") or vars(request).get("user")  # the second is DRF's, or is lazy
    return known if type(known) is User and known.pk is not None else None


def _user_of(request: HttpRequest) -> str:
    user = known_user(request)
    return "" if user is None else str(user.pk)
