from __future__ import annotations

import errno
import re
import socket
from pathlib import Path

import pytest
import ziglang

from tinsmith.worker.seccomp import (
    ALLOW,
    ERRNO,
    JUMP,
    JUMP_ANY_BIT,
    JUMP_AT_LEAST,
    JUMP_EQUAL,
    KILL_PROCESS,
    LOAD,
    RETURN,
    SYSCALLS,
    program,
)

HEADERS = Path(ziglang.__file__).parent / "lib" / "libc" / "include"
TABLES = (
    "x86-linux-any/asm/unistd_64.h",
    "aarch64-linux-any/asm/unistd_64.h",
    "x86-linux-any/asm/unistd_32.h",
)
X86_64, AARCH64, I386, ARM = 0xC000003E, 0xC00000B7, 0x40000003, 0x40000028
EPERM, EACCES, ENOSYS = (ERRNO | number for number in (errno.EPERM, errno.EACCES, errno.ENOSYS))


def verdict(machine: str, architecture: int, number: int, *arguments: int, unix_sockets: bool = True) -> int:
    """What the kernel would decide: the filter run on one struct seccomp_data."""
    data = {0: number, 4: architecture}
    for index, argument in enumerate(arguments):
        data[16 + 8 * index] = argument & 0xFFFFFFFF
    code = program(machine, unix_sockets)
    accumulator, position = 0, 0
    while True:
        operation, true, false, operand = code[position]
        position += 1
        if operation == LOAD:
            accumulator = data.get(operand, 0)
        elif operation == RETURN:
            return operand
        elif operation == JUMP:
            position += operand
        else:
            holds = {
                JUMP_EQUAL: accumulator == operand,
                JUMP_ANY_BIT: accumulator & operand != 0,
                JUMP_AT_LEAST: accumulator >= operand,
            }[operation]
            position += true if holds else false


@pytest.mark.parametrize("column", [0, 1, 2])
def test_the_numbers_are_those_of_the_kernel_headers(column: int) -> None:
    text = (HEADERS / TABLES[column]).read_text()
    numbers = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+)\s+(\d+)", text)}
    assert len(numbers) > 300
    for name, columns in SYSCALLS.items():
        assert columns[column] == numbers.get(name), name


@pytest.mark.parametrize(
    ("machine", "architecture", "column"),
    [("x86_64", X86_64, 0), ("x86_64", I386, 2), ("aarch64", AARCH64, 1)],
)
def test_every_listed_call_is_refused_and_others_are_not(
    machine: str, architecture: int, column: int
) -> None:
    conditional = {"socket", "socketpair", "clone", "ioctl"}
    listed = {columns[column]: name for name, columns in SYSCALLS.items()}
    for number in range(600):
        answer = verdict(machine, architecture, number, 0, 0)
        name = listed.get(number)
        if name == "clone3":
            assert answer == ENOSYS
        elif name in ("socket", "socketpair", "socketcall"):
            assert answer == EACCES, name
        elif name is not None and name not in conditional:
            assert answer == EPERM, name
        else:
            assert answer == ALLOW, number


@pytest.mark.parametrize("number", [41, 53])
def test_sockets_by_family(number: int) -> None:
    assert verdict("x86_64", X86_64, number, socket.AF_UNIX, 1) == ALLOW
    for family in (0, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET, 40, 0xFFFF):
        assert verdict("x86_64", X86_64, number, family, 1) == EACCES
    without = verdict("x86_64", X86_64, number, socket.AF_UNIX, 1, unix_sockets=False)
    assert without == (ALLOW if number == 53 else EACCES)


@pytest.mark.parametrize("flag", [7, 17, 25, 26, 27, 28, 29, 30])
def test_clone_with_any_namespace_flag_is_refused(flag: int) -> None:
    assert verdict("x86_64", X86_64, 56, 1 << flag | 17) == EPERM
    assert verdict("x86_64", X86_64, 56, 0x3D0F00) == ALLOW  # what pthread_create asks for


def test_terminal_injection_is_refused_and_other_ioctls_are_not() -> None:
    assert verdict("aarch64", AARCH64, 29, 0, 0x5412) == EPERM
    assert verdict("aarch64", AARCH64, 29, 0, 0x541C) == EPERM
    assert verdict("aarch64", AARCH64, 29, 0, 0x5413) == ALLOW


def test_programs_of_other_architectures_are_killed_and_x32_calls_do_not_exist() -> None:
    assert verdict("x86_64", AARCH64, 0) == KILL_PROCESS
    assert verdict("aarch64", ARM, 0) == KILL_PROCESS
    assert verdict("x86_64", X86_64, 0x40000000 | 1) == ENOSYS
