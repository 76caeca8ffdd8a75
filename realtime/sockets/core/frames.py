"""A topic's state as it goes over the sockets: encoded once, for all of them."""

from functools import lru_cache

import msgspec

from realtime.core.entry_ids import parse_id
from realtime.sockets.core.websocket_frames import framed

BEGINNING = "0-0"  # before every entry
_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=4096)
def _json(text: str) -> bytes:
    return _encode(text)


class Frame:
    """One state of a topic. `seq` is the ID of its entry, `prev` that of the topic's previous entry, None if unknown.

    `data` is the JSON of the state, None if the topic has none yet. `read_at`: when it was read (monotonic). `final`:
    no newer state of the topic may replace it unsent, such as a complete bar.
    """

    __slots__ = ("_snapshot", "_update", "data", "final", "milliseconds", "prev", "read_at", "seq", "topic")

    def __init__(
        self,
        topic: str,
        seq: str | None,
        prev: str | None,
        data: bytes | None,
        *,
        read_at: float = 0.0,
        final: bool = False,
    ) -> None:
        self.topic, self.seq, self.prev, self.data, self.read_at = topic, seq, prev, data, read_at
        self.final = final
        self.milliseconds = parse_id(seq)[0] if seq else 0  # since the epoch, of its entry
        self._update: bytes | None = None
        self._snapshot: bytes | None = None

    @property
    def update(self) -> bytes:
        if self._update is None:
            self._update = self._message(b"update", b',"prev":' + _encode(self.prev))
        return self._update

    @property
    def snapshot(self) -> bytes:
        if self._snapshot is None:
            self._snapshot = self._message(b"snapshot", b"")
        return self._snapshot

    def _message(self, kind: bytes, more: bytes) -> bytes:
        body = b"null" if self.data is None else self.data
        head = (kind, _json(self.topic), _encode(self.seq), more)
        return framed(b'{"type":"%b","topic":%b,"seq":%b%b,"data":%b}' % (*head, body))
