"""Redis clients: one pool per process and URL, with a time limit on every call."""

from functools import cache

import redis
from django.conf import settings


@cache
def client(url: str) -> "redis.Redis":
    return redis.Redis.from_url(url, **settings.REDIS_OPTIONS)
