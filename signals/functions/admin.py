"""Users' functions in the admin: upload, versions with their sources as text, and the log."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from signals.functions import services
from signals.functions.core.naming import check_source
from signals.functions.models import SHOWN_DIGEST, FunctionRun, FunctionVersion, UserFunction
from signals.functions.running import FunctionRefused, check_in_sandbox
from signals.functions.sandbox.starter import SandboxUnavailable
from signalsite.foundation.errors import InvalidInput, LimitExceeded

EXAMPLE = """def compute(data, params):
    close = data["close"]
    return close[-1] / close[-params.get("length", 20):].mean() - 1.0
"""


class FunctionForm(forms.ModelForm):
    """The source is compiled in the sandbox while the form is checked, so that errors stand beside it."""

    source = forms.CharField(
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 24, "cols": 110, "spellcheck": "false", "class": "code", "placeholder": EXAMPLE}
        ),
        help_text="Python that defines compute(data, params). For an existing function: a new version of it.",
    )
    user: Any = None

    class Meta:
        model = UserFunction
        fields = ("name", "description")
        widgets = {"name": forms.TextInput(), "description": forms.Textarea(attrs={"rows": 3})}

    def clean_source(self) -> str:
        source: str = self.cleaned_data["source"].replace("\r\n", "\n")
        if not source:
            if self.instance._state.adding:
                raise ValidationError("A function needs a source.")
            return ""
        try:
            check_source(source)
            check_in_sandbox(source)
        except FunctionRefused as error:
            raise ValidationError(
                [each.message if each.line is None else f"line {each.line}: {each.message}" for each in error.faults]
            ) from error
        except (InvalidInput, LimitExceeded, SandboxUnavailable) as error:
            raise ValidationError(str(error)) from error
        return source

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance._state.adding:
            name, mine = cleaned.get("name"), UserFunction.objects.filter(owner=self.user)
            if name in services.RESERVED or mine.filter(name=name).exists():
                raise ValidationError({"name": "This name is taken."})
            if mine.count() >= settings.FUNCTIONS_PER_USER:
                raise ValidationError(f"You have {settings.FUNCTIONS_PER_USER} functions. Delete one first.")
        elif self.instance.versions.count() >= settings.FUNCTIONS_VERSIONS and cleaned.get("source"):
            raise ValidationError({"source": f"The function has {settings.FUNCTIONS_VERSIONS} versions."})
        return cleaned


class VersionInline(admin.TabularInline):
    model = FunctionVersion
    fields = readonly_fields = ("number", "made", "text")
    can_delete = False
    extra = 0
    ordering = ("-number",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("signals.view_userfunction") or request.user.has_perm(
            "signals.change_userfunction"
        )

    @admin.display(description="made")
    def made(self, version: FunctionVersion) -> SafeString:
        at, digest = f"{version.created_at:%Y-%m-%d %H:%M:%S} UTC", version.digest[:SHOWN_DIGEST]
        return format_html('{}<br><span title="{}">{}</span>', at, version.digest, digest)

    @admin.display(description="source")
    def text(self, version: FunctionVersion) -> SafeString:
        return format_html("<pre>{}</pre>", version.source)


@admin.register(UserFunction)
class UserFunctionAdmin(admin.ModelAdmin):
    class Media:
        css = {"all": ("signalsite/admin.css",)}

    form = FunctionForm
    list_display = ("name", "owner", "newest", "description", "created_at")
    list_select_related = ("owner",)
    search_fields = ("name", "owner__username")
    fields = ("name", "description", "source")
    inlines = (VersionInline,)
    show_full_result_count = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("name",) if obj is not None else ()

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.inlines if obj is not None else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        made = super().get_form(request, obj, change=change, **kwargs)
        return type("FunctionFormOfUser", (made,), {"user": request.user})

    @admin.display(description="version")
    def newest(self, function: UserFunction) -> int | None:
        return function.versions.order_by("-number").values_list("number", flat=True).first()

    def save_model(self, request: HttpRequest, obj: UserFunction, form: Any, change: bool) -> None:
        now, source = timezone.now(), form.cleaned_data.get("source", "")
        if change:
            services.describe(obj, obj.description)
            if source:
                services.add_version(obj, source=source, now=now)
            return
        made = services.create(request.user, name=obj.name, description=obj.description, source=source, now=now)  # type: ignore[arg-type]
        obj.pk, obj.owner_id, obj.created_at = made.function.pk, made.function.owner_id, made.function.created_at
        obj._state.adding = False

    def delete_model(self, request: HttpRequest, obj: UserFunction) -> None:
        services.delete(obj, now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for each in queryset:
            services.delete(each, now=timezone.now())


@admin.register(FunctionRun)
class FunctionRunAdmin(admin.ModelAdmin):
    list_display = ("time", "owner", "name", "action", "calls", "failed", "took", "error", "short_digest")
    fields = ("time", "owner", "name", "action", "calls", "failed", "took", "error", "digest")
    list_filter = ("action",)
    list_select_related = ("owner",)
    date_hierarchy = "time"
    search_fields = ("name", "digest__exact", "owner__username")
    show_full_result_count = False

    @admin.display(description="digest", ordering="digest")
    def short_digest(self, run: FunctionRun) -> str:
        return run.digest[:SHOWN_DIGEST]

    @admin.display(description="took, ms", ordering="milliseconds")
    def took(self, run: FunctionRun) -> str:
        return "" if run.milliseconds is None else f"{run.milliseconds:,.1f}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
