"""A library to preload that makes each sync of Valkey's file take longer, and counts them: a slow disk without one."""

import shutil
import subprocess
from pathlib import Path

import pytest

_SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int fdatasync(int fd)
{
    char link[64], path[4096] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%%d", fd);
    if (readlink(link, path, sizeof path - 1) < 0 || !strstr(path, ".aof"))
        return syscall(SYS_fdatasync, fd);
    struct timespec delay = {%(seconds)d, %(nanoseconds)d};
    nanosleep(&delay, 0);
    int answer = syscall(SYS_fdatasync, fd);
    int count = open("%(count)s", O_WRONLY | O_APPEND);
    if (count >= 0) {
        write(count, ".", 1);
        close(count);
    }
    return answer;
}
"""


def slow_sync(folder: Path, seconds: float) -> tuple[Path, Path]:
    """(a library for LD_PRELOAD, a file that grows by a byte with each sync), where a system user can reach them."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler:
        pytest.skip("no C compiler here: a sync cannot be made slow")
    count = folder / "syncs"
    count.touch()
    count.chmod(0o666)
    whole, part = divmod(seconds, 1)
    source = folder / "slow_sync.c"
    source.write_text(_SOURCE % {"seconds": whole, "nanoseconds": int(part * 1e9), "count": count})
    library = folder / "slow_sync.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-w", "-o", library, source], check=True)
    library.chmod(0o755)
    return library, count
