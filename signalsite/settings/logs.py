"""Logging: one line of text or one JSON object per event, on stderr."""

from .environment import DEVELOPMENT, env, one_of

LOG_LEVEL = env.str("LOG_LEVEL", "INFO", validate=one_of("DEBUG", "INFO", "WARNING", "ERROR"))
LOG_FORMAT = env.str("LOG_FORMAT", "text" if DEVELOPMENT else "json", validate=one_of("text", "json"))

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
            "rename_fields": {"asctime": "timestamp", "levelname": "level", "name": "logger"},
            "static_fields": {"service": "signalsite"},
        },
        "text": {"format": "%(asctime)s %(levelname)-7s %(name)s: %(message)s"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
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
