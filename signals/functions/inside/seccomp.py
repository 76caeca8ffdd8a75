"""The filter of system calls: an allow-list, assembled here as BPF for seccomp(2).

The bindings of libseccomp on PyPI were last released in 2021, or need a library that slim images lack. The program is
short: an allow-list of a dozen calls, and no other architecture than the machine's own.

A call that is neither allowed nor fatal fails with EPERM, so that an import that tries to open a file raises an
ordinary exception. A fatal one, which no honest function makes, kills the process.
"""

import ctypes
import errno
import os
import struct

from signals.functions.inside.wire import ANSWER_FD, REQUEST_FD

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 38, 22
SECCOMP_MODE_FILTER = 2
KILL, ALLOW, REFUSE = 0x80000000, 0x7FFF0000, 0x00050000 | errno.EPERM
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16  # offsets in struct seccomp_data
X32_BIT = 0x40000000
PROT_EXEC = 4

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# name: numbers on x86_64 and aarch64; None where the architecture has no such call
_ALLOWED = {
    "close": (3, 57),
    "brk": (12, 214),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "sched_yield": (24, 124),
    "clock_gettime": (228, 113),
    "gettimeofday": (96, 169),
    "getrandom": (318, 278),
    "rt_sigreturn": (15, 139),
    "restart_syscall": (219, 128),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
_READ, _WRITE, _MMAP, _MPROTECT, _FUTEX = (0, 63), (1, 64), (9, 222), (10, 226), (202, 98)
_WAIT, _WAKE, _WAIT_BITSET, _WAKE_BITSET, _PRIVATE, _REALTIME = 0, 1, 9, 10, 128, 256
LOCKS = (
    *(_WAIT, _WAKE, _WAIT_BITSET, _WAKE_BITSET),
    *(each | _PRIVATE for each in (_WAIT, _WAKE, _WAIT_BITSET, _WAKE_BITSET)),
)
LOCKS += (_WAIT_BITSET | _REALTIME, _WAIT_BITSET | _REALTIME | _PRIVATE)
"""What locks ask of futex(2). The rest of it, such as priority inheritance, has a history of holes."""
_FATAL = {
    "execve": (59, 221),
    "execveat": (322, 281),
    "fork": (57, None),
    "vfork": (58, None),
    "clone": (56, 220),
    "clone3": (435, 435),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "setuid": (105, 146),
    "setresuid": (117, 147),
    "setgid": (106, 144),
    "setresgid": (119, 149),
    "capset": (126, 91),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "reboot": (169, 142),
    "clock_settime": (227, 112),
    "settimeofday": (164, 170),
    "clock_adjtime": (305, 266),
    "memfd_create": (319, 279),
}


class FilterRefused(OSError):
    """The kernel, or this architecture, takes no filter."""


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def program(machine: str, request_fd: int = REQUEST_FD, answer_fd: int = ANSWER_FD) -> bytes:
    """Return the BPF program for this machine. Raises FilterRefused for an unknown one."""
    if machine not in ARCHITECTURES:
        raise FilterRefused(errno.ENOSYS, f"no filter is written for {machine}")
    column = list(ARCHITECTURES).index(machine)
    steps = [
        _step(LOAD, ARCHITECTURE_AT),
        _step(EQUAL, ARCHITECTURES[machine], 1, 0),
        _step(RETURN, KILL),
        _step(LOAD, NUMBER_AT),
    ]
    if machine == "x86_64":
        steps += [_step(AT_LEAST, X32_BIT, 0, 1), _step(RETURN, KILL)]
    for numbers in _ALLOWED.values():
        steps += [_step(EQUAL, numbers[column], 0, 1), _step(RETURN, ALLOW)]
    for fatal in _FATAL.values():
        if (number := fatal[column]) is not None:
            steps += [_step(EQUAL, number, 0, 1), _step(RETURN, KILL)]
    for numbers, descriptor in ((_READ, request_fd), (_WRITE, answer_fd)):
        steps += [
            _step(EQUAL, numbers[column], 0, 4),
            _step(LOAD, ARGUMENTS_AT),
            _step(EQUAL, descriptor, 0, 1),
            _step(RETURN, ALLOW),
            _step(RETURN, REFUSE),
        ]
    for numbers in (_MMAP, _MPROTECT):
        steps += [
            _step(EQUAL, numbers[column], 0, 4),
            _step(LOAD, ARGUMENTS_AT + 2 * 8),
            _step(ANY_BIT, PROT_EXEC, 1, 0),
            _step(RETURN, ALLOW),
            _step(RETURN, REFUSE),
        ]
    steps += [_step(EQUAL, _FUTEX[column], 0, len(LOCKS) + 3), _step(LOAD, ARGUMENTS_AT + 8)]
    steps += [_step(EQUAL, each, len(LOCKS) - place) for place, each in enumerate(LOCKS)]
    steps += [_step(RETURN, REFUSE), _step(RETURN, ALLOW)]
    return b"".join((*steps, _step(RETURN, REFUSE)))


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]


_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, *arguments: int | ctypes.c_void_p) -> None:
    """Call prctl(2). Raises OSError."""
    padded = [*arguments, *[0] * (4 - len(arguments))]
    wide = [each if isinstance(each, ctypes.c_void_p) else ctypes.c_ulong(each) for each in padded]
    if _libc.prctl(option, *wide) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def install(steps: bytes) -> None:
    """Lock this process for good. Raises FilterRefused where the kernel does not take the filter."""
    buffer = ctypes.create_string_buffer(steps, len(steps))
    filtering = _Program(len(steps) // 8, ctypes.addressof(buffer))
    try:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_void_p(ctypes.addressof(filtering)))
    except OSError as error:
        raise FilterRefused(error.errno, f"the kernel takes no seccomp filter: {error.strerror}") from error
