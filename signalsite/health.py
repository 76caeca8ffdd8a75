"""Liveness and readiness."""

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from pybreaker import STATE_OPEN

from moneyness.instrument_service.external import service as instrument_service
from signals.functions.running import unavailable as functions_unavailable
from signalsite.celery import app
from signalsite.foundation.redis import client

logger = logging.getLogger(__name__)


HEALTHY = b'{"status": "ok", "service": "Signals Backend"}'


def health(request: HttpRequest) -> HttpResponse:
    """Answer /health where Django runs without the gate (`signalsite.front`), which answers it itself."""
    return HttpResponse(HEALTHY, content_type="application/json")


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _redis() -> None:
    client(settings.REDIS_URL).ping()


def _cache() -> None:
    client(settings.CACHE_URL).ping()


def _broker() -> None:
    with app.connection_for_write(connect_timeout=2) as broker:
        broker.ensure_connection(max_retries=1, timeout=2, interval_start=0, interval_step=0)


DEPENDENCIES: dict[str, Callable[[], None]] = {
    "database": _database,
    "redis": _redis,
    "cache": _cache,
    "broker": _broker,
}


def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 {"status": "ok"}, or 503 with the state of each dependency.

    Where users' functions cannot be locked in, `functions` says why they are refused.
    """
    states = {}
    for name, probe in DEPENDENCIES.items():
        try:
            probe()
            states[name] = "ok"
        except Exception as error:  # noqa: BLE001 - any error of a driver means not ready
            logger.warning("%s is not ready: %s", name, error)
            states[name] = f"unavailable: {type(error).__name__}"
    if all(state == "ok" for state in states.values()):
        return JsonResponse({"status": "ok", **_optional()})
    body = {"status": "unavailable", "dependencies": states, **_optional()}
    return JsonResponse(body, status=503, headers={"Retry-After": "5"})


def _optional() -> dict[str, Any]:
    """Return what the rest of the service can do without: users' functions where they are refused, and other services
    as this process knows them from asking."""
    found: dict[str, Any] = {}
    if refused := functions_unavailable():
        found["functions"] = f"refused: {refused}"
    if settings.INSTRUMENT_SERVICE_URL:
        is_open = instrument_service.breaker.current_state == STATE_OPEN
        found["optional"] = {"instrument_service": "left alone after failures" if is_open else "ok"}
    return found
