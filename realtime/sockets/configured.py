"""Whose a configuration is."""

import uuid

from channels.db import database_sync_to_async
from django.contrib.auth import get_user_model

from signals.configs.models import Configuration


@database_sync_to_async
def own_configuration(configuration: uuid.UUID, user_id: int) -> bool:
    """Return whether the user may read what the configuration gives: its owner, or staff."""
    user = get_user_model().objects.filter(pk=user_id, is_active=True).first()
    owner = Configuration.objects.filter(pk=configuration).values_list("owner_id", flat=True).first()
    return user is not None and owner is not None and (owner == user.pk or user.is_staff)
