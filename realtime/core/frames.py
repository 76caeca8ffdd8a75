"""Entry IDs, and the newest state of a topic as it goes over the sockets: encoded once, however many read it."""

from functools import lru_cache
from typing import NamedTuple

import msgspec

BEGINNING = "0-0"  # before every entry


@lru_cache(maxsize=4096)
def _json(text: str) -> bytes:
    return msgspec.json.encode(text)


class EntryId(NamedTuple):
    """Where an entry stands in its stream: IDs are ordered as these are, not as their text is."""

    milliseconds: int
    number: int

    @classmethod
    def of(cls, text: str) -> "EntryId":
        milliseconds, _, number = text.partition("-")
        return cls(int(milliseconds), int(number or 0))


class Frame:
    """One state of a topic. `seq` is the ID of its entry, `prev` that of the topic's entry before; None: not known.

    `data` is the payload's JSON, passed on as it is; None where the topic has no value yet.
    """

    __slots__ = ("_snapshot", "_update", "data", "prev", "seq", "topic")

    def __init__(self, topic: str, seq: str | None, prev: str | None, data: bytes | None) -> None:
        self.topic, self.seq, self.prev, self.data = topic, seq, prev, data
        self._update: str | None = None
        self._snapshot: str | None = None

    @property
    def update(self) -> str:
        if self._update is None:
            prev = b"null" if self.prev is None else b'"%b"' % self.prev.encode()
            self._update = self._text(b"update", b',"prev":' + prev)
        return self._update

    @property
    def snapshot(self) -> str:
        if self._snapshot is None:
            self._snapshot = self._text(b"snapshot", b"")
        return self._snapshot

    def _text(self, kind: bytes, more: bytes) -> str:
        seq = b"null" if self.seq is None else b'"%b"' % self.seq.encode()
        body = b"null" if self.data is None else self.data
        return (b'{"type":"%b","topic":%b,"seq":%b%b,"data":%b}' % (kind, _json(self.topic), seq, more, body)).decode()
