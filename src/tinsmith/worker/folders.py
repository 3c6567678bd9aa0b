"""Folders whose content others chose: how much they hold, and removing them whatever is in them."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

MAX_DEPTH = 128


def excess(folder: Path, max_bytes: int, max_entries: int, more: int = 0) -> str | None:
    """What `folder` holds too much of, as the end of a sentence; None while it keeps both limits.

    Counts disk space, so that holes in files are free, and `more` bytes that have no name there. May miss
    what changes meanwhile. Folders that it could not look into would hide what they hold: too many nested
    ones, whose path is longer than the kernel takes, and closed ones.
    """
    size, entries, refused = more, 0, list[OSError]()
    for parent, folders, files in os.walk(folder, onerror=refused.append):
        if parent.count("/") - str(folder).count("/") > MAX_DEPTH:
            return f"folders nested more than {MAX_DEPTH} deep"
        for name in (*folders, *files):
            entries += 1
            try:
                size += os.lstat(os.path.join(parent, name)).st_blocks * 512
            except OSError:
                continue
        if size > max_bytes:
            return f"more than {max_bytes} bytes"
        if entries > max_entries:
            return f"more than {max_entries} files"
    if any(error.errno in (errno.EACCES, errno.ENAMETOOLONG) for error in refused):
        return "folders that cannot be looked into"
    return None


def disk_bytes(folder: Path) -> int:
    """Disk space that `folder` holds, as far as it can be looked into."""
    size = 0
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            with suppress(OSError):
                size += os.lstat(os.path.join(parent, name)).st_blocks * 512
    return size


def free_bytes(folder: Path) -> int:
    """What others than root may still write on the file system of `folder`."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def remove(folder: Path) -> None:
    """Removes `folder` with all that is in it, however deep and whatever its modes; no error if it is gone.

    What cannot be removed even so stays. Nobody may be writing there any more.
    """
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except (OSError, RecursionError):  # closed folders; deeper than Python's stack
        for command in (("chmod", "-R", "u+rwx"), ("rm", "-rf")):
            subprocess.run([*command, "--", folder], stderr=subprocess.DEVNULL, check=False)
