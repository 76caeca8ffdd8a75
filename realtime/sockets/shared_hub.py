"""The hub of this process and its listener to the control plane. Both belong to the running event loop."""

from django.conf import settings

from realtime.sockets.control_listener import ControlListener
from realtime.sockets.core.protocol import Close, Closing
from realtime.sockets.hub import Hub

RECONNECT_MS = range(500, 8_500, 250)  # spread, so that not all clients come back at once

_hub: Hub | None = None
_control: ControlListener | None = None


def the_hub() -> Hub:
    """Return the hub; the first call makes it."""
    global _hub, _control
    if _hub is None:
        _hub = Hub(settings.REDIS_URL)
        _control = ControlListener(_hub)
    return _hub


async def close_sockets(reason: str) -> None:
    """Close every socket with code 1001 and a hint when to reconnect."""
    if _hub is not None:
        hints = [Closing(Close.GOING_AWAY, milliseconds) for milliseconds in RECONNECT_MS]
        await _hub.close_all(Close.GOING_AWAY, reason, hints)


async def stop() -> None:
    if _control is not None:
        await _control.stop()
    if _hub is not None:
        await _hub.stop()
