"""`python -m tests.hostile.as_user UID COMMAND...`: as an ordinary user, who can get at this very Python.

Where the interpreter lies below a closed folder (/root), a mount namespace shows that folder open and empty
but for the interpreter.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 1 << 17, 1 << 12, 1 << 14, 1 << 18
LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Becomes the command."""
    uid = int(sys.argv[1])
    executable = Path(os.path.realpath(sys.executable))
    closed = [parent for parent in executable.parents if not parent.stat().st_mode & 0o001]
    if closed:
        _open_up(closed[-1], executable)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.execv(sys.argv[2], sys.argv[2:])


def _open_up(closed: Path, executable: Path) -> None:
    inner = closed / executable.relative_to(closed).parts[0]
    _check(LIBC.unshare(CLONE_NEWNS))
    _check(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    kept = os.open(inner, os.O_PATH)
    _check(LIBC.mount(b"none", bytes(closed), b"tmpfs", 0, b"mode=755"))
    inner.mkdir()
    _check(LIBC.mount(b"/proc/self/fd/%d" % kept, bytes(inner), None, MS_BIND | MS_REC, None))
    os.close(kept)


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main()
