"""What the API documents about each framework: where it compiles, where it has versions; and which we read.

Sources: the service model's documentation of CreateCompilationJob, the developer guide on preparing
models, and the targets for which Amazon's Python SDK sends FrameworkVersion.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FRAMEWORKS = ("TENSORFLOW", "KERAS", "MXNET", "ONNX", "PYTORCH", "XGBOOST", "TFLITE", "DARKNET", "SKLEARN")

VERSIONED_FRAMEWORKS = frozenset({"MXNET", "PYTORCH", "TENSORFLOW", "TFLITE"})
"""Where FrameworkVersion has a meaning."""

EDGE_FRAMEWORKS = frozenset({"TFLITE"})
"""Not for ml_* targets."""

COREML_FRAMEWORKS = frozenset({"TENSORFLOW", "PYTORCH"})
"""The only ones for the target device coreml."""

VERSIONED_TARGETS = frozenset(
    {"ml_c4", "ml_c5", "ml_m4", "ml_m5", "ml_p2", "ml_p3", "ml_g4dn", "ml_inf1", "ml_inf2", "ml_trn1"}
    | {"lambda", "jetson_tx1", "jetson_tx2", "jetson_nano", "jetson_xavier", "deeplens", "rasp3b", "rasp4b"}
    | {"imx8qm", "rk3288", "rk3399", "aisage", "sbe_c", "qcs603", "qcs605", "x86_win32", "x86_win64"}
)
"""The devices that FrameworkVersion can go with; every TargetPlatform can."""

Version = tuple[int, int]
"""Major and minor."""


@dataclass(frozen=True)
class Line:
    """All versions of one major version whose models are read, both ends included."""

    first: Version
    last: Version

    @property
    def versions(self) -> tuple[str, ...]:
        """Every one, as FrameworkVersion has it."""
        return tuple(f"{self.first[0]}.{minor}" for minor in range(self.first[1], self.last[1] + 1))


LINES: dict[str, tuple[Line, ...]] = {
    "TENSORFLOW": (Line((1, 0), (1, 15)), Line((2, 0), (2, 21))),
    "KERAS": (Line((1, 0), (1, 2)), Line((2, 0), (2, 15)), Line((3, 0), (3, 15))),
    "MXNET": (Line((0, 8), (0, 12)), Line((1, 0), (1, 9))),
    "ONNX": (Line((1, 2), (1, 23)),),
    "PYTORCH": (Line((1, 0), (1, 13)), Line((2, 0), (2, 13))),
    "XGBOOST": (Line((0, 90), (0, 90)), Line((1, 0), (1, 7)), Line((2, 0), (2, 1)), Line((3, 0), (3, 2))),
    "TFLITE": (Line((1, 13), (1, 15)), Line((2, 0), (2, 21))),
    "DARKNET": (),
    "SKLEARN": (Line((0, 22), (0, 24)), Line((1, 0), (1, 9))),
}
"""Versions that FrameworkVersion may state. TFLITE has those of TensorFlow, whose converter made the file;
Darknet has none. docs/frameworks/versions.md says what they decide."""

_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})(\.[0-9A-Za-z.]*)?")


def parse_version(text: str | None) -> Version | None:
    """Major and minor of "1.15" or "2.9.2"; None for what is no version."""
    match = _VERSION.fullmatch(text or "")
    return (int(match[1]), int(match[2])) if match else None


def version_problem(framework: str, text: str) -> str | None:
    """What is wrong with the FrameworkVersion `text`, in the words the service has for values of an enum."""
    version = parse_version(text)
    lines = LINES[framework]
    if version is not None and any(line.first <= version <= line.last for line in lines):
        return None
    known = ", ".join(known for line in lines for known in line.versions)
    return (
        f"Value {text!r} at 'inputConfig.frameworkVersion' failed to satisfy constraint: Member must satisfy "
        f"enum value set: [{known}]"
    )
