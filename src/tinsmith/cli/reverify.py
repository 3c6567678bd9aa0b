"""`python -m tinsmith.cli.reverify WORKDIR`: what the sandbox runs for `tinsmith verify`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

from tinsmith.compiler.verify.verify import reverify
from tinsmith.errors import TinsmithError, failure_reason
from tinsmith.spec.request import Report, WorkDirectory


def main(work: WorkDirectory) -> int:
    """Executes the one artifact in the input folder on its own evidence; leaves a Report."""
    (artifact,) = work.input.iterdir()
    try:
        verification = reverify(artifact, work.scratch)
        report = Report("COMPLETED", artifact.name, verification=asdict(verification))
    except TinsmithError as error:
        report = Report("FAILED", failure_reason=failure_reason(error), exit_code=error.exit_code)
    work.report.write_text(report.to_json())
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main(WorkDirectory(Path(sys.argv[1]))))
