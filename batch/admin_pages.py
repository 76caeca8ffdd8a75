"""Admin pages of computed data: nobody edits it, but staff with permission may act on it."""

from collections.abc import Callable
from typing import TypeVar

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from signalsite.foundation.errors import SignalServiceError

M = TypeVar("M", bound=Model)


class ReadOnly:
    """A mixin for pages of computed data."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class ActionAdmin(ReadOnly, admin.ModelAdmin):
    """A read-only admin with actions. Those with permissions=["operate"] need the permission to change the rows."""

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def act_on_each(
        self, request: HttpRequest, rows: QuerySet[M], act: Callable[[M], None], log: str, done: str
    ) -> None:
        """Act on each row. Show how many succeeded, and why the others did not."""
        count = 0
        for row in rows:
            try:
                act(row)
            except SignalServiceError as error:
                self.message_user(request, str(error), messages.WARNING)
            else:
                self.log_change(request, row, log)
                count += 1
        if count:
            self.message_user(request, f"{count} {done}.", messages.SUCCESS)
