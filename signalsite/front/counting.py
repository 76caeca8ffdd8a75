"""Count answers that are given before Django in django_prometheus's own metrics, as Django would count them."""

from django.conf import settings
from django_prometheus.middleware import Metrics
from prometheus_client import Counter


class Counted:
    """The counters of one view, transport and method. It looks them up once, since that costs more than counting."""

    def __init__(self, view: str, transport: str, method: str) -> None:
        self._metrics = found = Metrics.get_instance()
        self._view, self._method = view, method
        self._asked = (
            found.requests_total,
            found.responses_total,
            found.requests_by_method.labels(method=method),
            found.requests_by_transport.labels(transport=transport),
            found.requests_by_view_transport_method.labels(view=view, transport=transport, method=method),
            found.responses_by_charset.labels(charset=settings.DEFAULT_CHARSET),
        )
        self._latency = found.requests_latency_by_view_method.labels(view=view, method=method)
        self._answered: dict[int, tuple[Counter, ...]] = {}

    def add(self, status: int, size: int, seconds: float, *, ajax: bool) -> None:
        """Count one answer whose body has `size` bytes."""
        for counter in (*self._asked, *(self._answered.get(status) or self._of_status(status))):
            counter.inc()
        if ajax:
            self._metrics.requests_ajax.inc()
        self._metrics.requests_body_bytes.observe(0)
        self._metrics.responses_body_bytes.observe(size)
        self._metrics.requests_latency_before.observe(seconds)
        self._latency.observe(seconds)

    def _of_status(self, status: int) -> tuple[Counter, ...]:
        found: tuple[Counter, ...] = (
            self._metrics.responses_by_status.labels(status=str(status)),
            self._metrics.responses_by_status_view_method.labels(
                status=str(status), view=self._view, method=self._method
            ),
        )
        if status >= 400:  # DRF renders errors as a template without a name
            found += (self._metrics.responses_by_templatename.labels(templatename="None"),)
        self._answered[status] = found
        return found
