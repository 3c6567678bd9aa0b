"""What a model that took over the compiler would try, each a function that claims what it got."""

from __future__ import annotations

import ctypes
import errno
import platform
from collections.abc import Callable
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
World = dict[str, Any]
"""Where things are; never what is in them."""
PROBES: dict[str, Callable[[World], object]] = {}


class Held(Exception):
    """The attack got nowhere."""


def probe(function: Callable[[World], object]) -> Callable[[World], object]:
    """Registers `function`, which returns what it got or raises Held or OSError."""
    PROBES[function.__name__] = function
    return function


def call(number: int, *arguments: object) -> int:
    """A system call by its number. Raises OSError."""
    result = int(LIBC.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{errno.errorcode.get(ctypes.get_errno())}")
    return result


def number_of(x86_64: int, aarch64: int) -> int:
    """The one for this machine."""
    return {"x86_64": x86_64, "aarch64": aarch64}[platform.machine()]


def system_call(name: str, x86_64: int, aarch64: int, *arguments: object) -> None:
    """A probe that makes a call with nonsense for arguments: held when the kernel does not look at them."""

    def attack(_world: World) -> object:
        try:
            call(number_of(x86_64, aarch64), *arguments)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOSYS, errno.EACCES):
                raise Held(error.strerror) from None
            return f"the kernel took the call: {error.strerror}"
        return "the kernel took the call"

    PROBES[name] = attack
