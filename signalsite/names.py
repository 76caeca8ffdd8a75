"""Names at the door: what is longer than a name can be is nobody's, and the database is not asked."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User

LONGEST = 150  # as User.username has it
LONGEST_PASSWORD = 4096  # as Django's own forms have it


class NamedUserBackend(ModelBackend):
    """For every door: the API's token and the admin's login both come by here."""

    def authenticate(
        self, request: Any, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        name = kwargs.get(User.USERNAME_FIELD, "") if username is None else username
        if len(name) > LONGEST or len(password or "") > LONGEST_PASSWORD:
            return None
        return super().authenticate(request, username, password, **kwargs)
