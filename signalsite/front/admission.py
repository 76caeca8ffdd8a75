"""Who may ask what, and with how large a body. All of it is read from the URLconf and the views: a new address is
closed to strangers and to large bodies until it says otherwise (`signalsite.foundation.bodies.accepts`)."""

from dataclasses import dataclass

from django.conf import settings
from django.urls import Resolver404, ResolverMatch, get_resolver
from rest_framework.permissions import AllowAny
from rest_framework.views import APIView

from signalsite.foundation.bodies import DEFAULT_BYTES, body_limit

ADMIN = "admin"  # its namespace


@dataclass(frozen=True, slots=True)
class Allowance:
    """Bytes of a body that an address takes."""

    signed_in: int
    anonymous: int | None  # None: strangers may not ask at all


UNKNOWN = Allowance(DEFAULT_BYTES, DEFAULT_BYTES)


def allowance(path: str) -> Allowance:
    try:
        match = get_resolver().resolve(path)
    except Resolver404:
        return UNKNOWN  # Django says that there is nothing
    return of_view(match)


def of_view(match: ResolverMatch) -> Allowance:
    limit = body_limit(match.func)
    if ADMIN in match.app_names:  # its forms; strangers are sent to its login
        forms = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or DEFAULT_BYTES
        return Allowance(forms, DEFAULT_BYTES)
    view = getattr(match.func, "cls", None)
    if view is not None and issubclass(view, APIView) and not _is_open(view):
        return Allowance(limit, None)
    return Allowance(limit, min(limit, DEFAULT_BYTES))


def _is_open(view: type[APIView]) -> bool:
    """Every permission lets everybody in. One that we do not know may look at who asks."""
    return all(permission is AllowAny for permission in view.permission_classes)
