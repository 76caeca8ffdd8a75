"""Logging: one line of text or one JSON object per event, on stderr."""

from .environment import DEVELOPMENT, env, one_of

LOG_LEVEL = env.str("LOG_LEVEL", "INFO", validate=one_of("DEBUG", "INFO", "WARNING", "ERROR"))
LOG_FORMAT = env.str("LOG_FORMAT", "text" if DEVELOPMENT else "json", validate=one_of("text", "json"))

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "signalsite.foundation.log_format.JsonLines"},
        "text": {"()": "signalsite.foundation.log_format.TextLines"},
    },
    "filters": {"context": {"()": "signalsite.foundation.log_format.Context"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["context"]}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        # uvicorn and Django give these loggers handlers of their own before the settings are read.
        "django": {"handlers": [], "level": LOG_LEVEL},
        "uvicorn": {"handlers": [], "level": "WARNING", "propagate": True},
        "uvicorn.error": {"handlers": [], "level": "WARNING", "propagate": True},
        "uvicorn.access": {"handlers": [], "level": "WARNING", "propagate": False},
        "tornado.access": {"handlers": [], "level": "ERROR", "propagate": False},  # Flower's requests
        "celery.beat": {"level": "WARNING"},  # a line for each of its tasks, every five seconds
        "django_celery_beat.schedulers": {"level": "WARNING"},  # Celery makes it a child of its own
        "httpx": {"level": "WARNING"},
        "channels_redis": {
            "level": "CRITICAL"
        },  # else a traceback a second while Redis is away; our listener logs it once
        "celery.worker.strategy": {
            "level": "WARNING"
        },  # else a line for each received task and one for each finished task;
        "celery.app.trace": {"level": "WARNING"},
    },
}
