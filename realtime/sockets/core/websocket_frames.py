"""WebSocket frames (RFC 6455, 5.2): one unmasked frame a message, the same bytes for every socket."""

_FINAL_TEXT, _PING = 0x81, 0x89


def framed(body: bytes) -> bytes:
    size = len(body)
    if size < 126:
        head = bytes((_FINAL_TEXT, size))
    elif size < 1 << 16:
        head = bytes((_FINAL_TEXT, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FINAL_TEXT, 127)) + size.to_bytes(8, "big")
    return head + body


def unframed(frame: bytes) -> str:
    start = {126: 4, 127: 10}.get(frame[1], 2)
    return frame[start:].decode()


def ping_frame(payload: bytes) -> bytes:
    """`payload`: at most 125 bytes."""
    return bytes((_PING, len(payload))) + payload
