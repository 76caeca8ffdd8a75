"""Listens to the control plane for this process, with one channel for all sockets.

An outage of the channel layer harms no socket. After it, the listener looks up whose sockets were ended; notices are
lost.
"""

import asyncio
import contextvars
import logging
import time
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings
from redis.exceptions import RedisError, ResponseError

from realtime.sockets.control import ENDED, GROUP
from realtime.sockets.core.protocol import Close, Notice
from realtime.sockets.hub import RETRY_SECONDS, STOP_SECONDS, Hub

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0  # interval between looking up whose sockets were ended: a message may have been missed
STOP_CHECK_SECONDS = 0.2  # the longest until `stop` is noticed
LEEWAY_SECONDS = 60.0  # for clocks that differ: older tokens have expired this long after their lifetime
MISSED = "the user's sockets were closed"


class ControlListener:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._layer: Any = get_channel_layer()
        self._stopping = False
        self._listening = asyncio.create_task(self._listen(), context=contextvars.Context())  # not of a request

    async def stop(self) -> None:
        """Ask the listener to end before cancelling it, as the hub does."""
        self._stopping = True
        _, running = await asyncio.wait([self._listening], timeout=STOP_SECONDS)
        if running:  # Redis does not answer
            self._listening.cancel()
            await asyncio.wait(running, timeout=STOP_SECONDS)
        try:
            await asyncio.wait_for(self._layer.flush(), STOP_SECONDS)
        except (RedisError, OSError) as error:
            logger.warning("the channel layer was not closed in order: %s", error)

    async def _listen(self) -> None:
        """Listen until `stop`. A failure is logged once and retried."""
        delay, failing, looked = RETRY_SECONDS[0], False, -LOOK_SECONDS
        channel, receiving = "", None
        while not self._stopping:
            try:
                if receiving is None:
                    channel = await self._join()
                    receiving = asyncio.create_task(self._layer.receive(channel))
                if time.monotonic() - looked > LOOK_SECONDS:
                    looked = time.monotonic()
                    try:
                        self._end_missed(await self._hub.reader.scores(ENDED))
                    except ResponseError as error:  # such as a wrong type: the channel still works
                        logger.error("%s cannot be read: %s", ENDED, error)
                if failing:
                    logger.warning("the control plane is heard again")
                    delay, failing = RETRY_SECONDS[0], False
                await asyncio.wait([receiving], timeout=STOP_CHECK_SECONDS)
                if receiving.done():
                    received, receiving = receiving, asyncio.create_task(self._layer.receive(channel))
                    self._handle(received.result())
                continue
            except (RedisError, OSError) as error:
                if not failing:
                    logger.error("the control plane cannot be heard, and is tried again: %s", error)
            except Exception:  # another version's message, or a fault of the layer: sockets go on without it
                logger.exception("the control plane failed, and is tried again")
            failing, looked = True, -LOOK_SECONDS
            await asyncio.sleep(delay)
            delay = min(delay * 2, RETRY_SECONDS[1])
        if receiving is not None:
            receiving.cancel()
            await asyncio.wait([receiving], timeout=STOP_SECONDS)

    async def _join(self) -> str:
        try:
            channel: str = await self._layer.new_channel()
            await self._layer.group_add(GROUP, channel)
        except (RedisError, OSError):
            await self._layer.flush()  # otherwise the layer keeps a queue for each attempt
            raise
        return channel

    def _end_missed(self, ended: dict[str, float]) -> None:
        oldest = time.time() - settings.ACCESS_TOKEN_MINUTES * 60 - LEEWAY_SECONDS
        for subject in [subject for subject, moment in self._hub.ended.items() if moment < oldest]:
            del self._hub.ended[subject]
        for subject, moment in ended.items():
            if moment > self._hub.ended.get(subject, oldest):
                self._end(subject, moment, MISSED)

    def _handle(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "notice":
                notice = Notice(message["subject"], message["text"], int(time.time() * 1000))
                for session in self._hub.sessions_of(message["user_id"]):
                    session.notify(f"notice {notice.subject}", notice)
            case "end":
                self._end(message["subject"], message["at"], message["reason"])

    def _end(self, subject: str, moment: float, reason: str) -> None:
        self._hub.ended[subject] = max(moment, self._hub.ended.get(subject, 0.0))
        user, _, sign_in = subject.partition(":")
        for session in self._hub.sessions_of(int(user)):
            if session.identity is None or session.identity.issued_at > moment:
                continue
            if sign_in in ("", session.identity.sign_in):
                self._hub.end(session, Close.ENDED, reason)
