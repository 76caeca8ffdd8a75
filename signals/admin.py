"""Instruments and underlyings in the admin."""

from django.contrib import admin

from signals.instruments.models import Instrument, Underlying


@admin.register(Underlying)
class UnderlyingAdmin(admin.ModelAdmin):
    list_display = ("key", "exchange", "symbol", "pricing_model", "dividend_yield", "volatility_index_key")
    list_filter = ("exchange", "pricing_model")
    list_editable = ("pricing_model", "dividend_yield")
    search_fields = ("key", "symbol")


@admin.register(Instrument)
class InstrumentAdmin(admin.ModelAdmin):
    list_display = ("key", "product", "expiry", "right", "strike", "lot_size", "tick_size", "expires_at")
    list_filter = ("product", "right", "underlying__exchange")
    list_select_related = ("underlying",)
    date_hierarchy = "expiry"
    search_fields = ("key",)
    autocomplete_fields = ("underlying",)
    show_full_result_count = False
