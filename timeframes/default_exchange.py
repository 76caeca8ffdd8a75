"""The exchange of a bare symbol."""

from django.conf import settings

from timeframes.core.keys import complete_key


def default_exchange() -> str:
    name: str = settings.DEFAULT_EXCHANGE
    return name


def completed(key: str) -> str:
    """Return a key that a request names, with DEFAULT_EXCHANGE before a bare symbol."""
    return complete_key(key, settings.DEFAULT_EXCHANGE)
