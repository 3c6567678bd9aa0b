"""What the API documents about each framework: where it compiles, where it has versions.

Sources: the service model's documentation of CreateCompilationJob, the developer guide on preparing
models, and the targets for which Amazon's Python SDK sends FrameworkVersion.
"""

from __future__ import annotations

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
