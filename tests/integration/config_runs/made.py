"""Configurations that are due, and what became of their runs."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from batch.configs import runs, starting, turns
from batch.configs.groups import Work
from realtime.core.names import Names
from signals.configs.models import Configuration, ConfigurationRun
from signalsite.foundation.redis import client
from timeframes.core.keys import parse_key

KEYS = ("BINANCE@BTC/USDT@crypto_spot", "BINANCE@ETH/USDT@crypto_spot")
NOTHING = Work([], [])
AFTER_BARS = timedelta(seconds=3)  # until what reads bars may run


def document(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "instruments": [KEYS[0]],
        "interval": "1m",
        "frequency": "1h",
        "indicators": ["rsi(length=14)", "macd"],
        "functions": [{"function": "pivots", "params": {}, "label": "pivots"}],
        "bars": 50,
        "active": True,
        **more,
    }


def configure(owner: User, name: str = "one", *, due: datetime | None = None, **more: Any) -> Configuration:
    found, now = document(name, **more), timezone.now()
    return Configuration.objects.create(
        owner=owner,
        name=name,
        document=found,
        interval=found["interval"] or "",
        frequency=found["frequency"],
        origin="api",
        created_at=now,
        updated_at=now,
        next_due=due or now - AFTER_BARS,
    )


def run_all() -> int:
    """Start what is due, run it, and return how many runs were tried and have ended."""
    before, work = ended(), starting.start_due()
    for group in work.groups:
        runs.run_group(group)
    for owner in work.owners:
        assert not turns.take_turn(owner)
    return ended() - before


def ended() -> int:
    return ConfigurationRun.objects.filter(attempt__gt=0, finished_at__isnull=False).count()


def only(configuration: Configuration) -> ConfigurationRun:
    return ConfigurationRun.objects.get(configuration=configuration)


def published(configuration: Configuration) -> bool:
    topic = f"results:{configuration.id}:{KEYS[0]}"
    return bool(client(settings.REDIS_URL).hexists(Names().latest(parse_key(KEYS[0]).underlying), topic))


def fields_of(configuration: Configuration) -> dict[str, Any]:
    return {each.attname: getattr(configuration, each.attname) for each in Configuration._meta.fields}
