"""Slow runs take turns by owner, so that nobody's functions keep another's from running.

In the queue of slow work each owner has one turn at most, a mark in Redis says whether. A turn takes the runs that have
waited for longest. When its time is over, the owner's next turn goes to the end of the queue.
"""

import logging
import time
from collections.abc import Collection

from django.conf import settings
from django.db import connection

from batch.configs.claims import claim
from batch.configs.groups import TO_GROUP, grouped, is_slow
from batch.configs.runs import AGAIN_SECONDS, NOT_THEIRS, run_claimed
from signalsite.foundation.redis import client

logger = logging.getLogger(__name__)

MARKED_SECONDS = 120
"""A mark whose message was lost keeps an owner's runs waiting for so long."""
MOST_RUNS = 1000
_WAITING = f"""
SELECT r.id, {TO_GROUP}, r.attempt > 0
FROM signal_configuration_runs r JOIN signal_configurations c ON c.id = r.configuration_id
WHERE r.state = 'waiting' AND c.owner_id = %s AND r.id <> ALL(%s) ORDER BY r.due, r.id LIMIT %s
"""


def mark(owner: int) -> bool:
    """Return whether the owner needs another turn in the queue: there is none. Raises redis.RedisError."""
    return bool(client(settings.REDIS_URL).set(_key(owner), 1, nx=True, ex=MARKED_SECONDS))


def unmark(owner: int) -> bool:
    """Return whether the owner had a turn in the queue. Raises redis.RedisError."""
    return bool(client(settings.REDIS_URL).delete(_key(owner)))


def _key(owner: int) -> str:
    return f"config_turn:{owner}"


def take_turn(owner: int) -> bool:
    """Compute slow runs of an owner that begin in AGAIN_SECONDS, and return whether more of them wait.

    Raises only what is not the runs' fault. Those that raise are logged and counted, and wait for the next turn.
    """
    begun, failed = time.monotonic(), set[int]()
    while runs := _longest_waiting(owner, failed):
        if time.monotonic() - begun > AGAIN_SECONDS:
            return True
        try:
            run_claimed(claim(runs))
        except NOT_THEIRS:
            raise
        except Exception:  # `run_claimed` has counted it
            logger.exception("a turn of user %s goes on with other runs", owner)
            failed.update(runs)
    return bool(failed)


def _longest_waiting(owner: int, but: Collection[int]) -> list[int]:
    """Return the slow run that has waited for longest, with those that ask for the same. One that was tried is alone,
    so that it can take no other along."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [owner, list(but), MOST_RUNS])
        slow = [row for row in cursor.fetchall() if is_slow(row[:-1])]
    if not slow:
        return []
    first = slow[0]
    if first[-1]:
        return [first[0]]
    return grouped(row[:-1] for row in slow if not row[-1] and row[7] == first[7])[0]
