"""Log lines without a service: their form, and which component writes them."""

import json
import logging
import os
import sys

import pytest

from signalsite.foundation.log_context import component, new_request_id, request_id_of
from signalsite.foundation.log_format import JsonLines, TextLines


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"name": "batch.x", "levelname": "INFO", "msg": message, **extra})
    made.created, made.msecs = 1_772_429_400.25, 250.0
    return made


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["/x/bin/uvicorn", "signalsite.asgi:application"], "web"),
        (["/x/bin/celery", "--quiet", "-A", "signalsite", "worker", "--concurrency", "2"], "worker"),
        (["/x/bin/celery", "-A", "signalsite", "beat"], "beat"),
        (["celery", "-A", "signalsite", "flower"], "flower"),
        (["manage.py", "consume_ticks"], "consumer"),
        (["manage.py", "consume_configs"], "configs"),
        (["./manage.py", "simulate_market", "--stream"], "feed"),
        (["manage.py", "--settings=x", "migrate"], "migrate"),
        (["manage.py"], "manage"),
    ],
)
def test_the_component_is_told_by_the_command_line(arguments: list[str], name: str) -> None:
    assert component(arguments) == name


def test_a_text_line_shows_what_is_known() -> None:
    line = TextLines().format(record("job ended", job="a b", seconds=1.5, request_id="r1", user="7", component="web"))
    assert line == "2026-03-02T05:30:00.250Z INFO    batch.x: job ended job='a b' seconds=1.5 request_id=r1 user=7"


def test_a_message_of_a_caller_cannot_make_a_line() -> None:
    line = TextLines().format(record("bad\n2026 ERROR x: forged", said="a\nb"))
    assert "\n" not in line and "bad\\n2026" in line and "said='a\\nb'" in line


ESCAPES = "\x1b]0;owned\x07\x1b[2K\r\x9b31m\x7f\u2028\u202e\ud800"


def test_no_terminal_escape_gets_through() -> None:
    """Extras without a space too: a webhook receiver's answer is one."""
    line = TextLines().format(record(f"said {ESCAPES}", body=ESCAPES, spaced=f"a {ESCAPES}"))
    assert line.isprintable() and line.isascii() and line.count("\\x1b]0;owned") == 3


def test_printable_text_stays_as_it_is() -> None:
    line = TextLines().format(record("Prägung \N{EURO SIGN} \\d", name_="Zoë"))
    assert line.endswith("batch.x: Prägung € \\d name_=Zoë")


def test_an_exception_cannot_make_a_line() -> None:
    forged = "2026-03-02T05:30:00.250Z ERROR   batch.x: forged"
    try:
        raise ValueError(f"no\n{forged}\x1b[2J")
    except ValueError:
        made = record("failed", exc_info=sys.exc_info(), stack_info=f"Stack:\n{forged}")
    first, *rest = TextLines().format(made).split("\n")
    assert first == "2026-03-02T05:30:00.250Z INFO    batch.x: failed"
    assert len(rest) > 5 and all(line.isprintable() and line.startswith("    ") for line in rest)
    assert sum(forged in line for line in rest) == 2


def test_a_json_line_has_the_same() -> None:
    line = json.loads(JsonLines().format(record("x", job="j", request_id="r1", component="web")))
    assert line == {
        "timestamp": "2026-03-02T05:30:00.250Z",
        "level": "INFO",
        "logger": "batch.x",
        "message": "x",
        "service": "signalsite",
        "job": "j",
        "request_id": "r1",
        "component": "web",
    }


@pytest.mark.parametrize("sane", ["a", "0af7651916cd43dd8448eb211c80319c", "Root=1-67891233-abcdef012345678912345678"])
def test_a_sane_id_is_taken(sane: str) -> None:
    assert request_id_of(sane.encode()) == sane


@pytest.mark.parametrize("odd", [b"", b"a b", b"x" * 129, b"a\r\nb", "é".encode(), b"_", None])
def test_any_other_is_replaced(odd: bytes | None) -> None:
    assert len(request_id_of(odd)) == 16


def test_forked_processes_have_ids_of_their_own() -> None:
    reading, writing = os.pipe()
    if not (child := os.fork()):
        os.write(writing, new_request_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    mine, theirs = new_request_id(), os.read(reading, 100).decode()
    os.close(reading), os.close(writing)
    assert mine != theirs and len(mine) == len(theirs) == 16
