"""Bars: the caches of their pages, and the Subscription Manager that is asked for what is not stored."""

from .environment import at_least, between, env, service_address

BARS_CACHE_SECONDS = env.int("BARS_CACHE_SECONDS", 3600, validate=between(60, 86_400))
BARS_CACHE_BYTES = env.int("BARS_CACHE_BYTES", 32 << 20, validate=at_least(1 << 20))
BARS_CACHE_REDIS_BYTES = env.int("BARS_CACHE_REDIS_BYTES", 64 << 20, validate=at_least(0))
BARS_KEPT_BYTES = env.int("BARS_KEPT_BYTES", 64 << 20, validate=at_least(0))  # of signal_custom_timeframes
SUBSCRIPTION_MANAGER_URL = service_address("SUBSCRIPTION_MANAGER_URL", env.str("SUBSCRIPTION_MANAGER_URL", ""))
SUBSCRIPTION_MANAGER_TOKEN = env.str("SUBSCRIPTION_MANAGER_TOKEN", "")
SUBSCRIPTION_MANAGER_SECONDS = env.float("SUBSCRIPTION_MANAGER_SECONDS", 1.5, validate=between(0.1, 2))
SUBSCRIPTION_MANAGER_MISSING_SECONDS = env.int(
    "SUBSCRIPTION_MANAGER_MISSING_SECONDS", 900, validate=between(1, 31_536_000)
)
