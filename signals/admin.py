"""Instruments and underlyings in the admin, and what other modules add to their pages."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AdminTextInputWidget
from django.db.models import TextField
from django.http import HttpRequest

from signals.configs.admin import ConfigurationAdmin
from signals.configs.record_admin import ConfigurationChangeAdmin, ConfigurationRunAdmin, ConfigurationVersionAdmin
from signals.functions.admin import FunctionRunAdmin, UserFunctionAdmin
from signals.instruments.models import Instrument, Underlying
from signals.rates.admin import DatedYieldAdmin, DividendAdmin, ZeroRateAdmin

__all__ = [
    "ConfigurationAdmin",
    "ConfigurationChangeAdmin",
    "ConfigurationRunAdmin",
    "ConfigurationVersionAdmin",
    "DatedYieldAdmin",
    "DividendAdmin",
    "FunctionRunAdmin",
    "InstrumentAdmin",
    "UnderlyingAdmin",
    "UserFunctionAdmin",
    "ZeroRateAdmin",
]


class Keyed(admin.ModelAdmin):
    """Rows that are named by their key: to save one under another key would make a second row."""

    formfield_overrides = {TextField: {"widget": AdminTextInputWidget}}  # all of them are short
    fixed_fields: tuple[str, ...] = ("key",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.fixed_fields if obj is not None else ()


@admin.register(Underlying)
class UnderlyingAdmin(Keyed):
    fixed_fields = ("key", "exchange", "symbol")
    list_display = ("key", "exchange", "symbol", "pricing_model", "exercise", "dividend_yield", "volatility_index_key")
    list_filter = ("exchange", "pricing_model", "exercise")
    list_editable = ("pricing_model", "exercise", "dividend_yield")
    fields = (
        "key",
        "exchange",
        "symbol",
        "spot_key",
        "volatility_index_key",
        "pricing_model",
        "exercise",
        "dividend_yield",
    )
    search_fields = ("key", "symbol")


@admin.register(Instrument)
class InstrumentAdmin(Keyed):
    list_display = ("key", "product", "expiry", "right", "strike_price", "lot_size", "tick_price", "expires_at")
    fields = (
        *("key", "underlying", "product", "expiry", "expires_at", "right", "strike"),
        *("lot_size", "lot_size_as_of", "tick_size", "tick_size_as_of"),
    )
    ordering = ("underlying", "expiry", "strike", "right")  # by number, where keys would sort 9,000 after 10,000
    list_filter = ("product", "right", "underlying__exchange")
    list_select_related = ("underlying",)
    date_hierarchy = "expiry"
    search_fields = ("key",)
    autocomplete_fields = ("underlying",)
    show_full_result_count = False

    @admin.display(description="strike", ordering="strike")
    def strike_price(self, instrument: Instrument) -> str:
        return "" if instrument.strike is None else f"{instrument.strike.normalize():f}"

    @admin.display(description="tick size", ordering="tick_size")
    def tick_price(self, instrument: Instrument) -> str:
        return "" if instrument.tick_size is None else f"{instrument.tick_size.normalize():f}"
