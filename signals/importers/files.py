"""Reads downloaded files: plain, gzip or zip, recognised by their first bytes and not by their names."""

import gzip
import zipfile
import zlib
from pathlib import Path

from signalsite.foundation.errors import DataAccessError


class UnreadableFile(DataAccessError):
    """The file is absent, truncated or damaged."""


def read_parts(path: Path) -> dict[str, bytes]:
    """Return name and bytes of each part: the file itself, or the members of a zip. Raises UnreadableFile."""
    try:
        with path.open("rb") as file:
            magic = file.read(2)
        if magic == b"PK":
            with zipfile.ZipFile(path) as archive:
                return {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}
        if magic == b"\x1f\x8b":
            return {path.name.removesuffix(".gz"): gzip.decompress(path.read_bytes())}
        return {path.name: path.read_bytes()}
    except (gzip.BadGzipFile, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        # NotImplementedError and RuntimeError: a zip with an unknown compression, or an encrypted one.
        raise UnreadableFile(f"truncated or damaged ({error})") from error
    except OSError as error:
        raise UnreadableFile(error.strerror or str(error)) from error


def decode(data: bytes) -> str:
    """Decode an exchange's file, which is ASCII except for stray bytes in company names."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
