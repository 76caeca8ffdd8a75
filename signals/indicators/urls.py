"""The addresses of indicators. Those under `historical/` and `realtime/` come before the addresses of those rooms."""

from django.urls import path

from signals.indicators.views import IndicatorHistoryView, IndicatorsView, NewestIndicatorView

indicator_urls = [
    path("indicators", IndicatorsView.as_view(), name="indicators"),
    path(
        "historical/indicators/<path:instrument_key>/<str:indicator>",
        IndicatorHistoryView.as_view(),
        name="historical-indicators",
    ),
    path(
        "realtime/indicators/<path:instrument_key>/<str:indicator>",
        NewestIndicatorView.as_view(),
        name="realtime-indicators",
    ),
]
