"""Run a consumer's steps, whatever happens: outages of Redis and PostgreSQL and faults of our own are survived."""

import logging
from collections.abc import Callable
from threading import Event

import redis
from django.db import connection

from realtime.ticks import metrics
from realtime.ticks.ownership import LeaseLost
from realtime.ticks.postgres_retry import BACKOFF
from signalsite.foundation.postgres import UNAVAILABLE

logger = logging.getLogger(__name__)


def run_steps(step: Callable[[], None], forget: Callable[[], None], stop: Event) -> None:
    """Run steps until `stop` is set. `forget` drops what is held: the next step begins anew."""
    delay = BACKOFF[0]
    while not stop.is_set():
        try:
            step()
            delay = BACKOFF[0]
        except LeaseLost as error:
            logger.warning("%s", error)
            forget()
        except (redis.RedisError, *UNAVAILABLE) as error:
            metrics.errors.labels(type(error).__name__).inc()
            logger.error("%s: %s; trying again in %.1f s", type(error).__name__, error, delay)
            connection.close()
            forget()
            stop.wait(delay)
            delay = min(delay * 2, BACKOFF[1])
        except Exception:  # a fault of ours outside any stream: ending would stop every stream that we own
            metrics.errors.labels("unexpected").inc()
            logger.exception("the consumer failed, and begins again in %.1f s", delay)
            forget()
            stop.wait(delay)
            delay = min(delay * 2, BACKOFF[1])
