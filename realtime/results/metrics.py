"""Prometheus metrics of results on their way to the consumer."""

from prometheus_client import Counter

refused = Counter("signal_service_refused_results", "Results that were not published, by reason.", ["reason"])
