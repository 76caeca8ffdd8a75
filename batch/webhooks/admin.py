"""Webhook deliveries in the admin: their list, their page, and a summary for the page of what they are about."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from batch.admin_pages import ActionAdmin
from batch.webhooks import outbox
from batch.webhooks.models import WebhookDelivery
from signalsite.foundation.errors import SignalServiceError

_PENDING = WebhookDelivery.Status.PENDING


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ActionAdmin):
    """The secret is shown nowhere."""

    list_display = (
        "webhook_id",
        "type",
        "subject",
        "url",
        "status",
        "attempts",
        "last_outcome",
        "next_attempt",
        "created_at",
    )
    list_filter = ("status", "event__type", "created_at")
    list_select_related = ("event",)
    date_hierarchy = "created_at"
    search_fields = ("event__id__exact", "event__subject_id__exact", "event__url")
    search_help_text = "The whole id of a webhook or of what it is about, such as a job, or part of the URL"
    fields = readonly_fields = (
        "subject",
        "type",
        "webhook_id",
        "url",
        "status",
        "attempts",
        "next_attempt",
        "created_at",
        "attempts_log",
    )
    actions = ("send_again",)

    @admin.display(description="webhook-id", ordering="event")
    def webhook_id(self, delivery: WebhookDelivery) -> str:
        return str(delivery.event_id)

    @admin.display(ordering="event__type")
    def type(self, delivery: WebhookDelivery) -> str:
        return delivery.event.type

    @admin.display(ordering="event__subject_id")
    def subject(self, delivery: WebhookDelivery) -> SafeString | str:
        event = delivery.event
        try:
            page = reverse(f"admin:{event.subject_model.replace('.', '_')}_change", args=[event.subject_id])
        except NoReverseMatch:  # the subject has no page in the admin
            return event.subject_id
        return format_html('<a href="{}">{}</a>', page, event.subject_id)

    @admin.display(description="URL")
    def url(self, delivery: WebhookDelivery) -> str:
        return shown_url(delivery)

    @admin.display(description="next attempt at", ordering="next_attempt_at")
    def next_attempt(self, delivery: WebhookDelivery) -> datetime | None:
        return delivery.next_attempt_at if delivery.status == _PENDING else None

    @admin.display(description="log")
    def attempts_log(self, delivery: WebhookDelivery) -> SafeString:
        return log_lines(delivery)

    @admin.display(description="last outcome")
    def last_outcome(self, delivery: WebhookDelivery) -> str:
        return next(reversed(_attempts(delivery)), "")

    @admin.action(description="Send the selected webhooks that were given up again", permissions=["operate"])
    def send_again(self, request: HttpRequest, deliveries: QuerySet[WebhookDelivery]) -> None:
        def again(delivery: WebhookDelivery) -> None:
            if not outbox.send_again(delivery.pk):
                raise NotGivenUp(f"webhook {delivery.pk} was not given up: it is {delivery.status}")
            outbox.enqueue({delivery.pk: 0.0})

        self.act_on_each(request, deliveries, again, "Sent again.", "webhook(s) are sent again")


def may_see_deliveries(request: HttpRequest) -> bool:
    return any(request.user.has_perm(f"batch.{each}_webhookdelivery") for each in ("view", "change"))


def deliveries_about(subject: Model) -> SafeString:
    """Return a block for each webhook about this object: a link to its delivery, its state, its log. Empty for none."""
    blocks = (
        (
            reverse("admin:batch_webhookdelivery_change", args=[each.pk]),
            each.event.type,
            shown_url(each),
            _state(each),
            log_lines(each),
        )
        for each in outbox.deliveries_about(subject)
    )
    return format_html_join("", '<div><a href="{}">{}</a> to {}: {}{}</div>', blocks)


def shown_url(delivery: WebhookDelivery) -> str:
    """Return the URL without its query, which may hold a token."""
    return delivery.event.url.partition("?")[0]


def log_lines(delivery: WebhookDelivery) -> SafeString:
    return format_html_join("", "<div>{}</div>", ([line] for line in _attempts(delivery)))


def _state(delivery: WebhookDelivery) -> str:
    next_attempt = f", next attempt at {_time(delivery.next_attempt_at)}" if delivery.status == _PENDING else ""
    return f"{delivery.get_status_display()} after {delivery.attempts} attempt(s){next_attempt}"


def _attempts(delivery: WebhookDelivery) -> list[str]:
    """Return a line for each attempt, also for one that cannot be read. A log that is no list is one line."""
    log = delivery.log
    if not isinstance(log, list):
        return [] if log is None else [str(log)]
    lines = []
    for entry in log:
        try:
            lines.append(_attempt(entry))
        except (TypeError, ValueError, AttributeError, OverflowError, OSError):  # not what `sending` writes
            lines.append(f"unreadable: {entry}")
    return lines


def _attempt(entry: Mapping[str, Any]) -> str:
    """Return one attempt as a line: its time, its outcome, its duration, and what the receiver answered."""
    at = _time(datetime.fromtimestamp(entry["at"], UTC)) if "at" in entry else ""
    seconds = f"({entry['seconds']:.3f} s)" if "seconds" in entry else ""
    outcome = str(entry.get("status_code", entry.get("error", "")))
    return " ".join(part for part in (at, outcome, seconds, entry.get("body", "")) if part)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


class NotGivenUp(SignalServiceError):
    """Only a delivery that was given up can be sent again."""
