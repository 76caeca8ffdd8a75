"""Addresses of the instrument service."""

from django.urls import URLPattern, path

from moneyness.instrument_service.own import NewestSmile
from moneyness.instrument_service.views import VIEWS


def instrument_service_urls(newest: NewestSmile) -> list[URLPattern]:
    """`newest`: live states belong to an app above this one, which passes in how to read them."""
    return [
        path(f"instrument-service/{name}", view.as_view(newest=staticmethod(newest)), name=f"instrument-service-{name}")
        for name, view in VIEWS.items()
    ]
