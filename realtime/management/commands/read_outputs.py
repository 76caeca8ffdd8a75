"""manage.py read_outputs"""

import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from threading import Event
from typing import Any

import orjson
import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime.consumer_groups import ConsumerGroup, StreamEntry, connect
from realtime.core.names import Names
from realtime.core.topic_grammar import RESULTS
from realtime.intervals import Intervals

logger = logging.getLogger(__name__)

FIND_SECONDS = 1.0
BATCH = 200
BLOCK_MS = 200


class Command(BaseCommand):
    requires_system_checks = []  # they take half a second
    help = "Stand in for the Strategy Service: read the output streams and print each result as a line of JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--group", default="strategy", help="consumer group: the same one resumes where it was")
        parser.add_argument("--consumer", default=socket.gethostname(), help="name in the group")
        parser.add_argument("--underlyings", nargs="+", metavar="KEY", help="such as NSE@NIFTY (default: all)")
        parser.add_argument("--namespace", default="", help="prefix of the streams: backtest: for back-tests")
        parser.add_argument("--all", action="store_true", help="every topic, and not only results of configurations")
        parser.add_argument("--new", action="store_true", help="a new group begins with what comes from now on")
        parser.add_argument("--count", type=int, metavar="N", help="end after N lines or a few more")
        parser.add_argument("--seconds", type=float, metavar="N", help="end after N seconds")

    def handle(self, **given: Any) -> None:
        if given["count"] is not None and given["count"] < 1:
            raise CommandError("--count: 1 or more lines")
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        reader = _Reader(given)
        ending = Intervals()
        if given["seconds"] is not None:
            ending.is_due("end", given["seconds"])
        while not stop.is_set():
            try:
                reader.step()
            except redis.RedisError as error:
                logger.error("Redis: %s", error)
                reader.forget()
                stop.wait(1.0)
            except BrokenPipeError:  # the reader of our output has gone; what it did not get is not acknowledged
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush at the end
                return
            if given["count"] is not None and reader.lines >= given["count"]:
                return
            if given["seconds"] is not None and ending.is_due("end", given["seconds"]):
                return


class _Reader:
    def __init__(self, given: dict[str, Any]) -> None:
        self.client = connect(settings.REDIS_URL)
        self.group = ConsumerGroup(self.client, given["group"], given["consumer"])
        self.names = Names(given["namespace"])
        self.underlyings: list[str] | None = given["underlyings"]
        self.every_topic: bool = given["all"]
        self.begin = "$" if given["new"] else "0"
        self.lines = 0
        self.forget()

    def forget(self) -> None:
        """Begin again with what was read and not acknowledged."""
        self.streams: list[str] = []
        self.intervals = Intervals()

    def step(self) -> None:
        """Read once, print, then acknowledge."""
        if self.intervals.is_due("find", FIND_SECONDS) or not self.streams:
            self._find()
        if not self.streams:
            Event().wait(BLOCK_MS / 1000)
            return
        self._print(self.group.read(self.streams, BATCH, BLOCK_MS))

    def _find(self) -> None:
        pattern = self.names.output_stream("*")
        found = set(self.client.scan_iter(pattern, count=1000, _type="stream"))
        if self.underlyings is not None:
            found &= {self.names.output_stream(each) for each in self.underlyings}
        for stream in sorted(found - set(self.streams)):
            try:
                self.client.xgroup_create(stream, self.group.name, id=self.begin)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise
            while own := self._unacknowledged(stream):
                self._print(own)
            self.streams.append(stream)

    def _unacknowledged(self, stream: str) -> list[StreamEntry]:
        """Return the oldest entries that this consumer has read and not acknowledged, empty where they were removed."""
        answer = self.client.execute_command(
            *("XREADGROUP", "GROUP", self.group.name, self.group.consumer, "COUNT", BATCH, "STREAMS", stream, "0")
        )
        return [(name, entry_id, entry or []) for name, entries in answer for entry_id, entry in entries]

    def _print(self, entries: Sequence[StreamEntry]) -> None:
        done: dict[str, list[str]] = {}
        for stream, entry_id, entry in entries:
            for topic, state in zip(entry[::2], entry[1::2], strict=False):
                if self.every_topic or topic.startswith(f"{RESULTS}:"):
                    sys.stdout.buffer.write(_line(stream, entry_id, topic, state))
                    self.lines += 1
            done.setdefault(stream, []).append(entry_id)
        sys.stdout.buffer.flush()
        for stream, ids in done.items():
            self.client.xack(stream, self.group.name, *ids)


def _line(stream: str, entry_id: str, topic: str, state: str) -> bytes:
    """Return a line of JSON. A state that is no JSON is shown as a text."""
    try:
        value = orjson.Fragment(orjson.dumps(orjson.loads(state)))
    except orjson.JSONDecodeError:
        value = state.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")  # type: ignore[assignment]
    about = {"stream": stream, "id": entry_id, "topic": topic, "state": value}
    return orjson.dumps(about, option=orjson.OPT_APPEND_NEWLINE)
