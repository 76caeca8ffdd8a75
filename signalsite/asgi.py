"""The one port: HTTP goes to Django's WSGI side on threads (three times the rate of its ASGI side)."""

from a2wsgi import WSGIMiddleware
from channels.routing import ProtocolTypeRouter
from django.conf import settings

from signalsite.wsgi import application as wsgi_application

application = ProtocolTypeRouter({"http": WSGIMiddleware(wsgi_application, workers=settings.WEB_THREADS)})
