"""`python -m tinsmith.compiler WORKDIR`: what the sandbox runs."""

from __future__ import annotations

import sys
from pathlib import Path

from tinsmith.compiler.pipeline import run
from tinsmith.spec.request import WorkDirectory

if __name__ == "__main__":
    sys.exit(run(WorkDirectory(Path(sys.argv[1]))))
