"""Addresses of what happened."""

from django.urls import path

from signalsite.foundation.bodies import on_loop
from timeframes.bars.on_loop import bars
from timeframes.bars.views import AvailableTimeframesView, BarsView

urlpatterns = [
    path("bars/<path:instrument_key>", on_loop(BarsView.as_view(), bars), name="historical-bars"),
    path(
        "available-timeframes/<path:instrument_key>",
        AvailableTimeframesView.as_view(),
        name="historical-available-timeframes",
    ),
]
