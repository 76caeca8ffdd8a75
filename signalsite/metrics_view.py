"""The /metrics view: open in development, else for a token or an allowed network (docs/security.md)."""

import hmac

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django_prometheus.exports import ExportToDjangoView

from signalsite.foundation.client_address import client_address


def metrics(request: HttpRequest) -> HttpResponse:
    if settings.DEVELOPMENT or _shows_token(request) or _is_allowed(request):
        return ExportToDjangoView(request)
    if settings.METRICS_TOKEN:
        return _refused(401, "Send METRICS_TOKEN as a bearer token.\n", {"WWW-Authenticate": 'Bearer realm="metrics"'})
    return _refused(403, "Your address is in none of METRICS_ALLOWED_NETWORKS, and there is no METRICS_TOKEN.\n", {})


def _shows_token(request: HttpRequest) -> bool:
    shown = request.headers.get("Authorization", "").encode()
    return bool(settings.METRICS_TOKEN) and hmac.compare_digest(shown, f"Bearer {settings.METRICS_TOKEN}".encode())


def _is_allowed(request: HttpRequest) -> bool:
    address = client_address(request)
    return address is not None and any(address in network for network in settings.METRICS_ALLOWED_NETWORKS)


def _refused(status: int, text: str, headers: dict[str, str]) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8", headers=headers)
