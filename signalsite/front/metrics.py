"""The metrics of the front."""

from prometheus_client import Counter, Gauge

REFUSED = Counter("http_requests_refused", "Requests answered before Django heard of them.", ["status"])
CONNECTIONS = Gauge("http_connections", "HTTP connections that are open, sockets excepted.")
STALLED = Counter("http_readers_stalled", "Answers that were broken off, since their reader took nothing.")
LIVE_READS = Counter("http_live_reads", "Live reads that the event loop answered, and no view of Django's.")
