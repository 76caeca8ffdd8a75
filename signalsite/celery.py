"""The Celery application."""

import logging
import os
from functools import cached_property
from logging.config import dictConfig
from typing import Any

from celery import Celery, bootsteps, signals
from django.conf import settings

from signalsite.foundation import heartbeat
from signalsite.foundation.log_context import request_id
from signalsite.startup import read_settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "signalsite.settings")
read_settings()


class Application(Celery):
    @cached_property
    def Beat(self) -> Any:
        """Return the class that `celery beat` runs."""
        return self.subclass_with_self("signalsite.beat:Beat")


class Heartbeat(bootsteps.StartStopStep):
    """Touches the heartbeat file from the loop that receives messages, so only while the broker is connected.

    The pool's processes need no heartbeat: tasks have a time limit.
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


@signals.setup_logging.connect
def log_as_django_does(**_: Any) -> None:
    """Worker, beat and Flower: Celery leaves the loggers alone where somebody listens to this signal."""
    dictConfig(settings.LOGGING)
    logging.captureWarnings(True)


@signals.before_task_publish.connect
def hand_on_the_request_id(headers: dict[str, Any], **_: Any) -> None:
    """A task's log lines have the id of the request that it was enqueued by."""
    if known := request_id.get():
        headers["request_id"] = known


@signals.task_prerun.connect
def take_the_request_id(task: Any, **_: Any) -> None:
    headers = task.request.headers or {}
    headers = task.request.headers or {}
    request_id.set(str(headers.get("request_id") or task.request.get("request_id") or ""))


@signals.task_prerun.connect
def leave_lost_connections(**_: Any) -> None:
    """Close failed connections: CELERY_DB_REUSE_MAX keeps connections from task to task."""
    from django.db import close_old_connections

    close_old_connections()


@signals.worker_init.connect
def wait_for_the_broker(**_: Any) -> None:
    """Remove the socket timeout in workers, so that they wait for a broker that hangs. Requests give up instead.

    When an acknowledgement times out, kombu counts its message as in progress for as long as the connection lasts.
    After two of them a worker with two processes would take no more messages. TCP_USER_TIMEOUT still ends the
    connection when the broker's host is gone.
    """
    app.conf.broker_transport_options["socket_timeout"] = None


@signals.worker_init.connect
def load_kernels(**_: Any) -> None:
    """Compile in the parent, so that no task waits and the pool's processes share the memory."""
    from moneyness.core.warm import warm

    warm()
