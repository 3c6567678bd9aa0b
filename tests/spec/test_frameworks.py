from __future__ import annotations

from botocore.loaders import Loader

from tinsmith.spec.frameworks import (
    COREML_FRAMEWORKS,
    EDGE_FRAMEWORKS,
    FRAMEWORKS,
    VERSIONED_FRAMEWORKS,
    VERSIONED_TARGETS,
)

SHAPES = Loader().load_service_model("sagemaker", "service-2")["shapes"]


def test_frameworks_are_those_of_the_service() -> None:
    assert list(FRAMEWORKS) == SHAPES["Framework"]["enum"]
    assert set(FRAMEWORKS) >= VERSIONED_FRAMEWORKS | EDGE_FRAMEWORKS | COREML_FRAMEWORKS


def test_every_device_with_a_framework_version_exists() -> None:
    unversioned = {"ml_c6g", "ml_m6g", "ml_eia2", "coreml", "imx8mplus", "jacinto_tda4vm", "sitara_am57x"}
    unversioned |= {"amba_cv2", "amba_cv22", "amba_cv25"}
    assert set(SHAPES["TargetDevice"]["enum"]) - unversioned == VERSIONED_TARGETS
