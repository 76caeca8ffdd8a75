"""The one port. HTTP goes to Django's WSGI side on threads (three times the rate of its ASGI side), except exports."""

from typing import Any

from a2wsgi import WSGIMiddleware
from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

from signalsite import wsgi  # sets Django up

from batch.exports import stream  # noqa: F401 isort: skip - loads pyarrow now: no first export waits for it
from batch.exports.asgi import Application, Exports, Receive, Scope, Send, is_export  # isort: skip
from realtime.process import Lifespan  # isort: skip
from realtime.routing import websocket  # isort: skip

exports: Application = Exports(get_asgi_application())
django: Any = wsgi.application  # a2wsgi has types of its own for the same protocols
pages: Any = WSGIMiddleware(django, workers=settings.WEB_THREADS)


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    await (exports if is_export(scope) else pages)(scope, receive, send)


application = ProtocolTypeRouter({"http": http, "websocket": websocket, "lifespan": Lifespan()})
