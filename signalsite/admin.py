"""The admin of users. A change that takes rights from an account also closes its sockets."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from batch.admin_pages import ReadOnly
from realtime.sockets.control import disconnect
from signalsite.foundation.errors import RedisConnectionError
from signalsite.models import ApiMetric, SignIn

_RIGHTS = {
    "is_active": "the account was deactivated",
    "is_staff": "the account is no longer of staff",
    "is_superuser": "the account lost permissions",
    "user_permissions": "the account lost permissions",
    "groups": "the account lost permissions",
}

admin.site.unregister(User)


@admin.register(ApiMetric)
class ApiMetricAdmin(ReadOnly, admin.ModelAdmin):
    """Usage of the API by minute. Its rows have no page of their own."""

    list_display = ("minute", "user_id", "method", "endpoint", "status", "requests", "mean_ms", "slowest")
    list_display_links = None
    list_filter = ("status", "method")
    search_fields = ("=user_id", "endpoint")
    date_hierarchy = "minute"
    show_full_result_count = False

    @admin.display(description="mean, ms")
    def mean_ms(self, row: ApiMetric) -> str:
        return f"{1000 * row.seconds / row.requests:.1f}"


@admin.register(User)
class SocketUserAdmin(UserAdmin):
    """Closes sockets when their account changes: a socket's token is checked only when the socket opens."""

    actions = ["close_sockets", "sign_out"]

    @admin.action(description="Close the sockets of selected users", permissions=["change"])
    def close_sockets(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        if _close(request, queryset.values_list("pk", flat=True), "closed by staff"):
            self.message_user(request, "Their sockets are closed. They need a new token to open others.")

    @admin.action(description="Sign selected users out of the API, and close their sockets", permissions=["change"])
    def sign_out(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        users = list(queryset.values_list("pk", flat=True))
        SignIn.objects.filter(user__in=users).delete()
        if _close(request, users, "signed out by staff"):
            self.message_user(request, "They are signed out, and need their password to sign in again.")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            return
        for name, reason in _RIGHTS.items():
            if name in form.changed_data and _is_less(form.initial[name], form.cleaned_data[name]):
                transaction.on_commit(partial(_close, request, [obj.pk], reason))

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        transaction.on_commit(partial(_close, request, [obj.pk], "the account was deleted"))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        gone = list(queryset.values_list("pk", flat=True))
        super().delete_queryset(request, queryset)
        transaction.on_commit(partial(_close, request, gone, "the account was deleted"))

    @method_decorator(sensitive_post_parameters())
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        before = self.get_object(request, id)
        response = super().user_change_password(request, id, form_url)
        after = self.get_object(request, id)
        if before and after and before.password != after.password:
            _close(request, [after.pk], "the password was changed")
        return response


def _is_less(before: Any, after: Any) -> bool:
    """Return whether a flag was cleared, or a list lost an entry."""
    return not after if isinstance(after, bool) else bool(set(before) - set(after))


def _close(request: HttpRequest, users: Iterable[int], reason: str) -> bool:
    """Close the sockets of users. The change of the account stands even when Redis does not answer."""
    try:
        for user in users:
            disconnect(user, reason)
    except RedisConnectionError as error:
        messages.error(request, f"{error}: sockets may stay open until their tokens expire. Try the action on users.")
        return False
    return True
