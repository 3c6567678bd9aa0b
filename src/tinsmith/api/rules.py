"""Rules between members of a request, which the service model does not hold.

Each rule yields a sentence per violation. Texts known from the real service are used as they are;
the others follow its style. What only the compilation can find out (does the object exist, does the
platform need options) is not refused here: the real service accepts such requests too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tinsmith.api.errors import invalid
from tinsmith.spec.frameworks import (
    COREML_FRAMEWORKS,
    EDGE_FRAMEWORKS,
    VERSIONED_FRAMEWORKS,
    VERSIONED_TARGETS,
    version_problem,
)

RESERVED_TAG_PREFIX = "aws:"

UNSUPPORTED_VERSION_FIELD = (
    "Unsupported framework version field for target. Framework version is supported for Target Platform "
    "configuration and only part of target devices. \nFramework version is only supported for ml_c4, ml_c5, "
    "ml_m4, ml_m5, ml_p2, ml_p3, ml_g4dn cloud targetsand lambda, jetson_tx1, jetson_nano, jetson_tx2, "
    "jetson_xavier, deeplens, rasp3b, rasp4b, imx8qm, rk3288, rk3399, aisage, sbe_c, qcs605, qcs603, "
    "x86_win32, x86_win64 edge targets."
)
"""The service's text, flaws included; from `sbe_c` on it is known from no record and completed by us."""

Request = Mapping[str, Any]
Rule = Callable[[Request], Iterator[str]]


def check(operation: str, request: Request) -> None:
    """Raises a ValidationException with every sentence of the operation's rules."""
    _apply(RULES.get(operation, ()), request)


def check_model(request: Request) -> None:
    """The same for an InputConfig that came into `request` later."""
    _apply(MODEL_RULES, request)


def _apply(rules: tuple[Rule, ...], request: Request) -> None:
    problems = [problem for rule in rules for problem in rule(request)]
    if problems:
        raise invalid(" ".join(problems))


def one_input(request: Request) -> Iterator[str]:
    """InputConfig or ModelPackageVersionArn, never both."""
    if "InputConfig" in request and "ModelPackageVersionArn" in request:
        yield "InputConfig and ModelPackageVersionArn cannot be specified at the same time."
    elif "InputConfig" not in request and "ModelPackageVersionArn" not in request:
        yield "Either InputConfig or ModelPackageVersionArn must be specified."


def one_target(request: Request) -> Iterator[str]:
    """TargetDevice or TargetPlatform, never both."""
    output = request["OutputConfig"]
    if "TargetDevice" in output and "TargetPlatform" in output:
        yield "TargetDevice and TargetPlatform cannot be specified at the same time."
    elif "TargetDevice" not in output and "TargetPlatform" not in output:
        yield "Either TargetDevice or TargetPlatform must be specified."


def framework_version(request: Request) -> Iterator[str]:
    """FrameworkVersion exists for some frameworks and some devices only, and is one that is read."""
    framework, device = _framework(request), _device(request)
    version = request.get("InputConfig", {}).get("FrameworkVersion")
    if version is None:
        return
    if framework not in VERSIONED_FRAMEWORKS:
        yield (
            f"FrameworkVersion is not supported for framework {framework}. "
            "It is only supported for the MXNet, PyTorch, TensorFlow and TensorFlow Lite frameworks."
        )
    elif problem := version_problem(framework, version):
        yield f"1 validation error detected: {problem}"
    if device is not None and device not in VERSIONED_TARGETS:
        yield UNSUPPORTED_VERSION_FIELD


def edge_framework(request: Request) -> Iterator[str]:
    """TFLITE models compile for edge targets."""
    framework, device = _framework(request), _device(request)
    if framework in EDGE_FRAMEWORKS and device is not None and device.startswith("ml_"):
        yield f"Framework {framework} is only supported for edge targets, not for target device {device}."


def coreml_framework(request: Request) -> Iterator[str]:
    """Core ML takes the models of two frameworks."""
    framework = _framework(request)
    if _device(request) == "coreml" and framework is not None and framework not in COREML_FRAMEWORKS:
        yield f"Target device coreml is only supported for TENSORFLOW and PYTORCH, not for {framework}."


def max_wait(request: Request) -> Iterator[str]:
    """MaxWaitTimeInSeconds includes the running. The service's text, for training jobs, begins the same."""
    stopping = request.get("StoppingCondition", {})
    wait, runtime = (stopping.get(name) for name in ("MaxWaitTimeInSeconds", "MaxRuntimeInSeconds"))
    if wait is not None and runtime is not None and wait < runtime:
        yield "Invalid MaxWaitTimeInSeconds. It must be greater than or equal to MaxRuntimeInSeconds."


def unique_tag_keys(request: Request) -> Iterator[str]:
    """A key appears once in a request."""
    counts = Counter(tag["Key"] for tag in request.get("Tags", ()))
    repeated = [key for key, count in counts.items() if count > 1]
    if repeated:
        yield f"Tag keys must be unique per resource. Duplicate keys: {', '.join(repeated)}."


def reserved_tag_keys(request: Request) -> Iterator[str]:
    """Keys beginning with aws: belong to the system."""
    keys = [tag["Key"] for tag in request.get("Tags", ())]
    reserved = [key for key in keys if key.lower().startswith(RESERVED_TAG_PREFIX)]
    if reserved:
        yield f"Tag keys beginning with aws: are reserved for system use: {', '.join(reserved)}."


MODEL_RULES: tuple[Rule, ...] = (framework_version, edge_framework, coreml_framework)
"""Of InputConfig with the rest of the request."""

RULES: Mapping[str, tuple[Rule, ...]] = {
    "CreateCompilationJob": (
        one_input,
        one_target,
        *MODEL_RULES,
        max_wait,
        unique_tag_keys,
        reserved_tag_keys,
    ),
    "AddTags": (unique_tag_keys, reserved_tag_keys),
}


def _framework(request: Request) -> str | None:
    framework: str | None = request.get("InputConfig", {}).get("Framework")
    return framework


def _device(request: Request) -> str | None:
    device: str | None = request["OutputConfig"].get("TargetDevice")
    return device
