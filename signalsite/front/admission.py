"""Who may call which address, and with how large a body.

All of it follows from the URLconf and the views. A new address refuses anonymous callers and large bodies until it says
otherwise (`signalsite.foundation.bodies.accepts`)."""

from dataclasses import dataclass

from django.conf import settings
from django.urls import Resolver404, ResolverMatch, get_resolver
from rest_framework.permissions import AllowAny
from rest_framework.views import APIView

from signalsite.foundation.bodies import DEFAULT_BYTES, body_limit

ADMIN = "admin"  # its namespace


@dataclass(frozen=True, slots=True)
class Allowance:
    """The largest body that an address accepts, in bytes."""

    signed_in: int
    anonymous: int | None  # None: anonymous callers are refused


UNKNOWN = Allowance(DEFAULT_BYTES, DEFAULT_BYTES)


def allowance(path: str) -> Allowance:
    try:
        match = get_resolver().resolve(path)
    except Resolver404:
        return UNKNOWN  # Django answers 404
    return of_view(match)


def of_view(match: ResolverMatch) -> Allowance:
    limit = body_limit(match.func)
    if ADMIN in match.app_names:  # its forms; it redirects anonymous callers to its login
        forms = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or DEFAULT_BYTES
        return Allowance(forms, DEFAULT_BYTES)
    view = getattr(match.func, "cls", None)
    if view is not None and issubclass(view, APIView) and not _is_open(view):
        return Allowance(limit, None)
    return Allowance(limit, min(limit, DEFAULT_BYTES))


def _is_open(view: type[APIView]) -> bool:
    """Return whether the view is open to everybody. A permission that we do not know may check the caller."""
    return all(permission is AllowAny for permission in view.permission_classes)
