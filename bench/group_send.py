"""The peer of the hub: broadcast through Channels' Pub/Sub layer, with a consumer as in its manual."""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "signalsite.settings")

import django
from django.conf import settings

django.setup()
settings.CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [settings.REDIS_URL]}}
}

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402

GROUP = "everyone"


class Consumer(AsyncWebsocketConsumer):
    groups = [GROUP]

    async def connect(self) -> None:
        await self.accept()
        await self.send(text_data='{"type":"welcome"}')

    async def broadcast(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["text"])


application = Consumer.as_asgi()
