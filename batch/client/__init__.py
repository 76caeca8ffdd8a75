"""A client of the batch API. Needs httpx only; for tables pyarrow and pandas."""

from batch.client.api import Client
from batch.client.errors import ApiError, ClientError, FieldError, ServiceUnreachable, WaitTimeout
from batch.client.shapes import Answer, Counts, Estimate, Job

__all__ = [
    "Answer",
    "ApiError",
    "Client",
    "ClientError",
    "Counts",
    "Estimate",
    "FieldError",
    "Job",
    "ServiceUnreachable",
    "WaitTimeout",
]
