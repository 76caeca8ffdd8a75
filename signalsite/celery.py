"""The Celery application."""

import os
from functools import cached_property
from typing import Any

from celery import Celery, bootsteps, signals

from signalsite.foundation import heartbeat
from signalsite.startup import read_settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "signalsite.settings")
read_settings()


class Application(Celery):
    @cached_property
    def Beat(self) -> Any:
        """What `celery beat` runs."""
        return self.subclass_with_self("signalsite.beat:Beat")


class Heartbeat(bootsteps.StartStopStep):
    """A worker's signs of life come from the loop that takes messages from the broker: none while it is not connected.

    Its pool's processes need none: a task has a time limit.
    """

    requires = {"celery.worker.consumer.connection:Connection"}

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        self.timer: Any = None

    def start(self, consumer: Any) -> None:
        heartbeat.beat()
        self.timer = consumer.timer.call_repeatedly(heartbeat.EVERY, heartbeat.beat)

    def stop(self, consumer: Any) -> None:
        if self.timer:
            self.timer.cancel()
            self.timer = None


app = Application("signalsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["consumer"].add(Heartbeat)


@signals.task_prerun.connect
def leave_lost_connections(**_: Any) -> None:
    """Connections are kept from task to task (CELERY_DB_REUSE_MAX), even one that has failed."""
    from django.db import close_old_connections

    close_old_connections()


@signals.worker_init.connect
def wait_for_the_broker(**_: Any) -> None:
    """A worker waits for a broker that hangs, where a request gives up.

    kombu counts a message whose acknowledgement timed out as being worked on for as long as the connection lasts, so
    that after two of them a worker of two processes would take no more. A broker whose host is gone ends the
    connection (TCP_USER_TIMEOUT).
    """
    app.conf.broker_transport_options["socket_timeout"] = None


@signals.worker_init.connect
def load_kernels(**_: Any) -> None:
    """Once in the parent, so that no task waits for it and the pool's processes share the memory."""
    from signals.greeks.core.engine import warm

    warm()
