"""manage.py consume_configs"""

import logging
import signal
import socket
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from prometheus_client import start_http_server

from realtime.configs.consumer import ConfigConsumer
from realtime.configs.core.refusals import DEAD_LETTERS
from realtime.configs.options import Options
from realtime.consumer_groups import connect

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    requires_system_checks = []  # they take half a second
    help = "Keep the configurations of a stream, and what in Redis depends on them. SIGTERM drains and ends it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--group", default="signals", help="consumer group (default: signals)")
        parser.add_argument(
            "--consumer", default=socket.gethostname(), help="name in the group (default: the host name)"
        )
        parser.add_argument(
            "--metrics-port", type=int, default=settings.CONFIG_METRICS_PORT, help="port of the metrics (0: none)"
        )

    def handle(self, **given: Any) -> None:
        consumer = ConfigConsumer(
            connect(settings.REDIS_URL), name=given["consumer"], options=options(group=given["group"])
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: consumer.stop.set())
        if given["metrics_port"]:
            start_http_server(given["metrics_port"], settings.TICK_METRICS_ADDRESS)
        logger.info("consuming %s as %s", settings.CONFIG_STREAM, consumer.lease.token)
        consumer.run()
        logger.info("drained")


def options(*, group: str) -> Options:
    return Options(
        stream=settings.CONFIG_STREAM,
        group=group,
        dead_letters=DEAD_LETTERS,
        dead_letter_length=settings.CONFIG_DEAD_LETTER_LENGTH,
        batch=settings.CONFIG_BATCH,
        max_deliveries=settings.CONFIG_MAX_DELIVERIES,
        lease=settings.CONFIG_LEASE_SECONDS,
    )
