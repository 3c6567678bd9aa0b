from __future__ import annotations

import re
from importlib.metadata import version

import pytest
from botocore.loaders import Loader

from tinsmith.spec.frameworks import (
    COREML_FRAMEWORKS,
    EDGE_FRAMEWORKS,
    FRAMEWORKS,
    LINES,
    VERSIONED_FRAMEWORKS,
    VERSIONED_TARGETS,
    parse_version,
    version_problem,
)
from tinsmith.spec.toolchains import TOOLCHAINS

SHAPES = Loader().load_service_model("sagemaker", "service-2")["shapes"]


def test_frameworks_are_those_of_the_service() -> None:
    assert list(FRAMEWORKS) == SHAPES["Framework"]["enum"]
    assert set(FRAMEWORKS) >= VERSIONED_FRAMEWORKS | EDGE_FRAMEWORKS | COREML_FRAMEWORKS


def test_every_device_with_a_framework_version_exists() -> None:
    unversioned = {"ml_c6g", "ml_m6g", "ml_eia2", "coreml", "imx8mplus", "jacinto_tda4vm", "sitara_am57x"}
    unversioned |= {"amba_cv2", "amba_cv22", "amba_cv25"}
    assert set(SHAPES["TargetDevice"]["enum"]) - unversioned == VERSIONED_TARGETS


def test_the_newest_versions_are_those_that_are_tested_with() -> None:
    newest = {framework: lines[-1].last for framework, lines in LINES.items() if lines}
    for framework, toolchain, package in (
        ("PYTORCH", "pytorch", "torch"),
        ("TENSORFLOW", "tensorflow", "tensorflow"),
        ("TFLITE", "tensorflow", "tensorflow"),
        ("KERAS", "tensorflow", "keras"),
    ):
        locked = re.search(rf"^{package}==(\S+)", TOOLCHAINS[toolchain].lock.read_text(), re.MULTILINE)
        assert locked
        assert newest[framework] == parse_version(locked[1])
    for framework, package in (("XGBOOST", "xgboost-cpu"), ("SKLEARN", "scikit-learn"), ("ONNX", "onnx")):
        assert newest[framework] == parse_version(version(package))


@pytest.mark.parametrize(
    ("framework", "text"),
    [
        *(("PYTORCH", text) for text in ("1.4", "1.5", "1.6", "1.7", "1.8", "1.12", "1.13", "2.0")),
        *(("TENSORFLOW", text) for text in ("1.15", "1.15.3", "2.3.2", "2.4", "2.5", "2.9", "2.9.2")),
        *(("MXNET", text) for text in ("1.5", "1.8", "1.8.0")),
        *(("ONNX", text) for text in ("1.7", "1.7.0")),
        *(("KERAS", text) for text in ("2.2", "2.2.4")),
        *(("XGBOOST", text) for text in ("1.3", "1.3.3", "0.90")),
        ("TFLITE", "1.15"),
    ],
)
def test_versions_that_the_service_documents(framework: str, text: str) -> None:
    assert version_problem(framework, text) is None


@pytest.mark.parametrize(
    ("framework", "text"),
    [
        ("PYTORCH", "2.99"),
        ("PYTORCH", "3.0"),
        ("PYTORCH", "1.x"),
        ("PYTORCH", "2"),
        ("TENSORFLOW", "1.16"),
        ("TENSORFLOW", "0.12"),
        ("DARKNET", "1.0"),
        ("MXNET", "2.0"),
    ],
)
def test_other_versions_are_refused_with_those_that_are_read(framework: str, text: str) -> None:
    problem = version_problem(framework, text) or ""
    assert problem.startswith(
        f"Value '{text}' at 'inputConfig.frameworkVersion' failed to satisfy constraint: "
    )
    known = problem.partition("enum value set: ")[2]
    assert known == f"[{', '.join(known for line in LINES[framework] for known in line.versions)}]"
