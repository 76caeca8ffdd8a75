"""The instrument service that is asked for moneyness: another one, or our own tables."""

from .environment import between, env, service_address

INSTRUMENT_SERVICE_URL = service_address("INSTRUMENT_SERVICE_URL", env.str("INSTRUMENT_SERVICE_URL", ""))
INSTRUMENT_SERVICE_TOKEN = env.str("INSTRUMENT_SERVICE_TOKEN", "")
INSTRUMENT_SERVICE_SECONDS = env.float("INSTRUMENT_SERVICE_SECONDS", 1.5, validate=between(0.1, 3))
INSTRUMENT_SERVICE_FRESH_SECONDS = env.float("INSTRUMENT_SERVICE_FRESH_SECONDS", 5.0, validate=between(0.1, 86_400))
INSTRUMENT_SERVICE_STALE_SECONDS = env.int("INSTRUMENT_SERVICE_STALE_SECONDS", 3600, validate=between(1, 31_536_000))
