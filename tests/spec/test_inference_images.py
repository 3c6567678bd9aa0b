from __future__ import annotations

import pytest
from botocore.loaders import Loader

from tinsmith.spec.inference_images import inference_image

SHAPES = Loader().load_service_model("sagemaker", "service-2")["shapes"]
NEO = "785573368785.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("framework", "version", "device", "image"),
    [
        ("XGBOOST", None, "ml_c4", "xgboost-neo:latest"),
        ("XGBOOST", "1.3", "ml_p3", "xgboost-neo:latest"),
        ("KERAS", None, "ml_m5", "sagemaker-neo-keras:2.2.4-cpu-py3"),
        ("ONNX", None, "ml_g4dn", "sagemaker-neo-onnx:1.5.0-gpu-py3"),
        ("MXNET", None, "ml_p2", "sagemaker-inference-mxnet:1.8.0-gpu-py3"),
        ("MXNET", "1.5", "ml_inf1", "sagemaker-neo-mxnet:1.5.1-inf-py3"),
        ("PYTORCH", None, "ml_c5", "sagemaker-inference-pytorch:2.0-cpu-py3"),
        ("PYTORCH", "1.6", "ml_c5", "sagemaker-inference-pytorch:1.6-cpu-py3"),
        ("PYTORCH", "1.13.1", "ml_c5", "sagemaker-inference-pytorch:1.13-cpu-py3"),
        ("PYTORCH", "1.9", "ml_inf1", "sagemaker-neo-pytorch:1.9-inf-py3"),
        ("TENSORFLOW", "1.15", "ml_m4", "sagemaker-inference-tensorflow:1.15.3-cpu-py3"),
        ("TENSORFLOW", "2.5", "ml_inf1", "sagemaker-neo-tensorflow:2.5.2-inf-py3"),
    ],
)
def test_images(framework: str, version: str | None, device: str, image: str) -> None:
    assert inference_image(framework, version, device, "us-east-1") == f"{NEO}/{image}"


def test_registry_of_the_region() -> None:
    image = inference_image("XGBOOST", None, "ml_c5", "cn-north-1")
    assert image == "472730292857.dkr.ecr.cn-north-1.amazonaws.com.cn/xgboost-neo:latest"


@pytest.mark.parametrize(
    ("framework", "version", "device", "region"),
    [
        ("XGBOOST", None, "rasp4b", "us-east-1"),
        ("XGBOOST", None, None, "us-east-1"),
        ("XGBOOST", None, "ml_inf1", "us-east-1"),
        ("XGBOOST", None, "ml_c5", "local"),
        ("SKLEARN", None, "ml_c5", "us-east-1"),
        ("PYTORCH", "1.1", "ml_c5", "us-east-1"),
        ("PYTORCH", None, "ml_trn1", "us-east-1"),
    ],
)
def test_no_image(framework: str, version: str | None, device: str | None, region: str) -> None:
    assert inference_image(framework, version, device, region) is None


def test_every_image_fits_the_service_model() -> None:
    limit = SHAPES["InferenceImage"]["max"]
    for framework in SHAPES["Framework"]["enum"]:
        for device in SHAPES["TargetDevice"]["enum"]:
            image = inference_image(framework, None, device, "ap-northeast-1")
            assert image is None or len(image) <= limit
            assert image is None or device.startswith("ml_")
