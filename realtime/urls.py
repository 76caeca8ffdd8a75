"""Addresses of the live snapshot. The event loop answers GET requests with the same reads as the views."""

from django.urls import path

from realtime.snapshot import reads
from realtime.snapshot.serializers import MAX_KEYS
from realtime.snapshot.views import LiveChainView, LiveGreeksView, ManyLiveGreeksView
from signalsite.foundation.bodies import accepts, on_loop

KEYS_BYTES = MAX_KEYS * 512  # a key has up to 120 characters

many = on_loop(ManyLiveGreeksView.as_view(), reads.listed)
one = on_loop(LiveGreeksView.as_view(), reads.one)
chain = on_loop(LiveChainView.as_view(), reads.chain)

urlpatterns = [
    path("greeks", accepts(many, KEYS_BYTES), name="live-greeks-many"),
    path("greeks/<path:instrument_key>", one, name="live-greeks"),
    path("chain/<path:underlying>", chain, name="live-chain"),
]
