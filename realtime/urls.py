"""Addresses of the live snapshot."""

from django.urls import path

from realtime.views import LiveChainView, LiveGreeksView, ManyLiveGreeksView

urlpatterns = [
    path("greeks", ManyLiveGreeksView.as_view(), name="live-greeks-many"),
    path("greeks/<path:instrument_key>", LiveGreeksView.as_view(), name="live-greeks"),
    path("chain/<path:underlying>", LiveChainView.as_view(), name="live-chain"),
]
