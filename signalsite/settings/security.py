"""Secrets, hosts, sign-in and what production refuses."""

import os
from datetime import timedelta

from csp.constants import NONCE as CSP_NONCE
from csp.constants import NONE as CSP_NONE
from csp.constants import SELF as CSP_SELF
from django.core.exceptions import ImproperlyConfigured

from signalsite.embedded import state as embedded

from .environment import DEVELOPMENT, STATE_DIR, at_least, between, env, network

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"] if DEVELOPMENT else [])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", not DEVELOPMENT)
METRICS_TOKEN = env.str("METRICS_TOKEN", "")
METRICS_ALLOWED_NETWORKS = env.list("METRICS_ALLOWED_NETWORKS", [], subcast=network("METRICS_ALLOWED_NETWORKS"))
# The proxies whose X-Forwarded-For we believe. uvicorn reads the same variable; `manage.py up` passes it on.
FORWARDED_ALLOW_IPS = env.list("FORWARDED_ALLOW_IPS", [], subcast=network("FORWARDED_ALLOW_IPS"))

_MUST_BE_SET = {
    "SECRET_KEY": "python3 -c 'import secrets; print(secrets.token_urlsafe(48))' makes a good one",
    "ALLOWED_HOSTS": "the names under which the site is reached, separated by commas, such as signals.example.com",
    "DATABASE_URL": "the address of PostgreSQL: postgresql://user:password@host:5432/name",
    "REDIS_URL": "the address of a Redis that never evicts: redis://:password@host:6379/0",
}
if DEVELOPMENT:
    SECRET_KEY = SECRET_KEY or embedded.secret(STATE_DIR, "secret_key", nbytes=48)
else:
    for variable, right in _MUST_BE_SET.items():
        if not env.str(variable, ""):
            raise ImproperlyConfigured(f"{variable} must be set when SIGNALSITE_ENV=production: {right}")
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

# Limits on guessing passwords (docs/security.md): attempts before the first delay for one account from one address,
# for one account from all addresses, and for one address; the longest delay; passwords hashed at once.
SIGN_IN_ATTEMPTS = env.int("SIGN_IN_ATTEMPTS", 5, validate=at_least(1))
SIGN_IN_ACCOUNT_ATTEMPTS = env.int("SIGN_IN_ACCOUNT_ATTEMPTS", 20, validate=at_least(1))
SIGN_IN_ADDRESS_ATTEMPTS = env.int("SIGN_IN_ADDRESS_ATTEMPTS", 100, validate=at_least(1))
SIGN_IN_LONGEST_DELAY_SECONDS = env.float("SIGN_IN_LONGEST_DELAY_SECONDS", 900.0, validate=between(1, 86_400))
SIGN_IN_CONCURRENCY = env.int("SIGN_IN_CONCURRENCY", max((os.cpu_count() or 1) // 2, 1), validate=between(1, 64))

ACCESS_TOKEN_MINUTES = env.int("ACCESS_TOKEN_MINUTES", 60, validate=between(1, 1440))
REFRESH_TOKEN_HOURS = env.int("REFRESH_TOKEN_HOURS", 24, validate=between(1, 24 * 365))
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=ACCESS_TOKEN_MINUTES),
    "REFRESH_TOKEN_LIFETIME": timedelta(hours=REFRESH_TOKEN_HOURS),
    "CHECK_REVOKE_TOKEN": True,  # a change of password revokes every token
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
SECURE_REDIRECT_EXEMPT = [r"^health$", r"^ready$", r"^metrics$"]  # probes use plain HTTP inside the network

# Pages load only what this site serves. Inline scripts and styles need the nonce of their response.
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ["/api/v2/", "/health", "/ready", "/metrics"],  # these answer no pages, and often
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
