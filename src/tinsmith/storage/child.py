"""Run as a file, not imported: become a command that dies with the process that started it.

    python -I -S child.py PARENT_PID COMMAND [ARGUMENT ...]

Setting this up between fork and exec of a process with threads could deadlock; a fresh interpreter cannot.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the parent is gone already")
    os.execv(sys.argv[2], sys.argv[2:])
