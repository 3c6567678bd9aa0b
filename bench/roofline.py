"""The float32 peak of this processor, measured by a loop of fused multiply-adds on registers."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path


def measure(threads: int, avx2: bool = False) -> float:
    """GFLOP/s of `threads` processes at once, each on a CPU of its own, by their CPU time."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "roofline"
        source = Path(__file__).with_suffix(".c")
        cpu = "haswell" if avx2 else "native"
        command = [sys.executable, "-m", "ziglang", "cc", "-O3", f"-march={cpu}", source, "-o", program]
        subprocess.run(command, check=True)
        runs = [
            subprocess.Popen(["taskset", "-c", str(number), program], stdout=subprocess.PIPE, text=True)
            for number in range(threads)
        ]
        return sum(float(run.communicate()[0].split()[0]) for run in runs)


if __name__ == "__main__":
    for threads in (1, 2):
        print(f"{threads}: {measure(threads):.1f} GFLOP/s")
