"""FrameworkVersion: checked before anything is read, and compared with what the file says of itself.

A file that tells which version saved it is read as that version wrote it, whatever the request says. The
request decides where the file does not tell: see `frontends/tensorflow` and `frontends/keras`.
"""

from __future__ import annotations

import re

from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.network import Network
from tinsmith.errors import ClientError
from tinsmith.spec.frameworks import LINES, parse_version, version_problem
from tinsmith.spec.request import CompileRequest

SAVED_BY = frozenset({"TENSORFLOW", "KERAS", "MXNET", "XGBOOST", "SKLEARN"})
"""Frameworks whose files tell their version, not that of an exporter or converter."""


def check_version(request: CompileRequest) -> None:
    """Raises ClientError for a FrameworkVersion that is not among the supported ones."""
    version = request.framework_version
    if version is None or request.framework not in LINES:
        return
    problem = version_problem(request.framework, version)
    if problem:
        raise ClientError("InputConfiguration", f"FrameworkVersion of {request.framework}: {problem}")


def version_warnings(request: CompileRequest, model: Model | Network) -> tuple[str, ...]:
    """That the file was saved by another version than the request says."""
    stated = parse_version(request.framework_version)
    found = re.search(r"(\d+)\.(\d+)", model.producer)
    if stated is None or found is None or request.framework not in SAVED_BY:
        return ()
    if stated == (int(found[1]), int(found[2])):
        return ()
    return (
        f"FrameworkVersion is {request.framework_version}, but the file was saved by {model.producer}: it is "
        "read as the file says",
    )
