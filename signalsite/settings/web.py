"""The web process: connections, threads, the HTTP API and static files."""

from corsheaders.defaults import default_headers

from .environment import BASE_DIR, DEVELOPMENT, at_least, between, env, origin

WEB_THREADS = env.int("WEB_THREADS", 10, validate=between(3, 200))
# Limits on what one client may use of the web process; docs/operations.md
HTTP_MAX_CONNECTIONS = env.int("HTTP_MAX_CONNECTIONS", 4000, validate=at_least(1))
HTTP_MAX_CONNECTIONS_PER_ADDRESS = env.int(
    "HTTP_MAX_CONNECTIONS_PER_ADDRESS", max(HTTP_MAX_CONNECTIONS // 2, 1), validate=at_least(1)
)
HTTP_HEADER_SECONDS = env.float("HTTP_HEADER_SECONDS", 10.0, validate=at_least(0.1))
HTTP_BODY_SECONDS = env.float("HTTP_BODY_SECONDS", 10.0, validate=at_least(0.1))
HTTP_BODY_RATE = env.int("HTTP_BODY_RATE", 64 << 10, validate=at_least(1))  # bytes/s
HTTP_LARGE_BODIES = env.int("HTTP_LARGE_BODIES", 16, validate=at_least(1))
HTTP_QUEUE_SECONDS = env.float("HTTP_QUEUE_SECONDS", 5.0, validate=at_least(0.1))

API_V2_ENABLED = env.bool("API_V2_ENABLED", True)
# Requests a minute of one caller, over all web processes (signalsite/front/rate.py). 0: no limit
API_V2_RATE_LIMIT = env.int("API_V2_RATE_LIMIT", 0 if DEVELOPMENT else 1000, validate=at_least(0))

# Usage of the API by user, endpoint and status (signalsite/usage)
API_METRICS_SECONDS = env.float("API_METRICS_SECONDS", 10.0, validate=between(0, 600))  # 0: not counted
API_METRICS_DAYS = env.float("API_METRICS_DAYS", 30.0, validate=between(0.01, 36_500))

# Other sites whose pages may call the API (signalsite/front/cors.py) and open sockets. They send tokens, not cookies.
CORS_ALLOWED_ORIGINS: list[str] = env.list("CORS_ALLOWED_ORIGINS", [], subcast=origin("CORS_ALLOWED_ORIGINS"))
CORS_URLS_REGEX = r"^/(api/|health$|ready$)"
CORS_ALLOW_HEADERS = (
    *default_headers,
    "content-encoding",
    "idempotency-key",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "x-request-id",
)
CORS_EXPOSE_HEADERS = [
    "Allow",
    "Content-Disposition",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
]

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
    "URL_FORMAT_OVERRIDE": None,  # exports have a parameter `format` of their own
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Signal Service",
    "DESCRIPTION": "Option Greeks, implied volatility and trading signals: over HTTP and as batch jobs.",
    "VERSION": "2.0",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},  # else the page would ask swagger.io
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "HistoricalGreeksRowStatusEnum": "signals.computations.historical_greeks.STATUSES",
        "PortfoliosRowStatusEnum": "signals.computations.portfolios.STATUSES",
        "BarsRowStatusEnum": ["ok", "no_bars", "unfit", "bad_input", "cancelled", "internal_error"],  # indicators too
        "JobStatusEnum": "batch.jobs.models.Job.Status",
        "AnchorEnum": ["session", "epoch"],
        "AnchorParameterEnum": ["default", "session", "epoch"],
        "ExerciseParameterEnum": ["underlying", "european", "american"],
    },
    "PREPROCESSING_HOOKS": ["signalsite.schema.without_aliases"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "signalsite.schema.with_declared_components",
        "signalsite.schema.with_problems",
        "signalsite.schema_for_clients.with_optional_request_fields",
        "signalsite.schema_for_clients.with_required_bodies",
        "signalsite.schema_for_clients.with_whole_params",
    ],
}

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DEVELOPMENT
DOCS_SITE = BASE_DIR / "docs" / "_build" / "html"  # served at /docs/ where `make docs` has built it
