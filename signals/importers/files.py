"""Reads downloaded files: plain, gzip or zip, recognised by their first bytes and not by their names."""

import gzip
import zipfile
import zlib
from pathlib import Path
from typing import IO, BinaryIO

from signalsite.foundation.errors import DataAccessError

MAX_WHOLE = 256 << 20
"""Bytes of a file that is read into memory as a whole, unpacked."""
MAX_MEMBERS = 1_000
"""Files in a zip."""
DAMAGED = (
    gzip.BadGzipFile,
    EOFError,
    zlib.error,
    zipfile.BadZipFile,
    NotImplementedError,  # a zip with an unknown compression
    RuntimeError,  # an encrypted one
)


class UnreadableFile(DataAccessError):
    """The file is absent, truncated or damaged."""


def read_parts(path: Path) -> dict[str, bytes]:
    """Return name and bytes of each part: the file itself, or the members of a zip, unpacked. Raises UnreadableFile."""
    try:
        with path.open("rb") as file:
            magic = file.read(2)
            file.seek(0)
            if magic == b"PK":
                return _members(file)
            if magic == b"\x1f\x8b":
                with gzip.open(file) as inner:
                    return {path.name.removesuffix(".gz"): _whole(inner, MAX_WHOLE)}
            return {path.name: _whole(file, MAX_WHOLE)}
    except DAMAGED as error:
        raise UnreadableFile(f"truncated or damaged ({error})") from error
    except OSError as error:
        raise UnreadableFile(error.strerror or str(error)) from error


def _members(file: BinaryIO) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    left = MAX_WHOLE
    with zipfile.ZipFile(file) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        if len(members) > MAX_MEMBERS:
            raise UnreadableFile(f"the zip holds {len(members):,} files, more than {MAX_MEMBERS:,}")
        for info in members:
            with archive.open(info) as inner:
                found[info.filename] = _whole(inner, left)
            left -= len(found[info.filename])
    return found


def _whole(file: IO[bytes] | gzip.GzipFile, most: int) -> bytes:
    """Read a file to its end. What a file says of its own size is not trusted."""
    data = file.read(most + 1)
    if len(data) > most:
        raise UnreadableFile(f"the file has more than {MAX_WHOLE >> 20} MiB, unpacked: split it")
    return data


def decode(data: bytes) -> str:
    """Decode an exchange's file, which is ASCII except for stray bytes in company names."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
