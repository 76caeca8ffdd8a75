"""The base classes of all our exceptions. Each exception is defined beside the function that raises it."""


class SignalServiceError(Exception):
    """Base class of what this service raises on purpose. API answers and logs show the message."""


class ConfigurationError(SignalServiceError):
    """The service is configured wrongly."""


class InvalidConfigurationError(ConfigurationError):
    """A configuration document was refused."""


class DataAccessError(SignalServiceError):
    """Stored data could not be read or written."""


class TimescaleDBConnectionError(DataAccessError):
    """PostgreSQL or TimescaleDB did not answer."""


class RedisConnectionError(DataAccessError):
    """Redis did not answer."""


class StorageTooSlow(DataAccessError):
    """Storage answers too slowly. API answers show the message."""


class ExternalServiceError(SignalServiceError):
    """Another service failed."""


class SubscriptionManagerAPIError(ExternalServiceError):
    """The Subscription Manager's HTTP API failed."""


class RabbitMQError(ExternalServiceError):
    """Kept for callers of the former RabbitMQ transport. Nothing raises it."""


class ComputationError(SignalServiceError):
    """A computation could not be carried out."""


class ExternalFunctionExecutionError(ComputationError):
    """A user's function failed or overran its limits."""


class InvalidInput(SignalServiceError, ValueError):
    """A value that a caller sent is wrong. `field` names it, and the message says what is allowed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Conflict(SignalServiceError):
    """The request conflicts with the current state."""


class LimitExceeded(SignalServiceError):
    """The caller has reached a limit that frees up again."""
