"""Landlock: what this process and its children may open, connect to and signal. Linux 5.13 and newer.

The kernel's interface version (ABI) decides how much is confined: 1 files, 2 and 3 renaming between
folders and truncating, 4 TCP, 5 device ioctls, 6 abstract sockets and signals.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same number on every architecture
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
FILE_ONLY = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
ALL_OF_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
TCP_BIND_CONNECT, SCOPE_ABSTRACT_SOCKETS_SIGNALS = 3, 3


def abi() -> int:
    """The kernel's Landlock version; 0 when it has none."""
    return max(0, _syscall(CREATE_RULESET, None, ctypes.c_size_t(0), CREATE_RULESET_VERSION))


def restrict(read_only: Iterable[str], read_write: Iterable[str]) -> int:
    """Confines this process for good to the given paths, without TCP; missing paths are skipped.

    Returns the ABI in force, 0 when the kernel has no Landlock. Needs no_new_privs. Raises OSError
    when the kernel has Landlock and refuses.
    """
    version = abi()
    if version == 0:
        return 0
    handled = ALL_OF_ABI[min(version, 5)]
    writing = handled & ~(MAKE_CHAR | MAKE_BLOCK | IOCTL_DEV)
    ruleset = _create_ruleset(version, handled)
    try:
        for path in read_only:
            _allow(ruleset, path, READ & handled)
        for path in read_write:
            _allow(ruleset, path, writing)
        _check(_syscall(RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    finally:
        os.close(ruleset)
    return version


def _create_ruleset(version: int, handled: int) -> int:
    fields = [handled]
    if version >= 4:
        fields.append(TCP_BIND_CONNECT)
    if version >= 6:
        fields.append(SCOPE_ABSTRACT_SOCKETS_SIGNALS)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    return _check(ruleset, "landlock_create_ruleset")


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(opened).st_mode):
            rights &= FILE_ONLY
        rule = struct.pack("=Qi", rights, opened)
        _check(_syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0), f"landlock_add_rule {path}")
    finally:
        os.close(opened)


def _syscall(number: int, *arguments: object) -> int:
    return int(_LIBC.syscall(ctypes.c_long(number), *arguments))


def _check(result: int, what: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), what)
    return result


_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long
