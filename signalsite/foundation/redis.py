"""Redis clients: one pool per process and URL, with a time limit on every call."""

import redis
from django.conf import settings

from signalsite.foundation.once import made_once


@made_once
def client(url: str) -> "redis.Redis":
    return redis.Redis.from_url(url, **settings.REDIS_OPTIONS)
