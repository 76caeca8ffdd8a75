"""An Arrow IPC stream, decoded as its bytes come. pyarrow reads streams only by pulling, which no event loop can do."""

import struct
from typing import TYPE_CHECKING, Any

from .errors import ClientError

if TYPE_CHECKING:
    import pyarrow

_CONTINUES = 0xFFFFFFFF
_PREFIX = 8  # the mark above, and the length of the metadata
_BODY_LENGTH = 3  # place of the field in the flatbuffer table Message (Arrow's format/Message.fbs)


class BrokenStream(ClientError):
    """The stream ended before its end mark, or is no Arrow stream."""


class ArrowDecoder:
    """`feed` it bytes, and get the record batches that they complete; `end` checks that nothing is missing.

    Holds the bytes of one message. Dictionaries are not decoded: exports have none.
    """

    def __init__(self) -> None:
        self.schema: Any = None  # the pyarrow.Schema, from the stream's first message
        self._bytes = bytearray()
        self._ended = False

    def feed(self, data: bytes) -> "list[pyarrow.RecordBatch]":
        self._bytes += data
        found = []
        while not self._ended and (message := self._message()) is not None:
            batch = self._decode(message)
            if batch is not None:
                found.append(batch)
        return found

    def end(self) -> None:
        if not self._ended:
            raise BrokenStream("the Arrow stream ended before its end mark")

    def _message(self) -> bytes | None:
        """The next message with its body; None where its bytes are still to come."""
        if len(self._bytes) < _PREFIX:
            return None
        mark, length = struct.unpack_from("<Ii", self._bytes)
        if mark != _CONTINUES or length < 0:
            raise BrokenStream("not an Arrow IPC stream")
        if length == 0:
            self._ended = True
            return None
        if len(self._bytes) < _PREFIX + length:
            return None
        try:
            whole = _PREFIX + length + body_length(memoryview(self._bytes)[_PREFIX : _PREFIX + length])
        except struct.error as error:
            raise BrokenStream("not an Arrow IPC stream") from error
        if len(self._bytes) < whole:
            return None
        message = bytes(self._bytes[:whole])
        del self._bytes[:whole]
        return message

    def _decode(self, message: bytes) -> "pyarrow.RecordBatch | None":
        import pyarrow

        if self.schema is None:
            self.schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(message))
            return None
        return pyarrow.ipc.read_record_batch(pyarrow.py_buffer(message), self.schema)


def body_length(metadata: "memoryview | bytes") -> int:
    """Return the field bodyLength of a Message, which is a flatbuffer. 0 where it is left out."""
    (table,) = struct.unpack_from("<I", metadata)
    (back,) = struct.unpack_from("<i", metadata, table)
    vtable = table - back
    (vtable_bytes,) = struct.unpack_from("<H", metadata, vtable)
    place = 4 + 2 * _BODY_LENGTH
    if place + 2 > vtable_bytes:
        return 0
    (offset,) = struct.unpack_from("<H", metadata, vtable + place)
    if offset == 0:
        return 0
    (length,) = struct.unpack_from("<q", metadata, table + offset)
    return int(length)
