"""The control plane: what is said to one user's sockets, whichever web processes hold them. A notice, or their end.

It goes over the channel layer to a group in which each web process listens with one channel
(`realtime.sockets.control_listener`). Called from synchronous code: an admin page, a task, a command.
"""

import time
from typing import Any, cast

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from redis.exceptions import RedisError

from signalsite.foundation.errors import RedisConnectionError
from signalsite.foundation.redis import client

GROUP = "sockets"
ENDED = "websocket_ended"
"""Sorted set: what was ended (`subject_of`) -> when, in seconds since the epoch. No token or ticket issued up to then
opens a socket. Who missed the message finds it here; entries stay as long as tokens live."""


def subject_of(user_id: int, sign_in: str = "") -> str:
    """What can be ended: all that a user's tokens have opened, or what those of one sign-in have."""
    return f"{user_id}:{sign_in}" if sign_in else str(user_id)


def notify(user_id: int, subject: str, text: str) -> None:
    """Send a `notice` to the sockets that the user has open now. Raises RedisConnectionError.

    `subject` is a word by which programs tell notices apart; of one subject only the newest waits for a slow reader.
    """
    _send({"type": "notice", "user_id": user_id, "subject": subject, "text": text})


def disconnect(user_id: int, reason: str, *, sign_in: str = "") -> None:
    """Close the user's sockets (or only those of one sign-in), and refuse new ones to tokens of before.

    `reason`: up to 100 characters, which the client sees. Raises RedisConnectionError.
    """
    now = time.time()
    try:
        with client(settings.REDIS_URL).pipeline(transaction=True) as pipeline:
            pipeline.zadd(ENDED, {subject_of(user_id, sign_in): now})
            pipeline.zremrangebyscore(ENDED, "-inf", now - settings.ACCESS_TOKEN_MINUTES * 60)
            pipeline.execute()
    except RedisError as error:
        raise RedisConnectionError("Redis did not answer") from error
    _send({"type": "end", "subject": subject_of(user_id, sign_in), "reason": reason, "at": now})


def _send(message: dict[str, Any]) -> None:
    try:
        async_to_sync(cast(Any, get_channel_layer()).group_send)(GROUP, message)
    except (RedisError, OSError) as error:
        raise RedisConnectionError("Redis did not answer") from error
