"""The filter of system calls, run by a small interpreter of BPF: what each architecture's program says to a call."""

import struct
from functools import cache

import pytest

from signals.functions.inside import seccomp
from signals.functions.inside.seccomp import ALLOW, ARCHITECTURES, KILL, REFUSE, FilterRefused, program

NUMBERS = {"x86_64": 0, "aarch64": 1}


@cache
def steps_of(machine: str) -> list[tuple[int, int, int, int]]:
    return list(struct.iter_unpack("HBBI", program(machine)))


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Interpret the program as the kernel does."""
    steps = steps_of(machine)
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<iIQ6Q", number, ARCHITECTURES[machine] if architecture is None else architecture, 0, *padded)
    place, value = 0, 0
    while True:
        code, if_true, if_false, constant = steps[place]
        place += 1
        if code == seccomp.LOAD:
            (value,) = struct.unpack_from("<I", data, constant)
        elif code == seccomp.EQUAL:
            place += if_true if value == constant else if_false
        elif code == seccomp.AT_LEAST:
            place += if_true if value >= constant else if_false
        elif code == seccomp.ANY_BIT:
            place += if_true if value & constant else if_false
        else:
            assert code == seccomp.RETURN
            return constant


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_allow_list_is_all_that_is_allowed(machine: str) -> None:
    column = NUMBERS[machine]
    allowed = {each[column] for each in seccomp._ALLOWED.values()}
    fatal = {each[column] for each in seccomp._FATAL.values()} - {None}
    some = {each[column] for each in (seccomp._READ, seccomp._WRITE, seccomp._MMAP, seccomp._MPROTECT)}
    some.add(seccomp._FUTEX[column])
    assert not allowed & fatal and not some & (allowed | fatal)
    for number in range(600):
        expected = ALLOW if number in allowed else KILL if number in fatal else REFUSE
        if number not in some:
            assert verdict(machine, number) == expected, number


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_arguments_are_looked_at(machine: str) -> None:
    column = NUMBERS[machine]
    read, write, mmap, protect = (
        each[column] for each in (seccomp._READ, seccomp._WRITE, seccomp._MMAP, seccomp._MPROTECT)
    )
    assert verdict(machine, read, 10) == ALLOW and verdict(machine, read, 11) == REFUSE
    assert verdict(machine, write, 11) == ALLOW and verdict(machine, write, 10) == verdict(machine, write, 1) == REFUSE
    for call in (mmap, protect):
        assert verdict(machine, call, 0, 4096, 3) == ALLOW
        assert verdict(machine, call, 0, 4096, 7) == verdict(machine, call, 0, 4096, 4) == REFUSE


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_a_futex_waits_and_wakes_and_does_no_more(machine: str) -> None:
    futex = seccomp._FUTEX[NUMBERS[machine]]
    allowed = {each for each in range(1024) if verdict(machine, futex, 0, each) == ALLOW}
    assert allowed == {0, 1, 9, 10, 128, 129, 137, 138, 265, 393}
    assert all(verdict(machine, futex, 0, each) == REFUSE for each in set(range(1024)) - allowed)


def test_other_tables_of_calls_end_the_process() -> None:
    for number in (0, 1, 2, 59):
        assert verdict("x86_64", 0x40000000 + number) == KILL
        assert verdict("x86_64", number, 10, architecture=0x40000003) == KILL, "32-bit calls"
    assert verdict("x86_64", 0xFFFFFFFF - 2**32) == KILL
    assert verdict("aarch64", 63, 10, architecture=ARCHITECTURES["x86_64"]) == KILL


def test_an_unknown_machine_has_no_filter() -> None:
    with pytest.raises(FilterRefused, match="riscv64"):
        program("riscv64")
