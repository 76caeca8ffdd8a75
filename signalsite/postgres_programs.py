"""The client programs of our PostgreSQL wheel: pg_dump, pg_restore and psql."""

import os
import signal
import subprocess
import tempfile
from typing import IO

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.client import DatabaseClient

from signalsite.embedded.binaries import postgres_bin
from signalsite.foundation.process import ends_with_parent


class BackupError(Exception):
    """A backup cannot be written or restored. The message says why, and nothing has changed."""


def client(connection: BaseDatabaseWrapper, program: str, *options: str) -> list[str]:
    """Return the command line of one of the wheel's client programs, which connects as Django does."""
    (_, *arguments), _ = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, list(options))
    return [str(postgres_bin() / program), "--no-password", *arguments]


def environment(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """Return its environment, which carries the password: everyone on the machine can read a command line."""
    _, variables = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    return {**os.environ, "PGCONNECT_TIMEOUT": "5", **(variables or {})}


def child(
    command: list[str],
    environment: dict[str, str],
    complaints: IO[bytes],
    *,
    stdin: int | None = None,
    stdout: int | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a program that ends when this process ends."""
    dying = ends_with_parent(signal.SIGKILL)
    return subprocess.Popen(command, env=environment, stdin=stdin, stdout=stdout, stderr=complaints, preexec_fn=dying)


def run(command: list[str], environment: dict[str, str]) -> str:
    """Return what the program writes to stdout. Raises BackupError with the end of its stderr."""
    with tempfile.TemporaryFile() as complaints:
        with child(command, environment, complaints, stdout=subprocess.PIPE) as process:
            said, _ = process.communicate()
        if process.returncode != 0:
            raise BackupError(end_of(complaints))
    return said.decode()


def end_of(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    return complaints.read().decode(errors="replace")[-1000:].strip()
