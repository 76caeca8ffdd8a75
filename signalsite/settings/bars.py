"""Bars: the caches of their pages, and the Subscription Manager that is asked for what is not stored."""

from urllib.parse import urlsplit

from environs import EnvError

from .environment import at_least, between, env


def _service(text: str) -> str:
    """Return the address of an HTTP service, without a slash at its end."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and parts.port != 0
    except ValueError:
        good = False
    if text and not good:
        raise EnvError(f"SUBSCRIPTION_MANAGER_URL: {text!r} is no address such as https://manager.example/api")
    return text.rstrip("/")


BARS_CACHE_SECONDS = env.int("BARS_CACHE_SECONDS", 3600, validate=between(60, 86_400))
BARS_CACHE_BYTES = env.int("BARS_CACHE_BYTES", 32 << 20, validate=at_least(1 << 20))
BARS_CACHE_REDIS_BYTES = env.int("BARS_CACHE_REDIS_BYTES", 64 << 20, validate=at_least(0))
BARS_KEPT_BYTES = env.int("BARS_KEPT_BYTES", 64 << 20, validate=at_least(0))  # of signal_custom_timeframes
SUBSCRIPTION_MANAGER_URL = _service(env.str("SUBSCRIPTION_MANAGER_URL", ""))
SUBSCRIPTION_MANAGER_TOKEN = env.str("SUBSCRIPTION_MANAGER_TOKEN", "")
SUBSCRIPTION_MANAGER_SECONDS = env.float("SUBSCRIPTION_MANAGER_SECONDS", 1.5, validate=between(0.1, 2))
SUBSCRIPTION_MANAGER_MISSING_SECONDS = env.int(
    "SUBSCRIPTION_MANAGER_MISSING_SECONDS", 900, validate=between(1, 31_536_000)
)
