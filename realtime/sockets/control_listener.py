"""This process' ear on the control plane: one channel, however many sockets there are.

A layer that is away harms no socket. Who was ended meanwhile is looked up when it is back; notices are lost.
"""

import asyncio
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

LOOK_SECONDS = 5.0  # between looks at who was ended: a message may have been missed
HEED_SECONDS = 0.2  # the longest until `stop` is noticed
LEEWAY_SECONDS = 60.0  # no token of before an end lives longer after it, clocks apart
MISSED = "the user's sockets were closed"


class ControlListener:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._layer: Any = get_channel_layer()
        self._stopping = False
        self._listening = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """Asked first, as the hub is; the layer's own task is cancelled twice if it swallows the first."""
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
        """Listen until `stop`. What fails is said once and tried again."""
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
                        self._look(await self._hub.reader.scores(ENDED))
                    except ResponseError as error:  # such as for its type: what the channel says is heard all the same
                        logger.error("%s cannot be read: %s", ENDED, error)
                if failing:
                    logger.warning("the control plane is heard again")
                    delay, failing = RETRY_SECONDS[0], False
                await asyncio.wait([receiving], timeout=HEED_SECONDS)
                if receiving.done():
                    heard, receiving = receiving, asyncio.create_task(self._layer.receive(channel))
                    self._obey(heard.result())
                continue
            except (RedisError, OSError) as error:
                if not failing:
                    logger.error("the control plane cannot be heard, and is tried again: %s", error)
            except Exception:  # a message that another version sent, or a fault of the layer: sockets go on without it
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
            await self._layer.flush()  # or it would keep a queue for each attempt
            raise
        return channel

    def _look(self, ended: dict[str, float]) -> None:
        oldest = time.time() - settings.ACCESS_TOKEN_MINUTES * 60 - LEEWAY_SECONDS
        for subject in [subject for subject, moment in self._hub.ended.items() if moment < oldest]:
            del self._hub.ended[subject]
        for subject, moment in ended.items():
            if moment > self._hub.ended.get(subject, oldest):
                self._end(subject, moment, MISSED)

    def _obey(self, message: dict[str, Any]) -> None:
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
