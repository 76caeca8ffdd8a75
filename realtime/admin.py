"""Open sockets in the admin. They are closed on the pages of their users."""

from django.contrib import admin
from django.http import HttpRequest

from realtime.models import SocketProcess, WebsocketSubscription


class Listed(admin.ModelAdmin):
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(WebsocketSubscription)
class WebsocketSubscriptionAdmin(Listed):
    list_display = ("id", "user_id", "client_id", "subscriptions", "opened_at", "changed_at", "process")
    search_fields = ("=user_id", "client_id")
    list_filter = ("process",)
    date_hierarchy = "opened_at"


@admin.register(SocketProcess)
class SocketProcessAdmin(Listed):
    list_display = ("name", "started_at", "seen_at")
