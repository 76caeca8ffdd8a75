"""Whose configurations the stream's messages are."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model

from realtime.configs.core.refusals import Reason, Refused


def owner_of(name: str | None) -> Any:
    """Return the user that a message names, or the stream's own, who is made once and can't sign in. Raises Refused."""
    users = get_user_model().objects
    if name is not None:
        user = users.filter(username=name, is_active=True).first()
        if user is None:
            raise Refused(Reason.UNKNOWN_OWNER, [("owner", f"{name!r} is no active user")])
        return user
    own = users.filter(username=settings.CONFIG_STREAM_OWNER).first()
    if own is None:
        made = users.model(username=settings.CONFIG_STREAM_OWNER)
        made.set_unusable_password()
        # Another process may be making the same user.
        own, _ = users.get_or_create(
            username=settings.CONFIG_STREAM_OWNER, defaults={"password": made.password, "is_active": True}
        )
    return own
