"""Stands in for the compiler: honours the work directory and does what CompilerOptions tells it to."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tinsmith.spec.request import CompileRequest, Report, WorkDirectory


def main() -> int:
    work = WorkDirectory(Path(sys.argv[1]))
    request = CompileRequest.from_json(work.request.read_text())
    wish = json.loads(request.compiler_options or "{}")
    files = sorted(str(path.relative_to(work.input)) for path in work.input.rglob("*"))
    print("input:", *files, file=sys.stderr, flush=True)
    if wish.get("environment"):
        print("environment:", json.dumps(dict(os.environ)), file=sys.stderr)
    for _ in range(wish.get("children", 0)):
        subprocess.Popen(["/bin/sleep", str(wish.get("nap", 611))], start_new_session=True)
    if wish.get("ignore_sigterm"):
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("compiling", flush=True)
    for index in range(wish.get("files", 0)):
        (work.scratch / str(index)).touch()
    time.sleep(wish.get("sleep", 0))
    if "signal" in wish:
        os.kill(os.getpid(), wish["signal"])
    if "fail" in wish:
        report = Report("FAILED", failure_reason=wish["fail"], exit_code=3)
    else:
        data = (request.model_name + request.target_name).encode() * 100
        (work.output / request.artifact_name).write_bytes(data)
        digest = hashlib.blake2b(data).hexdigest()
        derived = wish.get("derived")
        report = Report("COMPLETED", request.artifact_name, digest, derived_data_input_config=derived)
    work.report.write_text(report.to_json())
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
