"""Prometheus metrics of the consumer of configurations."""

from prometheus_client import Counter, Gauge

received = Counter("signal_service_configs_received", "Messages read, those that were delivered again included.")
handled = Counter("signal_service_configs_applied", "Messages kept, by what they did.", ["outcome"])
refused = Counter("signal_service_configs_refused", "Messages refused, by reason.", ["reason"])
lost = Counter("signal_service_configs_lost", "Messages that were removed before anybody had read them.")
queue_length = Gauge("signal_service_configs_queue_length", "Messages not yet acknowledged.")
lag = Gauge("signal_service_configs_lag_seconds", "How long the newest message that was handled had waited.")
applied_at = Gauge("signal_service_configs_applied_at", "When a message was last kept, in seconds since 1970.")
changes = Counter("signal_service_config_changes_applied", "Changes whose keys and caches in Redis are in order.")
unapplied = Gauge("signal_service_config_changes_unapplied", "Changes in PostgreSQL that Redis does not have yet.")
cleared = Counter("signal_service_config_caches_cleared", "Cached values removed, by kind.", ["kind"])
repaired = Counter("signal_service_config_keys_repaired", "Keys that Redis lacked or had wrong, and were rewritten.")
leading = Gauge("signal_service_configs_leading", "1 where this consumer holds the lease.")
errors = Counter("signal_service_configs_errors", "Errors, by kind.", ["kind"])
