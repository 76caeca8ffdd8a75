"""The URLs of the service."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView

from realtime.sockets.asyncapi_views import asyncapi
from realtime.sockets.ticket_views import TicketView
from signalsite.accounts.views import RefreshView, SignInView, SignOutView
from signalsite.foundation.bodies import accepts
from signalsite.health import health, ready
from signalsite.metrics_view import metrics
from signalsite.schema import SchemaView

TOKEN_BYTES = 4 << 10  # enough for a name and a password, or for a token

v2: list[URLPattern | URLResolver] = [
    path("batch/", include("batch.urls")),
    path("realtime/", include("realtime.urls")),
    path("subscriptions/ticket", TicketView.as_view(), name="socket-ticket"),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="docs")),
    path("favicon.ico", RedirectView.as_view(url=static("drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png"))),
    path("health", health),
    path("ready", ready),
    path("metrics", metrics),
    path("admin/", admin.site.urls),
    path("api/token", accepts(SignInView.as_view(), TOKEN_BYTES), name="token"),
    path("api/token/refresh", accepts(RefreshView.as_view(), TOKEN_BYTES), name="token-refresh"),
    path("api/token/logout", accepts(SignOutView.as_view(), TOKEN_BYTES), name="token-logout"),
    path("api/schema", SchemaView.as_view(), name="schema"),
    path("api/asyncapi.json", asyncapi, name="asyncapi"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("api/v2/", include(v2)),  # an alias; listed first, so that reverse() returns the canonical prefix
    path("api/v2/signals/", include(v2)),
]
