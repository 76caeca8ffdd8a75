"""Settings: from the environment only, refused loudly when wrong. docs/settings.md lists every variable.

With DATABASE_URL and REDIS_URL unset the project's own servers are used (signalsite.embedded). Nothing here starts a
process or opens a connection.
"""

import os
import socket
from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from csp.constants import NONCE as CSP_NONCE
from csp.constants import NONE as CSP_NONE
from csp.constants import SELF as CSP_SELF
from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvError, validate

from signalsite.embedded import state as embedded
from signalsite.foundation.postgres import TimedConnection

env = Env()
BASE_DIR = Path(__file__).resolve().parent.parent
STATE_DIR = embedded.state_dir()


def _network_of(variable: str) -> Callable[[str], IPv4Network | IPv6Network]:
    def read(text: str) -> IPv4Network | IPv6Network:
        try:
            return ip_network(text.strip())
        except ValueError as error:
            raise EnvError(f"{variable}: {error}") from error

    return read


try:
    ENVIRONMENT = env.str("SIGNALSITE_ENV", "development", validate=validate.OneOf(["development", "production"]))
    DEVELOPMENT = ENVIRONMENT == "development"
    DEBUG = env.bool("DEBUG", False)
    SECRET_KEY = env.str("SECRET_KEY", "")
    ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"] if DEVELOPMENT else [])
    CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
    DATABASE_URL = env.str("DATABASE_URL", "")
    DATABASE_POOL = env.bool("DATABASE_POOL", False)  # the web process pools; workers keep one connection each
    REDIS_URL = env.str("REDIS_URL", "")  # broker and streams: must never evict
    CACHE_URL = env.str("CACHE_URL", "")
    STALL_SECONDS = env.float("STALL_SECONDS", 20.0, validate=validate.Range(min=1, max=300))
    HEARTBEAT_FILE = env.str("HEARTBEAT_FILE", "")  # set by `manage.py up` and docker-compose.yml
    WORKERS = env.int("WORKERS", os.cpu_count() or 1, validate=validate.Range(min=1, max=512))
    WEB_THREADS = env.int("WEB_THREADS", 10, validate=validate.Range(min=3, max=200))
    # What one client may hold of the web process; docs/operations.md
    HTTP_MAX_CONNECTIONS = env.int("HTTP_MAX_CONNECTIONS", 4000, validate=validate.Range(min=1))
    HTTP_MAX_CONNECTIONS_PER_ADDRESS = env.int(
        "HTTP_MAX_CONNECTIONS_PER_ADDRESS", max(HTTP_MAX_CONNECTIONS // 2, 1), validate=validate.Range(min=1)
    )
    HTTP_HEADER_SECONDS = env.float("HTTP_HEADER_SECONDS", 10.0, validate=validate.Range(min=0.1))
    HTTP_BODY_SECONDS = env.float("HTTP_BODY_SECONDS", 10.0, validate=validate.Range(min=0.1))
    HTTP_BODY_RATE = env.int("HTTP_BODY_RATE", 64 << 10, validate=validate.Range(min=1))  # bytes/s
    HTTP_LARGE_BODIES = env.int("HTTP_LARGE_BODIES", 16, validate=validate.Range(min=1))
    HTTP_QUEUE_SECONDS = env.float("HTTP_QUEUE_SECONDS", 5.0, validate=validate.Range(min=0.1))
    LOG_LEVEL = env.str("LOG_LEVEL", "INFO", validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"]))
    LOG_FORMAT = env.str("LOG_FORMAT", "text" if DEVELOPMENT else "json", validate=validate.OneOf(["text", "json"]))
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", not DEVELOPMENT)
    ACCESS_TOKEN_MINUTES = env.int("ACCESS_TOKEN_MINUTES", 60, validate=validate.Range(min=1, max=1440))
    REFRESH_TOKEN_HOURS = env.int("REFRESH_TOKEN_HOURS", 24, validate=validate.Range(min=1, max=24 * 365))
    # Whose X-Forwarded-For is believed. uvicorn reads the same variable; `manage.py up` hands it on.
    FORWARDED_ALLOW_IPS = env.list("FORWARDED_ALLOW_IPS", [], subcast=_network_of("FORWARDED_ALLOW_IPS"))
    # Guessing of passwords: tries before a wait, of one account from one address, of one account from everywhere, and
    # of one address; the longest wait; and how many passwords are hashed at once (docs/security.md).
    SIGN_IN_ATTEMPTS = env.int("SIGN_IN_ATTEMPTS", 5, validate=validate.Range(min=1))
    SIGN_IN_ACCOUNT_ATTEMPTS = env.int("SIGN_IN_ACCOUNT_ATTEMPTS", 20, validate=validate.Range(min=1))
    SIGN_IN_ADDRESS_ATTEMPTS = env.int("SIGN_IN_ADDRESS_ATTEMPTS", 100, validate=validate.Range(min=1))
    SIGN_IN_LONGEST_DELAY_SECONDS = env.float(
        "SIGN_IN_LONGEST_DELAY_SECONDS", 900.0, validate=validate.Range(min=1, max=86_400)
    )
    SIGN_IN_CONCURRENCY = env.int(
        "SIGN_IN_CONCURRENCY", max((os.cpu_count() or 1) // 2, 1), validate=validate.Range(min=1, max=64)
    )
    METRICS_TOKEN = env.str("METRICS_TOKEN", "")
    METRICS_ALLOWED_NETWORKS = env.list("METRICS_ALLOWED_NETWORKS", [], subcast=_network_of("METRICS_ALLOWED_NETWORKS"))

    FLOWER_URL = env.str("FLOWER_URL", "http://127.0.0.1:5555" if DEVELOPMENT else "").rstrip("/")
    DEFAULT_EXCHANGE = env.str("DEFAULT_EXCHANGE", "NSE")  # what a bare symbol such as NIFTY means
    API_V2_BATCH_SIZE = env.int("API_V2_BATCH_SIZE", 100, validate=validate.Range(min=1, max=1000))
    BATCH_MAX_ITEMS = env.int("BATCH_MAX_ITEMS", 1_000_000, validate=validate.Range(min=1, max=1_000_000))
    BATCH_MAX_ROWS = env.int("BATCH_MAX_ROWS", 5_000_000, validate=validate.Range(min=1, max=100_000_000))
    BATCH_CHUNK_SIZE = env.int("BATCH_CHUNK_SIZE", 0, validate=validate.Range(min=0, max=20_000))
    BATCH_MAX_OPEN_JOBS = env.int("BATCH_MAX_OPEN_JOBS", 100, validate=validate.Range(min=1))  # of one user
    JOB_RETENTION_DAYS = env.float("JOB_RETENTION_DAYS", 30.0, validate=validate.Range(min=0.001))
    BATCH_MAX_BODY_BYTES = env.int("BATCH_MAX_BODY_BYTES", 256 << 20, validate=validate.Range(min=1 << 10, max=1 << 30))
    BATCH_SUBMIT_SECONDS = env.float("BATCH_SUBMIT_SECONDS", 10.0, validate=validate.Range(min=0.1, max=300))
    WEBHOOK_ALLOW_HTTP = env.bool("WEBHOOK_ALLOW_HTTP", DEVELOPMENT)
    WEBHOOK_ALLOWED_NETWORKS = env.list("WEBHOOK_ALLOWED_NETWORKS", [], subcast=_network_of("WEBHOOK_ALLOWED_NETWORKS"))
    WEBHOOK_MAX_ATTEMPTS = env.int("WEBHOOK_MAX_ATTEMPTS", 10, validate=validate.Range(min=1, max=100))
    WEBHOOK_CONCURRENCY = env.int("WEBHOOK_CONCURRENCY", max(WORKERS // 2, 1), validate=validate.Range(min=1, max=512))

    WEBSOCKET_MAX_CONNECTIONS = env.int("WEBSOCKET_MAX_CONNECTIONS", 10_000, validate=validate.Range(min=1))
    WEBSOCKET_MAX_CONNECTIONS_PER_USER = env.int(
        "WEBSOCKET_MAX_CONNECTIONS_PER_USER", 100, validate=validate.Range(min=1)
    )
    WEBSOCKET_HEARTBEAT_INTERVAL = env.float("WEBSOCKET_HEARTBEAT_INTERVAL", 30.0, validate=validate.Range(min=0.1))
    WEBSOCKET_AUTH_SECONDS = env.float("WEBSOCKET_AUTH_SECONDS", 10.0, validate=validate.Range(min=0.1))
    WEBSOCKET_TICKET_SECONDS = env.int("WEBSOCKET_TICKET_SECONDS", 30, validate=validate.Range(min=1, max=600))
    WEBSOCKET_MAX_SUBSCRIPTIONS = env.int("WEBSOCKET_MAX_SUBSCRIPTIONS", 1000, validate=validate.Range(min=1))
    WEBSOCKET_MAX_PENDING = env.int("WEBSOCKET_MAX_PENDING", 5000, validate=validate.Range(min=1))
    WEBSOCKET_MAX_FRAME_BYTES = env.int("WEBSOCKET_MAX_FRAME_BYTES", 64 << 10, validate=validate.Range(min=256))
    WEBSOCKET_MESSAGE_RATE = env.float("WEBSOCKET_MESSAGE_RATE", 50.0, validate=validate.Range(min=0.1))
    WEBSOCKET_RESUME_LIMIT = env.int("WEBSOCKET_RESUME_LIMIT", 10_000, validate=validate.Range(min=0))
    WEBSOCKET_ALLOWED_ORIGINS: list[str] = env.list("WEBSOCKET_ALLOWED_ORIGINS", [])

    # Live ticks. Lengths and lifetimes (s) of what the consumer leaves in Redis; docs/live.md
    TICK_BATCH = env.int("TICK_BATCH", 2000, validate=validate.Range(min=1, max=10_000))
    TICK_MAX_BYTES = env.int("TICK_MAX_BYTES", 16 << 10, validate=validate.Range(min=256))
    TICK_MAX_AHEAD_SECONDS = env.float("TICK_MAX_AHEAD_SECONDS", 60.0, validate=validate.Range(min=0))
    TICK_REFUSE_ZERO = env.bool("TICK_REFUSE_ZERO", True)
    TICK_MAX_JUMP = env.float("TICK_MAX_JUMP", 0.5, validate=validate.Range(min=0))
    TICK_JUMP_SECONDS = env.float("TICK_JUMP_SECONDS", 60.0, validate=validate.Range(min=0))
    TICK_MAX_LATE_SECONDS = env.float("TICK_MAX_LATE_SECONDS", 86_400.0, validate=validate.Range(min=0))
    TICK_MAX_EXPIRY_YEARS = env.float("TICK_MAX_EXPIRY_YEARS", 10.0, validate=validate.Range(min=0))
    TICK_MAX_NEW_CONTRACTS = env.int("TICK_MAX_NEW_CONTRACTS", 1000, validate=validate.Range(min=0))
    TICK_MAX_DELIVERIES = env.int("TICK_MAX_DELIVERIES", 5, validate=validate.Range(min=1))
    TICK_LEASE_SECONDS = env.float("TICK_LEASE_SECONDS", 5.0, validate=validate.Range(min=0.3))
    TICK_QUOTE_SECONDS = env.float("TICK_QUOTE_SECONDS", 1.0, validate=validate.Range(min=0))
    TICK_KEEP_SECONDS = env.float("TICK_KEEP_SECONDS", 300.0, validate=validate.Range(min=0))
    TICK_KEEP_ENTRIES = env.int("TICK_KEEP_ENTRIES", 50_000, validate=validate.Range(min=1))
    TICK_REGISTER_INSTRUMENTS = env.bool("TICK_REGISTER_INSTRUMENTS", True)
    TICK_WRITE_BACK = env.bool("TICK_WRITE_BACK", True)
    TICK_METRICS_PORT = env.int("TICK_METRICS_PORT", 0, validate=validate.Range(min=0, max=65_535))
    TICK_METRICS_ADDRESS = env.str("TICK_METRICS_ADDRESS", "127.0.0.1")
    CHAIN_BEAT_SECONDS = env.float("CHAIN_BEAT_SECONDS", 0.25, validate=validate.Range(min=0.01))
    CHAIN_STRIKES = env.int("CHAIN_STRIKES", 10, validate=validate.Range(min=1, max=1000))
    RAW_TICKS_LENGTH = env.int("RAW_TICKS_LENGTH", 100, validate=validate.Range(min=1))
    RAW_TICKS_EXPIRY = env.int("RAW_TICKS_EXPIRY", 3600, validate=validate.Range(min=1))
    COMPUTED_DATA_LENGTH = env.int("COMPUTED_DATA_LENGTH", 1000, validate=validate.Range(min=1))
    REDIS_CACHE_EXPIRY = env.int("REDIS_CACHE_EXPIRY", 3600, validate=validate.Range(min=1))
    OUTPUT_STREAM_LENGTH = env.int("OUTPUT_STREAM_LENGTH", 10_000, validate=validate.Range(min=1))
    OUTPUT_STREAM_BYTES = env.int("OUTPUT_STREAM_BYTES", 32 << 20, validate=validate.Range(min=1 << 16))
    LATEST_EXPIRY = env.int("LATEST_EXPIRY", 7 * 86_400, validate=validate.Range(min=1))
    DEAD_LETTER_LENGTH = env.int("DEAD_LETTER_LENGTH", 100_000, validate=validate.Range(min=1))
except EnvError as error:
    raise ImproperlyConfigured(f"environment: {error}") from error

_MUST_BE_SET = {
    "SECRET_KEY": "python3 -c 'import secrets; print(secrets.token_urlsafe(48))' makes a good one",
    "ALLOWED_HOSTS": "the names under which the site is reached, separated by commas, such as signals.example.com",
    "DATABASE_URL": "the address of PostgreSQL: postgresql://user:password@host:5432/name",
    "REDIS_URL": "the address of a Redis that never evicts: redis://:password@host:6379/0",
}
if DEVELOPMENT:
    SECRET_KEY = SECRET_KEY or embedded.secret(STATE_DIR, "secret_key", nbytes=48)
else:
    for _name, _right in _MUST_BE_SET.items():
        if not globals()[_name]:
            raise ImproperlyConfigured(f"{_name} must be set when SIGNALSITE_ENV=production: {_right}")
    if DEBUG:
        raise ImproperlyConfigured("DEBUG must be off when SIGNALSITE_ENV=production")
    if len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 5:
        raise ImproperlyConfigured(
            "SECRET_KEY must have at least 50 characters, 5 of them different, when SIGNALSITE_ENV=production: "
            "it signs sessions and tokens. python3 -c 'import secrets; print(secrets.token_urlsafe(48))' makes one"
        )
    if "*" in ALLOWED_HOSTS:
        raise ImproperlyConfigured(
            "ALLOWED_HOSTS must name the hosts when SIGNALSITE_ENV=production: * would answer to any name"
        )
    if 0 < len(METRICS_TOKEN) < 20:
        raise ImproperlyConfigured("METRICS_TOKEN must have at least 20 characters when SIGNALSITE_ENV=production")

INSTALLED_APPS = [
    "signalsite.accounts.apps.SiteConfig",  # django.contrib.admin
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_prometheus",
    "django_celery_beat",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "signalsite",
    "timeframes",
    "signals",
    "moneyness",
    "realtime",
    "batch",
]
MIGRATION_MODULES = {name: f"migrations.{name}" for name in ("timeframes", "signals", "batch", "signalsite")}
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "signalsite.foundation.log_users.NameUserInLogs",
    "signalsite.foundation.problems.ProblemsUnderApi",  # sees what those after it answer
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "signalsite.urls"
WSGI_APPLICATION = "signalsite.wsgi.application"
ASGI_APPLICATION = "signalsite.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-us"
USE_TZ = True
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = ["signalsite.formats"]

# Data. Every connection attempt and every silent peer has a limit.
try:
    _database: dict[str, Any] = (
        env.dj_db_url("DATABASE_URL")
        if DATABASE_URL
        else {"ENGINE": "django.db.backends.postgresql", **embedded.database(STATE_DIR)}
    )
except (EnvError, ValueError) as error:
    raise ImproperlyConfigured(f"DATABASE_URL: {error}") from error
_database["OPTIONS"] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    **_database.get("OPTIONS", {}),
}
if DATABASE_POOL:
    _database["OPTIONS"]["pool"] = {
        "connection_class": TimedConnection,
        "min_size": 1,
        "max_size": WEB_THREADS + 6,  # exports have 4 threads, ASGI views and proofs of tokens one each
        "timeout": 3,
        "reconnect_timeout": 5,
    }
_database["CONN_MAX_AGE"] = 0 if DATABASE_POOL else 60
_database["CONN_HEALTH_CHECKS"] = True
DATABASES = {"default": _database}

REDIS_URL = REDIS_URL or embedded.redis_url(STATE_DIR)
CACHE_URL = CACHE_URL or REDIS_URL
# Short, since a request may need several calls and must be answered within 5 s. A blocking read needs its own.
REDIS_OPTIONS = {"socket_timeout": 1, "socket_connect_timeout": 1, "health_check_interval": 15}
STREAM_OPTIONS = {**REDIS_OPTIONS, "socket_timeout": 5}  # reads that wait, and batches of thousands of ticks
# Notices and ends of sockets only (realtime/sockets/control.py): what sockets show goes through streams.
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL, **REDIS_OPTIONS}]},
    }
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": "cache",
        "OPTIONS": REDIS_OPTIONS,
    }
}

# Tasks: chunks take well under a second; whatever takes a minute has hung.
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 120,  # above the time limit, or a task would run twice
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_timeout": 1,  # a request that enqueues may meet it three times, and must be answered within 5 s
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "socket_keepalive_options": {
        socket.TCP_KEEPIDLE: 10,
        socket.TCP_KEEPINTVL: 5,
        socket.TCP_KEEPCNT: 3,
        socket.TCP_USER_TIMEOUT: 20_000,
    },
    "health_check_interval": 5,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0}  # one for a connection that went stale
CELERY_TASK_DEFAULT_QUEUE = "celery"
CELERY_URGENT_QUEUE = "urgent"  # a worker takes from both in turn: the sweep and what it finds do not wait in line
CELERY_TASK_QUEUES = {
    name: {"exchange": CELERY_TASK_DEFAULT_QUEUE, "routing_key": name}
    for name in (CELERY_TASK_DEFAULT_QUEUE, CELERY_URGENT_QUEUE)
}
CELERY_TASK_ROUTES = {"batch.requeue_stalled": {"queue": CELERY_URGENT_QUEUE}}
CELERY_TASK_IGNORE_RESULT = True  # a job's truth is its rows in PostgreSQL
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_LOST_WAIT = 1.0  # seconds that a killed process may still be heard of
CELERY_TASK_TIME_LIMIT = 60
CELERY_TASK_SOFT_TIME_LIMIT = 50
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = WORKERS
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_DB_REUSE_MAX = 1000  # else the worker closes its connection after each task: 170 tasks/s instead of 1,200
CELERY_BEAT_SCHEDULER = "signalsite.scheduler:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1  # seconds until beat hears that it is to end, and shows that it lives
CELERY_BEAT_SCHEDULE = {
    "requeue-stalled": {"task": "batch.requeue_stalled", "schedule": 5.0, "options": {"expires": 5}},
    "expire": {"task": "batch.expire", "schedule": 60.0, "options": {"expires": 60}},
    "forget-expired-sign-ins": {
        "task": "signalsite.forget_expired_sign_ins",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
}

# HTTP API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "signalsite.accounts.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["drf_orjson_renderer.renderers.ORJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["signalsite.foundation.parsers.LimitedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "signalsite.foundation.problems.exception_handler",
    "COERCE_DECIMAL_TO_STRING": False,
    "URL_FORMAT_OVERRIDE": None,  # an export's `format` is its own
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=ACCESS_TOKEN_MINUTES),
    "REFRESH_TOKEN_LIFETIME": timedelta(hours=REFRESH_TOKEN_HOURS),
    "CHECK_REVOKE_TOKEN": True,  # no token outlives a change of password
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Signal Service",
    "DESCRIPTION": "Option Greeks, implied volatility and trading signals: over HTTP and as batch jobs.",
    "VERSION": "2.0",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},  # it would be asked at swagger.io
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": ["signalsite.schema.without_aliases"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "signalsite.schema.with_problems",
    ],
}

# Pages and their files
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DEVELOPMENT
# Pages run what this site serves and nothing that stands in them, but for what carries the answer's own nonce.
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ["/api/v2/", "/health", "/ready", "/metrics"],  # no pages, and many
    "DIRECTIVES": {
        "default-src": [CSP_SELF],
        "script-src": [CSP_SELF, CSP_NONCE],
        "style-src": [CSP_SELF, CSP_NONCE],
        "img-src": [CSP_SELF, "data:"],  # icons in Swagger UI's stylesheet
        "object-src": [CSP_NONE],
        "base-uri": [CSP_SELF],
        "form-action": [CSP_SELF],
        "frame-ancestors": [CSP_NONE],
    },
}
AUTHENTICATION_BACKENDS = ["signalsite.accounts.backend.ThrottledBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
SESSION_ENGINE = "signalsite.accounts.session_store"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEVELOPMENT
SECURE_HSTS_SECONDS = 0 if DEVELOPMENT else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not DEVELOPMENT
SECURE_PROXY_SSL_HEADER = None if DEVELOPMENT else ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^ready$", r"^metrics$"]  # probes speak plain HTTP inside the network

# Compiled kernels are cached where they can be written; numba reads this when it is imported.
os.environ.setdefault("NUMBA_CACHE_DIR", str(embedded.numba_cache_dir(STATE_DIR)))

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
        # Before the settings are read, uvicorn and Django give these handlers of their own.
        "django": {"handlers": [], "level": LOG_LEVEL},
        "uvicorn": {"handlers": [], "level": "WARNING", "propagate": True},
        "uvicorn.error": {"handlers": [], "level": "WARNING", "propagate": True},
        "uvicorn.access": {"handlers": [], "level": "WARNING", "propagate": False},
        "tornado.access": {"handlers": [], "level": "ERROR", "propagate": False},  # Flower's requests
        "celery.beat": {"level": "WARNING"},  # a line for each of its tasks, every five seconds
        "django_celery_beat.schedulers": {"level": "WARNING"},  # Celery makes it a child of its own
        "httpx": {"level": "WARNING"},
        "channels_redis": {"level": "CRITICAL"},  # a traceback a second while Redis is away; our listener says it once
        "celery.worker.strategy": {"level": "WARNING"},  # a line for each task received, and one for each done,
        "celery.app.trace": {"level": "WARNING"},  # say less than our own one a chunk
    },
}
