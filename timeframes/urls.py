"""Addresses of what happened."""

from django.urls import path

from timeframes.bars.views import AvailableTimeframesView, BarsView

urlpatterns = [
    path("bars/<path:instrument_key>", BarsView.as_view(), name="historical-bars"),
    path(
        "available-timeframes/<path:instrument_key>",
        AvailableTimeframesView.as_view(),
        name="historical-available-timeframes",
    ),
]
