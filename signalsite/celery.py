"""The Celery application."""

import os
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "signalsite.settings")
app = Celery("signalsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


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
