"""What the service reads afterwards: the report, the artifact, the log. What came of it is seen there."""

from __future__ import annotations

import os
import socket
import sys

from registry import World, probe

ARTIFACT = "output/model-ml_c5.tar.gz"
REPORT = "report.json"


def _report(reason: str) -> str:
    import json

    fields = {"status": "FAILED", "failure_reason": reason, "exit_code": 0, "warnings": [reason]}
    return json.dumps(fields)


def _completed() -> None:
    """A report that makes the service look for the artifact."""
    import json

    artifact = os.path.basename(ARTIFACT)
    with open(REPORT, "w") as file:
        json.dump({"status": "COMPLETED", "artifact": artifact, "digest": "0" * 128, "warnings": []}, file)


@probe
def report_is_a_link_to_a_secret(world: World) -> object:
    return os.symlink(world["identities"], REPORT)


@probe
def report_is_a_hard_link_to_a_secret(world: World) -> object:
    return os.link(world["identities"], REPORT)


@probe
def artifact_is_a_link_to_a_secret(world: World) -> object:
    _completed()
    return os.symlink(world["identities"], ARTIFACT)


@probe
def output_is_a_link_to_another_folder(world: World) -> object:
    _completed()
    os.rename("output", "former")
    os.symlink(os.path.dirname(world["identities"]), "output")
    return "linked"


@probe
def artifact_is_a_pipe(world: World) -> object:
    _completed()
    return os.mkfifo(ARTIFACT)


@probe
def report_is_a_pipe(world: World) -> object:
    return os.mkfifo(REPORT)


@probe
def artifact_is_a_socket(world: World) -> object:
    _completed()
    return socket.socket(socket.AF_UNIX).bind(ARTIFACT)


@probe
def artifact_is_a_folder(world: World) -> object:
    _completed()
    return os.mkdir(ARTIFACT)


@probe
def report_without_end(world: World) -> object:
    with open(REPORT, "wb") as file:
        file.truncate(world["report"])
    return world["report"]


@probe
def report_of_nested_lists(world: World) -> object:
    with open(REPORT, "w") as file:
        return file.write("[" * 200_000)


@probe
def report_with_control_characters(world: World) -> object:
    with open(REPORT, "w") as file:
        file.write(_report("\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202enigol"))
    os._exit(3)


@probe
def names_that_break_terminals(world: World) -> object:
    for name in (b"\x1b[2J", b"a\nb", b"\xff\xfe", b"x" * 255, "\u202e".encode()):
        os.close(os.open(b"output/" + name, os.O_CREAT))
    return "written"


@probe
def line_without_end(world: World) -> object:
    sys.stderr.buffer.write(b"\0" * world["flood"])
    return world["flood"]


@probe
def lines_without_number(world: World) -> object:
    sys.stderr.buffer.write(b"spam\n" * (world["flood"] // 20))
    return world["flood"]


@probe
def control_characters_in_the_log(world: World) -> object:
    sys.stderr.buffer.write(b"\x1b]0;owned\x07\x1b[2J\x9b31m\x08\r\xe2\x80\xaenigol\n")
    sys.stderr.buffer.flush()
    return "written"


@probe
def folder_that_cannot_be_removed(world: World) -> object:
    for _ in range(1200):
        os.mkdir("deep")
        os.chdir("deep")
    os.chmod(".", 0)
    return "made"


@probe
def tmp_becomes_a_link(world: World) -> object:
    """For the next command in the same folder, whose /tmp it is."""
    os.rename("tmp", "former_tmp")
    os.symlink(os.path.dirname(world["identities"]), "tmp")
    return "linked"
