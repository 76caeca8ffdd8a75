"""Every address of the service."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerView
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from realtime.asyncapi_views import asyncapi
from realtime.ticket_views import TicketView
from signalsite.health import health, ready
from signalsite.schema import SchemaView

v2: list[URLPattern | URLResolver] = [
    path("batch/", include("batch.urls")),
    path("realtime/", include("realtime.urls")),
    path("subscriptions/ticket", TicketView.as_view(), name="socket-ticket"),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="docs")),
    path("health", health),
    path("ready", ready),
    path("", include("django_prometheus.urls")),
    path("admin/", admin.site.urls),
    path("api/token", TokenObtainPairView.as_view(), name="token"),
    path("api/token/refresh", TokenRefreshView.as_view(), name="token-refresh"),
    path("api/schema", SchemaView.as_view(), name="schema"),
    path("api/asyncapi.json", asyncapi, name="asyncapi"),
    path("api/docs", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/v2/", include(v2)),  # an alias; before the canonical prefix, so that reverse() gives the latter
    path("api/v2/signals/", include(v2)),
]
