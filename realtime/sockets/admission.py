"""Who may connect: origins, and the number of connections."""

from collections import Counter
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from realtime.sockets.metrics import TOTALS


def origin_is_ours(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Accept no Origin (not a browser), the Origin of a Host that we serve, or one that the settings allow."""
    named = {name: value.decode("latin-1") for name, value in headers if name in (b"host", b"origin")}
    origin = named.get(b"origin")
    if origin is None:
        return True
    if origin in settings.WEBSOCKET_ALLOWED_ORIGINS or origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    host = named.get(b"host", "")
    try:
        origins_host = urlsplit(origin).netloc
    except ValueError:  # such as `http://[`
        return False
    return origins_host == host and validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)


class ConnectionLimits:
    """Count the open sockets of this process, and of each user."""

    def __init__(self) -> None:
        self._taken = 0
        self._of_user: Counter[int] = Counter()

    def acquire(self) -> bool:
        if self._taken >= settings.WEBSOCKET_MAX_CONNECTIONS:
            return False
        self._taken += 1
        TOTALS.connections = self._taken
        return True

    def release(self) -> None:
        self._taken -= 1
        TOTALS.connections = self._taken

    def acquire_for(self, user_id: int) -> bool:
        if self._of_user[user_id] >= settings.WEBSOCKET_MAX_CONNECTIONS_PER_USER:
            return False
        self._of_user[user_id] += 1
        return True

    def release_for(self, user_id: int) -> None:
        self._of_user[user_id] -= 1
        if not self._of_user[user_id]:
            del self._of_user[user_id]
