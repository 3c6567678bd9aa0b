"""What PyTorch says when it refuses a model or inputs, in one sentence that names the user's layer."""

from __future__ import annotations

import re

_HERE = "<--- HERE"
_CALL = re.compile(r"\(?([A-Za-z_]\w*)\)?\.(forward|\w+)\(")
_NEWER = re.compile(r"version (\d+), but the maximum supported version for reading is (\d+)")
_UNKNOWN = re.compile(r"Unknown builtin op: (\w+::\w+)")
_TRACEBACK = "Traceback of TorchScript"
_LENGTH = 400


class Refused(Exception):
    """The model or the inputs are at fault; `problems` are whole sentences."""

    def __init__(self, area: str, problems: str | list[str]) -> None:
        self.area = area
        self.problems = [problems] if isinstance(problems, str) else problems
        super().__init__("; ".join(self.problems))


def unreadable(error: Exception, version: str) -> Refused:
    """Why a file is not loaded by the PyTorch of this `version`."""
    text = str(error)
    if newer := _NEWER.search(text):
        return Refused(
            "InputConfiguration",
            f"it was saved by a newer PyTorch (format {newer[1]}; PyTorch {version} reads up to {newer[2]}): "
            f"save it with PyTorch {version} or older",
        )
    if unknown := _UNKNOWN.search(text):
        return Refused(
            "OperatorNotImplemented",
            f"the operator {unknown[1]} is not implemented: PyTorch {version} does not have it; leave it out "
            "of the module, or replace it by operators of PyTorch's own",
        )
    return Refused("InputConfiguration", f"PyTorch {version} cannot load it: {last_line(text)}")


def failed_call(error: Exception) -> str:
    """The sentence of an error that a call of a TorchScript module ended in: layer and reason."""
    text = str(error)
    layer = _layer(text)
    where = f"the layer {layer}: " if layer else ""
    return where + last_line(text)


def last_line(text: str) -> str:
    """What an error says after its tracebacks."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if _TRACEBACK not in text:
        return " ".join(lines)[:_LENGTH]
    said = [number for number, line in enumerate(lines) if re.match(r"\w*(\.\w+)*(Error|Exception)\b", line)]
    line = " ".join(lines[said[-1] :]) if said else lines[-1]
    return re.sub(r"^\w+(\.\w+)*: ", "", line)[:_LENGTH]


def _layer(text: str) -> str:
    """The path of attributes to the module that failed, read from the calls in the serialised code."""
    serialised = text.partition("Traceback of TorchScript, original code")[0]
    lines = serialised.split("\n")
    names = []
    for number, line in enumerate(lines):
        if _HERE not in line or number == 0:
            continue
        start = len(line) - len(line.lstrip())
        called = _CALL.match(lines[number - 1][start:]) or _CALL.match(lines[number - 1][start - 1 :])
        if called and called[1] not in ("self", "torch", "ops"):
            names.append(_attribute(called[1], lines[:number]))
    return ".".join(names)


def _attribute(variable: str, before: list[str]) -> str:
    """The attribute that `variable` of the serialised code was read from."""
    for line in reversed(before):
        if found := re.match(
            rf'\s*{re.escape(variable)} = (?:getattr\(\w+, "([^"]+)"\)|\w+\.(\w+))\s*$', line
        ):
            return found[1] or found[2]
    return variable
