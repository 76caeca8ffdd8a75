"""The connections of a server. A sweep ends those that wait too long for their request."""

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from django.conf import settings
from uvicorn.server import ServerState

from signalsite.front.connections import Connections

if TYPE_CHECKING:
    from signalsite.front.protocol import FrontProtocol

SWEEP_SECONDS = 1.0

_connections: WeakKeyDictionary[ServerState, Connections["FrontProtocol"]] = WeakKeyDictionary()


def connections_of(protocol: "FrontProtocol") -> Connections["FrontProtocol"]:
    """Return the connections of the protocol's server. The first call creates them and starts the sweep."""
    state, loop = protocol.server_state, protocol.loop
    connections = _connections.get(state)
    if connections is None:
        connections = _connections[state] = Connections(
            settings.HTTP_MAX_CONNECTIONS, settings.HTTP_MAX_CONNECTIONS_PER_ADDRESS, settings.HTTP_HEADER_SECONDS
        )

        def sweep(connections: Connections["FrontProtocol"] = connections) -> None:
            for connection in connections.overdue(loop.time()):
                connection.overdue()
            loop.call_later(SWEEP_SECONDS, sweep)

        loop.call_later(SWEEP_SECONDS, sweep)
    return connections
