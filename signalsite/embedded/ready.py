"""Checks whether the embedded servers answer. Each check returns the problem, or an empty string."""

from pathlib import Path

import psycopg
import redis
from psycopg import sql

from .servers import check_socket_dir
from .state import DATABASE, PORT, ROLE, redis_url


def postgres_problem(state: Path) -> str:
    """Check that PostgreSQL answers. Create the project's role and database when they are missing."""
    sockets = str(check_socket_dir(state))
    try:
        with psycopg.connect(
            host=sockets, port=PORT, user="postgres", dbname="postgres", autocommit=True, connect_timeout=5
        ) as admin:
            if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                _create_database(admin)
    except psycopg.OperationalError as error:
        return str(error)
    return ""


def _create_database(admin: psycopg.Connection) -> None:
    admin.execute("SELECT pg_advisory_lock(1)")  # one at a time; released when the connection closes
    if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone():
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(sql.Identifier(ROLE)))  # CREATEDB: for the tests
    if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(ROLE)))


def valkey_problem(state: Path) -> str:
    check_socket_dir(state)
    try:
        with redis.Redis.from_url(redis_url(state), socket_timeout=5) as client:
            client.ping()
    except redis.RedisError as error:  # including: still loading its data
        return str(error)
    return ""
