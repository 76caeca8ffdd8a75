"""What the service writes by itself of configurations, to read in the admin: versions, runs and changes."""

from itertools import islice
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from signals.configs.admin_pages import STYLES, ReadOnly, difference_table, reasons_table, shown_json
from signals.configs.models import (
    ConfigurationChange,
    ConfigurationResult,
    ConfigurationRun,
    ConfigurationVersion,
)

SHOWN_REASONS = 50


@admin.register(ConfigurationVersion)
class ConfigurationVersionAdmin(ReadOnly, admin.ModelAdmin):
    class Media:
        css = STYLES

    list_display = ("configuration", "number", "origin", "created_at")
    list_filter = ("origin",)
    list_select_related = ("configuration",)
    date_hierarchy = "created_at"
    search_fields = ("configuration__name", "configuration__id__exact")
    fields = ("configuration", "number", "origin", "entry_id", "created_at", "difference", "document_shown")
    ordering = ("-created_at",)
    show_full_result_count = False

    @admin.display(description="changed")
    def difference(self, version: ConfigurationVersion) -> SafeString | str:
        earlier = ConfigurationVersion.objects.filter(
            configuration_id=version.configuration_id, number__lt=version.number
        )
        before = earlier.order_by("-number").first()
        if before is None:
            return "The first version." if version.number == 1 else "The version before it has been deleted."
        return difference_table(before.document, version.document)

    @admin.display(description="document")
    def document_shown(self, version: ConfigurationVersion) -> SafeString:
        return shown_json(version.document)


@admin.register(ConfigurationRun)
class ConfigurationRunAdmin(ReadOnly, admin.ModelAdmin):
    class Media:
        css = STYLES

    list_display = (  # the first ones fit beside the filters
        *("due", "configuration", "state_shown", "failed", "lateness", "duration", "missed", "error_shown"),
        *("instruments", "attempt"),
    )
    list_filter = ("state",)
    list_select_related = ("configuration",)
    date_hierarchy = "due"
    search_fields = ("configuration__name", "configuration__id__exact")
    fields = (
        *("configuration", "version_shown", "due", "state_shown", "error", "failed", "reasons", "instruments"),
        *("missed", "lateness", "duration", "attempt", "started_at", "claimed_at", "finished_at"),
    )
    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup == "configuration__id__exact" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    @admin.display(description="version", ordering="version")
    def version_shown(self, run: ConfigurationRun) -> SafeString | int:
        found = ConfigurationVersion.objects.filter(configuration_id=run.configuration_id, number=run.version).first()
        if found is None:
            return run.version
        address = reverse("admin:signals_configurationversion_change", args=[found.pk])
        return format_html('<a href="{}">{}</a>', address, run.version)

    @admin.display(description="reasons")
    def reasons(self, run: ConfigurationRun) -> SafeString | str:
        """Say why values are missing."""
        results = ConfigurationResult.objects.filter(
            configuration_id=run.configuration_id, time=run.due, run=run.pk
        ).exclude(reasons={})
        rows = [
            (each.instrument_key, str(name), str(reason))
            for each in results.order_by("instrument_key")[:SHOWN_REASONS]
            if isinstance(each.reasons, dict)
            for name, reason in sorted(each.reasons.items())
        ]
        return reasons_table(list(islice(rows, SHOWN_REASONS))) if rows else "-"

    @admin.display(description="state", ordering="state")
    def state_shown(self, run: ConfigurationRun) -> SafeString:
        return format_html('<span class="state {}">{}</span>', run.state, run.state)

    @admin.display(description="late, ms", ordering="lateness_ms")
    def lateness(self, run: ConfigurationRun) -> str:
        return "" if run.lateness_ms is None else f"{run.lateness_ms:,.0f}"

    @admin.display(description="took, ms", ordering="duration_ms")
    def duration(self, run: ConfigurationRun) -> str:
        return "" if run.duration_ms is None else f"{run.duration_ms:,.0f}"

    @admin.display(description="error")
    def error_shown(self, run: ConfigurationRun) -> str:
        return run.error[:120]


@admin.register(ConfigurationChange)
class ConfigurationChangeAdmin(ReadOnly, admin.ModelAdmin):
    class Media:
        css = STYLES

    list_display = ("id", "name", "owner_id", "what", "time", "applied_at")
    list_filter = (("applied_at", admin.EmptyFieldListFilter),)
    date_hierarchy = "time"
    search_fields = ("name", "configuration_id__exact")
    fields = ("name", "configuration_id", "owner_id", "time", "applied_at", "difference")
    ordering = ("-id",)
    show_full_result_count = False

    @admin.display(description="change")
    def what(self, change: ConfigurationChange) -> str:
        if change.before is None:
            return "created"
        return "deleted" if change.after is None else "changed"

    @admin.display(description="difference")
    def difference(self, change: ConfigurationChange) -> SafeString:
        return difference_table(change.before, change.after)
