"""Folders whose content others chose: how much they hold, and removing them whatever is in them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def excess(folder: Path, max_bytes: int, max_entries: int) -> str | None:
    """What `folder` holds too much of, as the end of a sentence; None while it keeps both limits.

    Counts disk space, so that holes in files are free. May miss what changes meanwhile.
    """
    size = entries = 0
    for parent, folders, files in os.walk(folder):
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
    return None


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
