"""Somebody with a secret: in a file, in its environment, on its command line and in its memory.

    python victim.py FILE SECRET

prints the address of the secret in its memory, and sleeps.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time

file, secret = sys.argv[1:3]
with open(file, "w") as opened:
    opened.write(secret)
buffer = ctypes.create_string_buffer(f"memory:{secret}".encode())
print("address", ctypes.addressof(buffer), os.getpid(), file=sys.stderr, flush=True)
time.sleep(600)
