"""Django finds the admin pages of the rooms here."""

from batch.jobs.admin import JobAdmin
from batch.webhooks.admin import WebhookDeliveryAdmin

__all__ = ["JobAdmin", "WebhookDeliveryAdmin"]
