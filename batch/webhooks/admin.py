"""The log of webhook deliveries as staff see it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from batch.admin_pages import Operated, ReadOnly
from batch.webhooks import outbox
from batch.webhooks.models import WebhookDelivery
from signalsite.foundation.errors import SignalServiceError

_DELIVERY_FIELDS = ("id", "url", "status", "attempts", "next_attempt", "created_at", "attempts_log")


class DeliveryLog:
    """What both views of a delivery share. The secret is shown nowhere."""

    @admin.display(description="URL")
    def url(self, delivery: WebhookDelivery) -> str:
        return delivery.job.webhook_url.partition("?")[0]  # a query may hold a token

    @admin.display(description="next attempt at", ordering="next_attempt_at")
    def next_attempt(self, delivery: WebhookDelivery) -> datetime | None:
        return delivery.next_attempt_at if delivery.status == WebhookDelivery.Status.PENDING else None

    @admin.display(description="log")
    def attempts_log(self, delivery: WebhookDelivery) -> str:
        return format_html_join("", "<div>{}</div>", ([_attempt(entry)] for entry in delivery.log))

    @admin.display(description="last outcome")
    def last_outcome(self, delivery: WebhookDelivery) -> str:
        return _attempt(delivery.log[-1]) if delivery.log else ""


def _attempt(entry: Mapping[str, Any]) -> str:
    """One attempt of a delivery's log in a line: when, what came of it, how long it took, what the receiver said."""
    at = f"{datetime.fromtimestamp(entry['at'], UTC):%Y-%m-%d %H:%M:%S}Z" if "at" in entry else ""
    seconds = f"({entry['seconds']:.3f} s)" if "seconds" in entry else ""
    outcome = str(entry.get("status_code", entry.get("error", "")))
    return " ".join(part for part in (at, outcome, seconds, entry.get("body", "")) if part)


class WebhookDeliveryInline(DeliveryLog, ReadOnly, admin.StackedInline):
    model = WebhookDelivery
    verbose_name_plural = "webhook"
    fields = readonly_fields = _DELIVERY_FIELDS


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(DeliveryLog, Operated):
    list_display = ("id", "job_page", "url", "status", "attempts", "last_outcome", "next_attempt", "created_at")
    list_filter = ("status", "created_at")
    list_select_related = ("job",)
    date_hierarchy = "created_at"
    search_fields = ("id__exact", "job__id__exact", "job__webhook_url")
    search_help_text = "A delivery's or a job's whole id, or part of the URL"
    fields = readonly_fields = ("job_page", *_DELIVERY_FIELDS)
    actions = ("send_again",)

    @admin.display(description="job")
    def job_page(self, delivery: WebhookDelivery) -> str:
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:batch_job_change", args=[delivery.job_id]), delivery.job_id
        )

    @admin.action(description="Send the selected webhooks that were given up again", permissions=["operate"])
    def send_again(self, request: HttpRequest, deliveries: QuerySet[WebhookDelivery]) -> None:
        def again(delivery: WebhookDelivery) -> None:
            if not outbox.send_again(delivery.pk):
                raise NotGivenUp(f"webhook {delivery.pk} was not given up: it is {delivery.status}")
            outbox.ring({delivery.pk: 0.0})

        self.act_on_each(request, deliveries, again, "Sent again.", "webhook(s) are sent again")


class NotGivenUp(SignalServiceError):
    """A delivery that was heard, or is still being tried, is asked to be sent again."""
