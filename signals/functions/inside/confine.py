"""The other walls around a function's process: an own user, limits, Landlock and namespaces.

Landlock and namespaces are used where the kernel has them. The filter of system calls (`seccomp.py`) is the wall that
must be there.
"""

import ctypes
import errno
import os
import resource
import struct

from signals.functions.inside.seccomp import PR_SET_NO_NEW_PRIVS, prctl

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
SIGKILL = 9
NOBODY = 65_534
CREATE_RULESET, RESTRICT_SELF = 444, 446  # Landlock's numbers are those of every architecture
RULESET_VERSION = 1
# All rights to files that a version of Landlock knows, as a mask: 13 rights, then refer, truncate, ioctl.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_CONNECT_AND_BIND, _SIGNALS_AND_SOCKETS = 0b11, 0b11
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x40000000,
)
_libc = ctypes.CDLL(None, use_errno=True)


def separate_namespaces() -> bool:
    """Leave the network, IPC and mounts of the machine. Return whether the kernel allows it."""
    wanted = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET
    if os.geteuid() != 0:
        wanted |= CLONE_NEWUSER
    return bool(_libc.unshare(wanted) == 0)


def restrict_files() -> int:
    """Deny all files by Landlock, and where it can, the network and signals. Return its version, 0 without it."""
    version = _libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), RULESET_VERSION)
    if version < 1:
        return 0
    attributes = [(1 << _FILE_RIGHTS.get(min(version, 5), 16)) - 1]
    if version >= 4:
        attributes.append(_CONNECT_AND_BIND)
    if version >= 6:
        attributes.append(_SIGNALS_AND_SOCKETS)
    packed = struct.pack(f"{len(attributes)}Q", *attributes)
    ruleset = _libc.syscall(CREATE_RULESET, packed, ctypes.c_size_t(len(packed)), 0)
    if ruleset < 0:
        return 0
    try:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        return int(version) if _libc.syscall(RESTRICT_SELF, ruleset, 0) == 0 else 0
    finally:
        os.close(ruleset)


def become(uid: int) -> None:
    """Give up root for a user that owns nothing. Raises OSError where this container lets us become nobody.

    A container may map so few users that only the highest, 65534, is left.
    """
    os.setgroups([])
    for each in (uid, NOBODY):
        try:
            os.setresgid(each, each, each)
            os.setresuid(each, each, each)
        except OSError as error:
            if error.errno != errno.EINVAL or each == NOBODY:
                raise
        else:
            return


def limit(*, address_bytes: int, cpu_seconds: int) -> None:
    """Set hard limits. `address_bytes`: of all memory that the process may map."""
    for kind, most in (
        (resource.RLIMIT_AS, address_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 16),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_SIGPENDING, 0),
    ):
        _, hardest = resource.getrlimit(kind)
        most = most if hardest == resource.RLIM_INFINITY else min(most, hardest)
        resource.setrlimit(kind, (most, most))


def die_with_parent() -> None:
    prctl(PR_SET_PDEATHSIG, SIGKILL)
    prctl(PR_SET_DUMPABLE, 0)
