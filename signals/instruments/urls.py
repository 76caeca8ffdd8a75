"""Addresses of the listing."""

from django.urls import URLPattern, path

from signals.instruments import views
from signals.instruments.listing import LiveAmong


def listing_urls(live_among: LiveAmong) -> list[URLPattern]:
    """`live_among`: live states belong to an app above this one, which passes in how to ask for them."""
    one = views.InstrumentView.as_view(live_among=live_among)
    return [
        path("underlyings", views.UnderlyingsView.as_view(), name="underlyings"),
        path("underlyings/<path:underlying>/expiries", views.ExpiriesView.as_view(), name="underlying-expiries"),
        path("instruments", views.InstrumentsView.as_view(live_among=live_among), name="instruments"),
        path("instruments/<path:instrument_key>", one, name="instrument"),
    ]
