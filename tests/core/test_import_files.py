"""Downloaded files are read whole: what unpacks to more than the limit is refused, in bounded memory."""

import gzip
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from signals.importers import files
from signals.importers.files import MAX_MEMBERS, UnreadableFile, read_parts

LIMIT = 1 << 20


@pytest.fixture(autouse=True)
def _limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_WHOLE", LIMIT)


def written(path: Path, *sizes: int) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for number, size in enumerate(sizes):
                archive.writestr(f"{number}.csv", bytes(size))
    else:
        path.write_bytes(gzip.compress(bytes(sizes[0])) if path.suffix == ".gz" else bytes(sizes[0]))
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.gz", "a.zip"])
def test_a_file_of_the_limit_is_read(tmp_path: Path, name: str) -> None:
    (data,) = read_parts(written(tmp_path / name, LIMIT)).values()
    assert data == bytes(LIMIT)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("a.csv", [LIMIT + 1]),
        ("a.gz", [LIMIT + 1]),
        ("a.gz", [64 * LIMIT]),
        ("a.zip", [64 * LIMIT]),
        ("a.zip", [LIMIT // 2, LIMIT // 2, 1]),
    ],
)
def test_a_file_over_the_limit_is_refused_in_bounded_memory(tmp_path: Path, name: str, sizes: list[int]) -> None:
    path = written(tmp_path / name, *sizes)
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFile, match="more than 1 MiB"):
            read_parts(path)
        assert tracemalloc.get_traced_memory()[1] < 6 * LIMIT
    finally:
        tracemalloc.stop()


def test_a_zip_of_many_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="holds 1,001 files"):
        read_parts(written(tmp_path / "a.zip", *[0] * (MAX_MEMBERS + 1)))


@pytest.mark.parametrize("cut", [8, 1])
def test_a_truncated_file_is_damaged(tmp_path: Path, cut: int) -> None:
    for name in ("a.gz", "a.zip"):
        path = written(tmp_path / name, 100)
        path.write_bytes(path.read_bytes()[:-cut])
        with pytest.raises(UnreadableFile, match="truncated or damaged"):
            read_parts(path)
