from __future__ import annotations

from typing import TYPE_CHECKING

from tinsmith.spec.targets import devices, platforms

if TYPE_CHECKING:
    from tests.cli.conftest import Tinsmith


def test_every_target_is_listed(tinsmith: Tinsmith) -> None:
    known = [*devices(), *platforms()]
    assert [target["name"] for target in tinsmith("targets", "--json").json()] == known
    table = tinsmith("targets").output.splitlines()
    assert [line.split()[0] for line in table[1:]] == known


def test_the_reader_of_a_pipe_may_leave_early(tinsmith: Tinsmith) -> None:
    import subprocess
    import sys

    script = f"{sys.executable} -m tinsmith targets --json | head -n 1"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[\n"
    assert "Traceback" not in done.stderr
