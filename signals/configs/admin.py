"""Configurations in the admin: the document with all its faults, its history, pausing."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from signals.configs import services
from signals.configs.admin_pages import STYLES, difference_table, pretty, shown_json
from signals.configs.core.text import read_text
from signals.configs.models import Configuration, ConfigurationVersion
from signalsite.foundation.errors import Conflict

SHOWN_VERSIONS = 20  # in the history
EXAMPLE = """{
  "name": "nifty-5m",
  "instruments": ["NSE@NIFTY@equity_spot"],
  "interval": "5m",
  "frequency": "bar",
  "indicators": ["rsi(length=14)", "macd"],
  "functions": ["pivots"]
}"""


class ConfigurationForm(forms.ModelForm):
    """The document as text. The form holds the lock of changes from its check until it is saved."""

    text = forms.CharField(
        label="Document",
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 32, "cols": 110, "spellcheck": "false", "class": "code", "placeholder": EXAMPLE}
        ),
        help_text="JSON, as docs/configurations.md describes it. Short forms are understood.",
    )
    read_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    class Meta:
        model = Configuration
        fields = ("owner",)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.instance.pk is not None and not self.instance._state.adding:
            self.initial["text"] = pretty(self.instance.document)
            self.initial["read_version"] = self.instance.version

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        text, new = cleaned.get("text"), self.instance._state.adding
        owner = cleaned.get("owner") if new else self.instance.owner
        if text is None or owner is None:
            return cleaned
        value, faults = read_text(text, most_bytes=4 * settings.CONFIG_MAX_BYTES)
        try:
            if faults:
                raise services.InvalidConfiguration(faults)
            services.one_at_a_time()
            if new:
                document = services.check(owner, value)
                self._check_new(owner, document.name)
            else:
                services.check_named(self.instance, value)
                self._check_version(cleaned.get("read_version"))
        except services.InvalidConfiguration as error:
            raise ValidationError({"text": [f"{field}: {message}" for field, message in error.faults]}) from error
        cleaned["document"] = value
        return cleaned

    def _check_new(self, owner: Any, name: str) -> None:
        own = Configuration.objects.filter(owner=owner)
        if own.filter(name=name).exists():
            raise ValidationError({"text": f"name: {owner} has a configuration {name} already"})
        if own.count() >= settings.CONFIGS_PER_USER:
            raise ValidationError(f"{owner} has {settings.CONFIGS_PER_USER} configurations. Delete one first.")

    def _check_version(self, read: int | None) -> None:
        version = Configuration.objects.filter(pk=self.instance.pk).values_list("version", flat=True).first()
        if version != read:
            raise ValidationError("Somebody has changed or deleted it since you opened this page. Open it again.")


@admin.register(Configuration)
class ConfigurationAdmin(admin.ModelAdmin):
    class Media:
        css = STYLES

    form = ConfigurationForm
    list_display = (  # the first ones fit beside the filters
        *("name", "interval", "frequency_shown", "active", "runs", "next_due", "owner", "instruments", "version"),
        *("origin", "updated_at"),
    )
    list_filter = (
        *("active", "interval", "frequency", "origin"),
        ("next_due", admin.EmptyFieldListFilter),
        ("owner", admin.RelatedOnlyFieldListFilter),
    )
    list_select_related = ("owner",)
    date_hierarchy = "updated_at"
    search_fields = ("name", "owner__username", "underlyings__icontains")
    search_help_text = "A name, an owner's name, or an underlying such as NSE@NIFTY"
    show_full_result_count = False
    actions = ("pause", "resume")
    readonly_fields = ("active", "version", "origin", "entry_id", "created_at", "updated_at", "next_due", "history")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        if obj is None:
            return ["owner", "text"]
        facts = [("owner", "version", "active"), ("next_due", "origin", "entry_id"), ("created_at", "updated_at")]
        return (
            [*facts, "text", "read_version", "history"]
            if self.has_change_permission(request, obj)
            else [
                *facts,
                "document_shown",
                "history",
            ]
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.readonly_fields if obj is None else (*self.readonly_fields, "owner", "document_shown")

    @admin.display(description="instruments")
    def instruments(self, configuration: Configuration) -> str:
        document = configuration.document
        keys = document.get("instruments") if isinstance(document, dict) else None
        if not isinstance(keys, list) or not keys:
            return "unreadable"
        return str(keys[0]) if len(keys) == 1 else f"{keys[0]} and {len(keys) - 1} more"

    @admin.display(description="frequency", ordering="frequency")
    def frequency_shown(self, configuration: Configuration) -> str:
        return configuration.frequency or "with every tick"

    @admin.display(description="runs")
    def runs(self, configuration: Configuration) -> SafeString:
        address = reverse("admin:signals_configurationrun_changelist")
        return format_html('<a href="{}?configuration__id__exact={}">runs</a>', address, configuration.pk)

    @admin.display(description="document")
    def document_shown(self, configuration: Configuration) -> SafeString:
        return shown_json(configuration.document)

    @admin.display(description="history")
    def history(self, configuration: Configuration) -> SafeString:
        versions = list(configuration.versions.order_by("-number")[: SHOWN_VERSIONS + 1])
        rows = [
            (each.number, f"{each.created_at:%Y-%m-%d %H:%M:%S}", each.origin, each.entry_id, _step(versions, place))
            for place, each in enumerate(versions[:SHOWN_VERSIONS])
        ]
        return format_html_join("", '<div class="version"><h3>Version {} · {} UTC · {} {}</h3>{}</div>', rows)

    def save_model(self, request: HttpRequest, obj: Configuration, form: Any, change: bool) -> None:
        now, document = timezone.now(), form.cleaned_data["document"]
        if change:
            services.rewrite(obj, document, origin=Configuration.Origin.ADMIN, now=now)
            return
        made, _ = services.save(obj.owner, document, origin=Configuration.Origin.ADMIN, now=now)
        obj.pk, obj.name = made.pk, made.name
        obj._state.adding = False

    @admin.action(description="Pause selected configurations", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Configuration]) -> None:
        self._set(request, queryset, active=False)

    @admin.action(description="Resume selected configurations", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Configuration]) -> None:
        self._set(request, queryset, active=True)

    def _set(self, request: HttpRequest, rows: Iterable[Configuration], *, active: bool) -> None:
        count = 0
        for row in rows:
            try:
                services.set_active(row, active, origin=Configuration.Origin.ADMIN, now=timezone.now())
            except Conflict as error:
                self.message_user(request, str(error), messages.WARNING)
            else:
                self.log_change(request, row, "Resumed." if active else "Paused.")
                count += 1
        if count:
            self.message_user(request, f"{count} {'resumed' if active else 'paused'}.", messages.SUCCESS)

    def delete_model(self, request: HttpRequest, obj: Configuration) -> None:
        services.delete(obj, now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Configuration]) -> None:
        for each in queryset:
            services.delete(each, now=timezone.now())

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name the configurations alone: Django's own list would have each of a million runs."""
        named = [f"{each.name}, with its versions and runs" for each in objs]
        missing = set() if self.has_delete_permission(request) else {self.opts.verbose_name}
        return named, {self.opts.verbose_name_plural: len(named)}, missing, []


def _step(versions: list[ConfigurationVersion], place: int) -> SafeString | str:
    """Return what a version changed."""
    if place + 1 == len(versions):
        return "The first version." if versions[place].number == 1 else ""
    return difference_table(versions[place + 1].document, versions[place].document)
