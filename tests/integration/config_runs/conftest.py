"""Owners, and bars that are stored."""

import uuid
from datetime import datetime, timedelta

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from tests.core.bar_columns import bar_columns
from tests.core.slow_fold import Row
from tests.integration.config_runs.made import KEYS
from timeframes.bars.services import record_bars


@pytest.fixture
def owner() -> User:
    return User.objects.create_user(f"owner{uuid.uuid4().hex[:8]}")


@pytest.fixture
def bars() -> datetime:
    """Store 300 minutes of bars, the last of which ended just now. Return when it began."""
    now = timezone.now().replace(second=0, microsecond=0)
    rng = np.random.default_rng(5)
    for key in KEYS:
        closes = 100 + np.cumsum(rng.normal(size=300))
        rows = [
            Row(now - (300 - place) * timedelta(minutes=1), close, close + 1, close - 1, close, 5.0, None, None, None)
            for place, close in enumerate(closes.tolist())
        ]
        record_bars(key, 60, bar_columns(rows), source="test")
    return now - timedelta(minutes=1)
