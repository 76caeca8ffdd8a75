"""Send one command to Redis, for machines that have no redis-cli."""

import json
from argparse import ArgumentParser
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Send one command to Redis (REDIS_URL) and print the reply as JSON: manage.py redis XLEN tick_dead_letter"
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("words", nargs="+", metavar="WORD", help="the command and its arguments")

    def handle(self, *, words: list[str], **options: Any) -> None:
        connection = redis.Redis.from_url(
            settings.REDIS_URL, decode_responses=True, encoding_errors="backslashreplace", **settings.REDIS_OPTIONS
        )
        try:
            reply = connection.execute_command(*words)  # type: ignore[no-untyped-call]
        except redis.RedisError as error:
            raise CommandError(str(error)) from error
        finally:
            connection.close()
        self.stdout.write(json.dumps(reply, indent=1, ensure_ascii=False, default=str))
