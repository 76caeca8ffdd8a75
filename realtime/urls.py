"""Addresses of the live snapshot."""

from django.urls import path

from realtime.serializers import MAX_KEYS
from realtime.views import LiveChainView, LiveGreeksView, ManyLiveGreeksView
from signalsite.foundation.bodies import accepts

KEYS_BYTES = MAX_KEYS * 512  # a key has up to 120 characters

urlpatterns = [
    path("greeks", accepts(ManyLiveGreeksView.as_view(), KEYS_BYTES), name="live-greeks-many"),
    path("greeks/<path:instrument_key>", LiveGreeksView.as_view(), name="live-greeks"),
    path("chain/<path:underlying>", LiveChainView.as_view(), name="live-chain"),
]
