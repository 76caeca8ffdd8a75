"""manage.py timescale status | ensure"""

from argparse import ArgumentParser
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from signalsite.foundation.errors import SignalServiceError
from timeframes.storage.ensure import ensure
from timeframes.storage.status import Aggregate, Job, Status, Table, status


class Command(BaseCommand):
    requires_system_checks = []  # they take half a second
    help = "Show what the database server can do with the tables of ticks, quotes and bars, or give them all of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="status|ensure")
        show = actions.add_parser("status", help="show it; exit status 1 where `ensure` has something to do")
        show.add_argument("--json", action="store_true", help="as one JSON object")
        actions.add_parser("ensure", help="make hypertables, aggregates and policies, as far as the server has them")

    def handle(self, *, action: str, json: bool = False, **options: Any) -> None:
        try:
            if action == "ensure":
                self._ensure()
            else:
                self._show(status(connection), json)
        except SignalServiceError as error:
            raise CommandError(str(error)) from error

    def _ensure(self) -> None:
        if not ensure(connection, said=self.stdout.write):
            self.stdout.write("The tables have all that this server can do.")

    def _show(self, found: Status, json: bool) -> None:
        if json:
            self.stdout.write(orjson.dumps(found.plain()).decode())
        else:
            self.stdout.write("\n".join(_lines(found)))
        if found.missing:
            raise SystemExit(1)


def _lines(found: Status) -> list[str]:
    extension = f", TimescaleDB {found.timescaledb} ({found.licence})" if found.timescaledb else ""
    lines = [f"{found.edition}: PostgreSQL {found.postgresql}{extension}"]
    if found.available and not found.timescaledb:
        lines.append(
            f"TimescaleDB {found.available} is installed and not in this database: CREATE EXTENSION timescaledb"
        )
    lines += [line for table in found.tables for line in _of_table(table)]
    lines += [line for aggregate in found.aggregates for line in _of_aggregate(aggregate)]
    return lines + [f"missing (`manage.py timescale ensure`): {what}" for what in found.missing]


def _of_table(table: Table) -> list[str]:
    what = "plain table"
    if table.hypertable:
        what = f"hypertable, {table.chunks} chunks, {table.compressed} compressed"
        if table.begins and table.ends:
            what += f", from {table.begins:%Y-%m-%d} to {table.ends:%Y-%m-%d}"
    keeps = "keeps all"
    if isinstance(table.keep_days, dict):
        days = ", ".join(f"{value} {days} days" for value, days in table.keep_days.items())
        keeps = f"keeps {days}, by {table.retention_by}"
    elif table.keep_days:
        keeps = f"keeps {table.keep_days} days, by {table.retention_by}"
    if table.removed:
        keeps += f", {table.removed:,} removed so far"
    return [f"{table.name}: {what}, {table.bytes / 1e6:,.1f} MB; {keeps}", *_of_jobs(table.jobs)]


def _of_aggregate(aggregate: Aggregate) -> list[str]:
    return [f"{aggregate.name}: {aggregate.kind or 'missing'}", *_of_jobs(aggregate.jobs)]


def _of_jobs(jobs: list[Job]) -> list[str]:
    return [
        f"  {job.name} policy: "
        + (f"last run {job.finished:%Y-%m-%d %H:%M:%S} UTC" if job.finished else "has not run yet")
        + (f", {job.failures} failures" if job.failures else "")
        for job in jobs
    ]
