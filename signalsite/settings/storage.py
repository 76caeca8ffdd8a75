"""PostgreSQL, Redis and the cache. Every attempt to connect and every silent server has a time limit."""

import os
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from environs import EnvError

from signalsite.embedded import state as embedded
from signalsite.foundation.postgres import TimedConnection

from .environment import STATE_DIR, between, days_by_timeframe, env
from .web import WEB_THREADS

MOST_DAYS = 36_500
DATABASE_URL = env.str("DATABASE_URL", "")
DATABASE_POOL = env.bool("DATABASE_POOL", False)  # for the web process; a worker keeps one connection per process
REDIS_URL = env.str("REDIS_URL", "") or embedded.redis_url(STATE_DIR)  # broker and streams: must never evict
CACHE_URL = env.str("CACHE_URL", "") or REDIS_URL


def _database() -> dict[str, Any]:
    if not DATABASE_URL:
        return {"ENGINE": "django.db.backends.postgresql", **embedded.database(STATE_DIR)}
    try:
        return dict(env.dj_db_url("DATABASE_URL"))
    except (EnvError, ValueError) as error:
        raise ImproperlyConfigured(f"DATABASE_URL: {error}") from error


_default = _database()
_options = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    **_default.get("OPTIONS", {}),
}
if DATABASE_POOL:
    _options["pool"] = {
        "connection_class": TimedConnection,
        "min_size": 1,
        # 4 for exports; 1 each for ASGI views, tokens, usage and sockets
        "max_size": WEB_THREADS + 8,
        "timeout": 3,
        "reconnect_timeout": 5,
    }
DATABASES = {
    "default": {
        **_default,
        "OPTIONS": _options,
        "CONN_MAX_AGE": 0 if DATABASE_POOL else 60,
        "CONN_HEALTH_CHECKS": True,
    }
}

# For how many days rows are kept; 0: for ever. docs/storage.md
TICKS_KEEP_DAYS = env.int("TICKS_KEEP_DAYS", 0, validate=between(0, MOST_DAYS))
QUOTES_KEEP_DAYS = env.int("QUOTES_KEEP_DAYS", 0, validate=between(0, MOST_DAYS))
# Levels can be computed again from stored quotes. The readings are few, and the rank of a volatility needs a year's.
MONEYNESS_KEEP_DAYS = env.int("MONEYNESS_KEEP_DAYS", 30, validate=between(0, MOST_DAYS))
CHAIN_ANALYTICS_KEEP_DAYS = env.int("CHAIN_ANALYTICS_KEEP_DAYS", 0, validate=between(0, MOST_DAYS))
CONFIG_RESULTS_KEEP_DAYS = env.int("CONFIG_RESULTS_KEEP_DAYS", 30, validate=between(0, MOST_DAYS))
# By the bars' interval: 1m=400,5m=1000
BARS_KEEP_DAYS = days_by_timeframe("BARS_KEEP_DAYS", env.dict("BARS_KEEP_DAYS", {}), MOST_DAYS)
COMPRESS_AFTER_DAYS = env.int("COMPRESS_AFTER_DAYS", 30, validate=between(0, MOST_DAYS))  # TimescaleDB only; 0: never

# Short: one request may make several calls and must be answered within 5 s.
REDIS_OPTIONS = {"socket_timeout": 1, "socket_connect_timeout": 1, "health_check_interval": 15}
STREAM_OPTIONS = {**REDIS_OPTIONS, "socket_timeout": 5}  # for blocking reads and batches of thousands of ticks
# For notices and forced disconnects only (realtime/sockets/control.py). Everything else reaches sockets by streams.
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL, **REDIS_OPTIONS}]},
    }
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": "cache",
        "OPTIONS": REDIS_OPTIONS,
    }
}

# Compiled kernels are cached in a folder that we may write to. numba reads this variable when it is imported.
os.environ.setdefault("NUMBA_CACHE_DIR", str(embedded.numba_cache_dir(STATE_DIR)))
