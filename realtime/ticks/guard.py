"""Keep a fault of one stream from stopping the others."""

import logging
from collections.abc import Callable

import redis

from realtime.ticks import metrics
from realtime.ticks.ownership import LeaseLost
from signalsite.foundation.postgres import UNAVAILABLE

logger = logging.getLogger(__name__)

HANDLED_ELSEWHERE = (LeaseLost, redis.RedisError, *UNAVAILABLE)
"""Not the fault of any tick or stream: the consumer reads the same entries again later."""


def succeeds(what: str, call: Callable[[], object]) -> bool:
    """Run a call for one stream. Log and count what it raises and return False, unless the fault concerns all streams.

    A key of the wrong type is the stream's own fault. A Redis or PostgreSQL that does not answer is not, nor is a lost
    lease: these are raised.
    """
    try:
        call()
    except Exception as error:
        if isinstance(error, HANDLED_ELSEWHERE) and not isinstance(error, redis.ResponseError):
            raise
        metrics.errors.labels("stream").inc()
        logger.exception("%s failed", what)
        return False
    return True
