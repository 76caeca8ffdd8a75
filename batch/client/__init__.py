"""The client of Signal Service: batch jobs, live reads and sockets, with blocking calls or on asyncio.

`pip install ./batch/client` installs this folder as `signalsite_client`; inside the repository it is `batch.client`.
Needs httpx and websockets; tables need pyarrow, pandas or polars.
"""

from .async_client import AsyncClient
from .client import Client
from .core.arrow_stream import BrokenStream
from .core.errors import ApiError, ClientError, FeedEnded, FieldError, ServiceUnreachable, WaitTimeout
from .core.events import (
    Connected,
    Disconnected,
    Event,
    Gap,
    Heartbeat,
    Notice,
    Refused,
    Snapshot,
    Update,
)
from .core.shapes import Counts, Estimate, ItemResult, Job, ResultsPage
from .operations.exports import ExportChanged

__all__ = [
    "ApiError",
    "AsyncClient",
    "BrokenStream",
    "Client",
    "ClientError",
    "Connected",
    "Counts",
    "Disconnected",
    "Estimate",
    "Event",
    "ExportChanged",
    "FeedEnded",
    "FieldError",
    "Gap",
    "Heartbeat",
    "ItemResult",
    "Job",
    "Notice",
    "Refused",
    "ResultsPage",
    "ServiceUnreachable",
    "Snapshot",
    "Update",
    "WaitTimeout",
]
