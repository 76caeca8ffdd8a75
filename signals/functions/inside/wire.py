"""Frames between the service and a function's process: a header, JSON, and raw little-endian float64.

Nothing is pickled. Both sides check the lengths in a header before they read what follows.
"""

import struct

MAGIC = b"SGF1"
HEADER = struct.Struct("<4sII")  # magic, bytes of JSON, bytes of numbers
REQUEST_FD, ANSWER_FD = 10, 11  # of the function's process, which has no other descriptor

MOST_REQUEST_BYTES = 64 << 20
MOST_META_BYTES = 16 << 10  # of an answer
MOST_SOURCE_BYTES = 64 << 10
MOST_NAMES = 64  # of a result
LONGEST_NAME = 64
MOST_NUMBERS = 200_000  # of one result
LONGEST_MESSAGE = 500
MOST_PRINTED = 4000  # characters of one call

# What a result is made of.
NUMBER, WHOLE, FLAG, NOTHING, COLUMN, TABLE = "number", "whole", "flag", "nothing", "column", "table"


def frame(meta: bytes, *numbers: bytes) -> bytes:
    return b"".join((HEADER.pack(MAGIC, len(meta), sum(map(len, numbers))), meta, *numbers))
