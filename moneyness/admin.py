"""Settings of chains in the admin."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AdminTextInputWidget
from django.db.models import TextField
from django.http import HttpRequest

from moneyness.models import ChainSettings


@admin.register(ChainSettings)
class ChainSettingsAdmin(admin.ModelAdmin):
    formfield_overrides = {TextField: {"widget": AdminTextInputWidget}}  # all of them are short
    list_display = ("underlying", "strikes", "deltas", "bands", "atm_volatility", "hysteresis", "record_seconds")
    list_select_related = ("underlying",)
    search_fields = ("underlying__key",)
    autocomplete_fields = ("underlying",)
    fieldsets = (
        (None, {"fields": ("underlying",)}),
        ("Levels", {"fields": ("strikes", "bands", "deltas", "hysteresis", "record_seconds")}),
        ("Volatility", {"fields": ("atm_volatility", "tenors", "worst_fit")}),
        ("Open interest", {"fields": ("gamma_formula", "dealer_sign", "walls")}),
    )
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("underlying",) if obj is not None else ()
