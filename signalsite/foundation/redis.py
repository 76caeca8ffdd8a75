"""Connections to Redis: one pool a process and address, every call with a time limit."""

from functools import cache

import redis
from django.conf import settings


@cache
def client(url: str) -> "redis.Redis":
    return redis.Redis.from_url(url, **settings.REDIS_OPTIONS)
