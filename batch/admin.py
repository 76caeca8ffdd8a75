"""The admin pages of all rooms, for Django to find."""

from batch.jobs.admin import JobAdmin
from batch.webhooks.admin import WebhookDeliveryAdmin

__all__ = ["JobAdmin", "WebhookDeliveryAdmin"]
