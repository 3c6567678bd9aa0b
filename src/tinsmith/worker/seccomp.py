"""The system-call filter, as a BPF program of ours: no library, no files, nothing to look up at run time.

Everything is allowed except what a compiler never needs and an exploit wants: sockets, debugging
other processes, memory and queues shared by number or name, namespaces and mounts, kernel keys, modules,
clocks, io_uring. Refused calls answer EPERM
or EACCES; `clone3`, whose flags a filter cannot see, answers ENOSYS, and libc then uses `clone`. On
x86_64 a second table covers 32-bit programs; x32 calls do not exist.
"""

from __future__ import annotations

import ctypes
import platform
import struct
from collections.abc import Iterable

SYSCALLS: dict[str, tuple[int | None, int | None, int | None]] = {
    "socket": (41, 198, 359),
    "socketpair": (53, 199, 360),
    "socketcall": (None, None, 102),
    "clone": (56, 220, 120),
    "clone3": (435, 435, 435),
    "ioctl": (16, 29, 54),
    "ptrace": (101, 117, 26),
    "process_vm_readv": (310, 270, 347),
    "process_vm_writev": (311, 271, 348),
    "kcmp": (312, 272, 349),
    "pidfd_getfd": (438, 438, 438),
    "bpf": (321, 280, 357),
    "perf_event_open": (298, 241, 336),
    "userfaultfd": (323, 282, 374),
    "io_uring_setup": (425, 425, 425),
    "io_uring_enter": (426, 426, 426),
    "io_uring_register": (427, 427, 427),
    "mount": (165, 40, 21),
    "umount": (None, None, 22),
    "umount2": (166, 39, 52),
    "move_mount": (429, 429, 429),
    "fsopen": (430, 430, 430),
    "fsconfig": (431, 431, 431),
    "fsmount": (432, 432, 432),
    "fspick": (433, 433, 433),
    "open_tree": (428, 428, 428),
    "mount_setattr": (442, 442, 442),
    "pivot_root": (155, 41, 217),
    "chroot": (161, 51, 61),
    "unshare": (272, 97, 310),
    "setns": (308, 268, 346),
    "keyctl": (250, 219, 288),
    "add_key": (248, 217, 286),
    "request_key": (249, 218, 287),
    "init_module": (175, 105, 128),
    "finit_module": (313, 273, 350),
    "delete_module": (176, 106, 129),
    "kexec_load": (246, 104, 283),
    "kexec_file_load": (320, 294, None),
    "reboot": (169, 142, 88),
    "swapon": (167, 224, 87),
    "swapoff": (168, 225, 115),
    "sethostname": (170, 161, 74),
    "setdomainname": (171, 162, 121),
    "settimeofday": (164, 170, 79),
    "stime": (None, None, 25),
    "clock_settime": (227, 112, 264),
    "clock_settime64": (None, None, 404),
    "clock_adjtime": (305, 266, 343),
    "clock_adjtime64": (None, None, 405),
    "adjtimex": (159, 171, 124),
    "iopl": (172, None, 110),
    "ioperm": (173, None, 101),
    "acct": (163, 89, 51),
    "quotactl": (179, 60, 131),
    "quotactl_fd": (443, 443, 443),
    "syslog": (103, 116, 103),
    "vhangup": (153, 58, 111),
    "lookup_dcookie": (212, 18, 253),
    "open_by_handle_at": (304, 265, 342),
    "name_to_handle_at": (303, 264, 341),
    "fanotify_init": (300, 262, 338),
    "fanotify_mark": (301, 263, 339),
    "ipc": (None, None, 117),
    "shmget": (29, 194, 395),
    "shmat": (30, 196, 397),
    "semget": (64, 190, 393),
    "semop": (65, 193, None),
    "semtimedop": (220, 192, None),
    "semtimedop_time64": (None, None, 420),
    "msgget": (68, 186, 399),
    "msgsnd": (69, 189, 400),
    "msgrcv": (70, 188, 401),
    "mq_open": (240, 180, 277),
    "mq_unlink": (241, 181, 278),
    "process_madvise": (440, 440, 440),
    "uselib": (134, None, 86),
    "vm86": (None, None, 166),
    "vm86old": (None, None, 113),
}
"""Numbers on (x86_64, aarch64, i386); None where the call does not exist. Source: linux/asm/unistd.h."""

CONDITIONAL = frozenset({"socket", "socketpair", "socketcall", "clone", "clone3", "ioctl"})
"""Calls that some arguments make harmless; `_conditional` judges them."""

ARCHITECTURES = {"x86_64": ((0, 0xC000003E), (2, 0x40000003)), "aarch64": ((1, 0xC00000B7),)}
"""Machine to its (column of SYSCALLS, AUDIT_ARCH) pairs."""

EPERM, EACCES, ENOSYS = 1, 13, 38
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
LOAD, JUMP_EQUAL, JUMP_ANY_BIT, JUMP_AT_LEAST, JUMP, RETURN = 0x20, 0x15, 0x45, 0x35, 0x05, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
AF_UNIX = 1
CLONE_NEW = 0x7E020080  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET,TIME}
TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
X32_BIT = 0x40000000
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2

Instruction = tuple[int, int, int, int]
"""code, instructions to skip when true, when false, operand."""


def install(unix_sockets: bool) -> bool:
    """Filters this process and its children for good. False on a machine that has no table.

    Without `unix_sockets` there are no sockets at all, only AF_UNIX pairs. Needs no_new_privs.
    Raises OSError when the kernel refuses.
    """
    if platform.machine() not in ARCHITECTURES:
        return False
    code = b"".join(
        struct.pack("=HBBI", *instruction) for instruction in program(platform.machine(), unix_sockets)
    )
    buffer = ctypes.create_string_buffer(code)
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(header), 0, 0):
        raise OSError(ctypes.get_errno(), "the kernel refuses the system-call filter")
    return True


def program(machine: str, unix_sockets: bool) -> list[Instruction]:
    """The filter for `machine`, a key of ARCHITECTURES. A program of an unknown architecture is killed."""
    code: list[Instruction] = [(LOAD, 0, 0, ARCHITECTURE)]
    for column, architecture in ARCHITECTURES[machine]:
        body = list(_body(column, unix_sockets))
        code += [(JUMP_EQUAL, 1, 0, architecture), (JUMP, 0, 0, len(body)), *body]
    return [*code, _return(KILL_PROCESS)]


def _body(column: int, unix_sockets: bool) -> Iterable[Instruction]:
    yield (LOAD, 0, 0, NUMBER)
    if column == 0:
        yield from ((JUMP_AT_LEAST, 0, 1, X32_BIT), _return(ERRNO | ENOSYS))
    for name, numbers in SYSCALLS.items():
        if (number := numbers[column]) is not None:
            verdict = _conditional(name, unix_sockets) if name in CONDITIONAL else [_return(ERRNO | EPERM)]
            yield (JUMP_EQUAL, 0, len(verdict), number)
            yield from verdict
    yield _return(ALLOW)


def _conditional(name: str, unix_sockets: bool) -> list[Instruction]:
    if name == "clone3":
        return [_return(ERRNO | ENOSYS)]
    if name == "socketcall" or (name == "socket" and not unix_sockets):
        return [_return(ERRNO | EACCES)]
    if name == "clone":
        return [
            (LOAD, 0, 0, ARGUMENTS),
            (JUMP_ANY_BIT, 0, 1, CLONE_NEW),
            _return(ERRNO | EPERM),
            _return(ALLOW),
        ]
    if name == "ioctl":
        first, second = TERMINAL_INJECTION
        return [
            (LOAD, 0, 0, ARGUMENTS + 8),
            (JUMP_EQUAL, 1, 0, first),
            (JUMP_EQUAL, 0, 1, second),
            _return(ERRNO | EPERM),
            _return(ALLOW),
        ]
    return [
        (LOAD, 0, 0, ARGUMENTS),
        (JUMP_EQUAL, 0, 1, AF_UNIX),
        _return(ALLOW),
        _return(ERRNO | EACCES),
    ]


def _return(verdict: int) -> Instruction:
    return (RETURN, 0, 0, verdict)
