"""The control plane: send a notice to a user's sockets, or close them, in whichever web processes they are.

Messages go over the channel layer to a group; each web process listens with one channel
(`realtime.sockets.control_listener`). Call these functions from synchronous code: an admin page, a task, a command.
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
"""Sorted set: subject (`subject_of`) -> when its sockets were ended, in seconds since the epoch. Tokens and tickets
issued up to then open no socket. A process that missed the message reads it here. Entries stay as long as tokens live.
"""


def subject_of(user_id: int, sign_in: str = "") -> str:
    """Name what to end: all sockets of a user, or those of one sign-in."""
    return f"{user_id}:{sign_in}" if sign_in else str(user_id)


def notify(user_id: int, subject: str, text: str) -> None:
    """Send a `notice` to the user's open sockets. Raises RedisConnectionError.

    `subject`: a word by which programs distinguish notices. A slow reader gets only the newest notice of a subject.
    """
    _send({"type": "notice", "user_id": user_id, "subject": subject, "text": text})


def disconnect(user_id: int, reason: str, *, sign_in: str = "") -> None:
    """Close the user's sockets, or only those of one sign-in, and refuse new ones to tokens issued before now.

    `reason`: up to 100 characters, shown to the client. Raises RedisConnectionError.
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
