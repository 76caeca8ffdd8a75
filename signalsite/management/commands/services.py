"""Run the embedded servers until Ctrl-C."""

import signal
import sys
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from signalsite.embedded import state as places
from signalsite.embedded.binaries import EmbeddedError, postgres_bin
from signalsite.embedded.keep_running import keep_running


class Command(BaseCommand):
    help = "Run the embedded PostgreSQL and Redis (Valkey) until Ctrl-C, and say how to connect to them."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        if not (places.embeds_postgres() or places.embeds_redis()):
            raise CommandError("DATABASE_URL and REDIS_URL name other servers: there is nothing to run.")
        asked_to_end = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: asked_to_end.set())
        try:
            with keep_running(wait=True) as servers:
                sockets = places.socket_dir(places.state_dir())
                self.stdout.write(f"State: {places.state_dir()} (logs in its folder `log`)")
                if places.embeds_postgres():
                    self.stdout.write(
                        f"PostgreSQL:     {postgres_bin()}/psql -h {sockets} -U {places.ROLE} {places.DATABASE}"
                    )
                if places.embeds_redis():
                    self.stdout.write(f"Redis (Valkey): {sys.executable} manage.py redis PING")
                    self.stdout.write(f"                or any client at unix://{sockets / places.REDIS_SOCKET}")
                self.stdout.write("Ctrl-C stops them.")
                self.stdout.flush()
                while not asked_to_end.wait(1.0):
                    for server in servers:
                        server.ensure()
        except EmbeddedError as error:
            raise CommandError(str(error)) from error
