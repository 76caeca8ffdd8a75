"""Owners and documents of configurations."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User

SPOT = "NSE@NIFTY@equity_spot"
OPTION = "NSE@NIFTY@equity_options@2026-12-31@call@23500"
NOW = datetime(2026, 11, 27, 5, 0, 10, tzinfo=UTC)  # a Friday, 10:30:10 in Mumbai
DOCUMENT: dict[str, Any] = {
    "name": "nifty",
    "instruments": [SPOT],
    "interval": "5m",
    "frequency": "bar",
    "indicators": ["rsi"],
}


@pytest.fixture
def owner() -> User:
    return User.objects.create_user("ann")


@pytest.fixture
def owner_named() -> Callable[[str], User]:
    return lambda name: User.objects.get_or_create(username=name)[0]
