"""The URLs of the service."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView

from batch.configs.urls import config_run_urls
from batch.exports.bars import BarsExportView
from batch.exports.chain_values import AtmExportView, LevelExportView
from batch.exports.config_results import ConfigurationResultsExportView
from batch.exports.historical_greeks import HistoricalGreeksExportView
from batch.exports.indicators import IndicatorExportView
from batch.jobs.historical_greeks import HistoricalGreeksView
from batch.jobs.instrument_greeks import InstrumentGreeksView
from batch.jobs.position_greeks import MOST_BYTES as POSITION_BYTES
from batch.jobs.position_greeks import PositionGreeksView
from moneyness.instrument_service.urls import instrument_service_urls
from realtime.snapshot.live_keys import live_among
from realtime.snapshot.newest_smile import newest_smile
from realtime.sockets.asyncapi_views import asyncapi
from realtime.sockets.ticket_views import TicketView
from signals.computations.dry_run_bars import stored_bars
from signals.configs.urls import config_urls
from signals.functions.urls import function_urls
from signals.indicators.urls import indicator_urls
from signals.instruments.urls import listing_urls
from signalsite.accounts.views import RefreshView, SignInView, SignOutView
from signalsite.docs_site import docs_site
from signalsite.foundation.bodies import accepts
from signalsite.health import health, ready
from signalsite.metrics_view import metrics
from signalsite.schema import SchemaView

admin.autodiscover()  # here instead of at every start (accounts/apps.py)

TOKEN_BYTES = 4 << 10  # enough for a name and a password, or for a token

v2: list[URLPattern | URLResolver] = [
    path("batch/", include("batch.urls")),
    path(
        "historical/indicators/<path:instrument_key>/<str:indicator>/export",
        IndicatorExportView.as_view(),
        name="historical-indicators-export",
    ),
    *indicator_urls,
    path("realtime/", include("realtime.urls")),
    # Before the pages, whose address takes a key with any number of slashes.
    path("historical/bars/<path:instrument_key>/export", BarsExportView.as_view(), name="historical-bars-export"),
    path(
        "historical/greeks/<path:instrument_key>/export",
        HistoricalGreeksExportView.as_view(),
        name="historical-greeks-export",
    ),
    path("historical/greeks/<path:instrument_key>", HistoricalGreeksView.as_view(), name="historical-greeks"),
    path(
        "historical/moneyness/<path:underlying>/greeks/<str:moneyness_level>/export",
        LevelExportView.as_view(),
        name="historical-level-export",
    ),
    path(
        "historical/moneyness/<path:underlying>/atm-iv/history/export",
        AtmExportView.as_view(),
        name="historical-atm-iv-export",
    ),
    path("historical/moneyness/", include("moneyness.urls")),
    path("historical/", include("timeframes.urls")),
    # Before the listing's own `instruments/<path>`, which takes a key with any number of slashes.
    path("instruments/<path:instrument_key>/greeks", InstrumentGreeksView.as_view(), name="instrument-greeks"),
    *listing_urls(live_among),
    *instrument_service_urls(newest_smile),
    path("positions/greeks", accepts(PositionGreeksView.as_view(), POSITION_BYTES), name="position-greeks"),
    *function_urls(stored_bars),
    path(
        "configs/<uuid:config_id>/results/export",
        ConfigurationResultsExportView.as_view(),
        name="configuration-results-export",
    ),
    *config_run_urls,
    *config_urls,
    path("subscriptions/ticket", TicketView.as_view(), name="socket-ticket"),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="docs")),
    path("favicon.ico", RedirectView.as_view(url=static("drf_spectacular_sidecar/swagger-ui-dist/favicon-32x32.png"))),
    path("health", health),
    path("ready", ready),
    path("metrics", metrics),
    path("admin/", admin.site.urls),
    path("docs/", docs_site, name="docs-site"),
    path("docs/<path:path>", docs_site),
    path("api/token", accepts(SignInView.as_view(), TOKEN_BYTES), name="token"),
    path("api/token/refresh", accepts(RefreshView.as_view(), TOKEN_BYTES), name="token-refresh"),
    path("api/token/logout", accepts(SignOutView.as_view(), TOKEN_BYTES), name="token-logout"),
    path("api/schema", SchemaView.as_view(), name="schema"),
    path("api/asyncapi.json", asyncapi, name="asyncapi"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("api/v2/", include(v2)),  # an alias; listed first, so that reverse() returns the canonical prefix
    path("api/v2/signals/", include(v2)),
]
