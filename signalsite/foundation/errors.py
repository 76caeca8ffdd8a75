"""The one tree of errors. An exception lives beside the function that raises it and descends from here."""


class SignalServiceError(Exception):
    """Anything this service raises on purpose. The message is meant for the reader of an API answer or a log."""


class ConfigurationError(SignalServiceError):
    """The service is set up wrongly."""


class InvalidConfigurationError(ConfigurationError):
    """A configuration document was refused."""


class DataAccessError(SignalServiceError):
    """Stored data could not be read or written."""


class TimescaleDBConnectionError(DataAccessError):
    """PostgreSQL or TimescaleDB did not answer."""


class RedisConnectionError(DataAccessError):
    """Redis did not answer."""


class StorageTooSlow(DataAccessError):
    """Storage answers, but too slowly. The message is the caller's."""


class ExternalServiceError(SignalServiceError):
    """Another service failed us."""


class SubscriptionManagerAPIError(ExternalServiceError):
    """The Subscription Manager's HTTP API failed."""


class RabbitMQError(ExternalServiceError):
    """Kept for callers of the former RabbitMQ transport; nothing here raises it."""


class ComputationError(SignalServiceError):
    """A computation could not be carried out."""


class ExternalFunctionExecutionError(ComputationError):
    """A user's function failed or overran its limits."""


class InvalidInput(SignalServiceError, ValueError):
    """A value that a caller sent is wrong. `field` names it, the message says what would be right."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Conflict(SignalServiceError):
    """What is asked cannot be done in the state that things are in."""


class LimitExceeded(SignalServiceError):
    """The caller has as much of something as one may have; it passes."""
