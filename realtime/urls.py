"""Addresses of the live snapshot. The event loop answers GET requests with the same reads as the views."""

from django.urls import path

from realtime.snapshot import chain_reads, chain_views, reads
from realtime.snapshot.serializers import MAX_KEYS
from realtime.snapshot.views import LiveChainView, LiveGreeksView, ManyLiveGreeksView
from signalsite.foundation.bodies import accepts, on_loop

KEYS_BYTES = MAX_KEYS * 512  # a key has up to 120 characters

many = on_loop(ManyLiveGreeksView.as_view(), reads.listed)
one = on_loop(LiveGreeksView.as_view(), reads.one)
chain = on_loop(LiveChainView.as_view(), reads.chain)
level = on_loop(chain_views.LevelView.as_view(), chain_reads.level)
atm = on_loop(chain_views.AtmView.as_view(), chain_reads.atm)
otm_delta = on_loop(chain_views.DeltaView.as_view(), chain_reads.otm_delta)
smile = on_loop(chain_views.SmileView.as_view(), chain_reads.smile)
analytics = on_loop(chain_views.AnalyticsView.as_view(), chain_reads.analytics)
term = on_loop(chain_views.TermStructureView.as_view(), chain_reads.term)
surface = on_loop(chain_views.SurfaceView.as_view(), chain_reads.surface)

urlpatterns = [
    path("greeks", accepts(many, KEYS_BYTES), name="live-greeks-many"),
    path("greeks/<path:instrument_key>", one, name="live-greeks"),
    path("chain/<path:underlying>", chain, name="live-chain"),
    path("moneyness/<path:underlying>/greeks/<str:moneyness_level>", level, name="live-level"),
    path("moneyness/<path:underlying>/atm-iv", atm, name="live-atm-iv"),
    path("moneyness/<path:underlying>/otm-delta", otm_delta, name="live-otm-delta"),
    path("smile/<path:underlying>", smile, name="live-smile"),
    path("analytics/<path:underlying>", analytics, name="live-analytics"),
    path("term-structure/<path:underlying>", term, name="live-term-structure"),
    path("surface/<path:underlying>", surface, name="live-surface"),
]
