"""Rates, dividends and yields in the admin."""

from django.contrib import admin
from django.contrib.admin.widgets import AdminTextInputWidget
from django.db.models import TextField

from signals.rates.models import DatedYield, Dividend, ZeroRate


class Fact(admin.ModelAdmin):
    formfield_overrides = {TextField: {"widget": AdminTextInputWidget}}  # all of them are short
    show_full_result_count = False


@admin.register(ZeroRate)
class ZeroRateAdmin(Fact):
    list_display = ("currency", "date", "tenor_days", "rate", "source")
    list_filter = ("currency",)
    date_hierarchy = "date"


@admin.register(Dividend)
class DividendAdmin(Fact):
    list_display = ("underlying", "ex_date", "amount", "currency", "announced", "source")
    list_select_related = ("underlying",)
    date_hierarchy = "ex_date"
    search_fields = ("underlying__key",)
    autocomplete_fields = ("underlying",)


@admin.register(DatedYield)
class DatedYieldAdmin(Fact):
    list_display = ("underlying", "since", "dividend_yield", "source")
    list_select_related = ("underlying",)
    date_hierarchy = "since"
    search_fields = ("underlying__key",)
    autocomplete_fields = ("underlying",)
