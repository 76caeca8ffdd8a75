"""The AsyncAPI document of the sockets, from which you can generate a client."""

from functools import cache

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from realtime.sockets import topics
from realtime.sockets.core.asyncapi import Document, describe


@cache
def document() -> Document:
    """Build the document at the first request: all apps have registered their topics by then."""
    return describe(
        address="/api/v2/signals/subscriptions/websocket",
        version=str(settings.SPECTACULAR_SETTINGS["VERSION"]),
        states={pattern: each.state() if each.state else None for pattern, each in topics.topic_types().items()},
        channels=topics.channels(),
    )


@require_safe
def asyncapi(request: HttpRequest) -> JsonResponse:
    server = {"host": request.get_host(), "protocol": "wss" if request.is_secure() else "ws"}
    return JsonResponse({**document(), "servers": {"this": server}})
