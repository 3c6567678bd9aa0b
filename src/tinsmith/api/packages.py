"""Model packages: a folder of JSON files, each as `aws sagemaker describe-model-package` prints one.

A job on a package is a job on the one container of its InferenceSpecification; what the package says then is
kept with the job. Files are read when a job is created, so packages may be added while the service runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tinsmith.api.errors import invalid
from tinsmith.api.rules import check_model
from tinsmith.spec.frameworks import FRAMEWORKS

MAX_BYTES = 1 << 20
"""Of a file; a package has at most 15 containers."""

Request = Mapping[str, Any]


def resolve(request: Request, folder: Path | None) -> Request:
    """`request`, with the InputConfig that its model package tells if it names one.

    Raises a ValidationException for a package that is in no file of `folder` or tells no model, and for a
    model that the request cannot go with.
    """
    arn = request.get("ModelPackageVersionArn")
    if arn is None:
        return request
    resolved = {**request, "InputConfig": _input_config(arn, _find(arn, folder))}
    check_model(resolved)
    return resolved


def _find(arn: str, folder: Path | None) -> Mapping[str, Any]:
    for package in _packages(folder) if folder else ():
        if package.get("ModelPackageArn") == arn:
            return package
    where = f"in the files {folder}/*.json" if folder else "here, as the service was given no folder of them"
    raise invalid(
        f"Could not find model package {arn} {where}; expected is what "
        "`aws sagemaker describe-model-package --model-package-name ARN` prints."
    )


def _packages(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Those that can be read; a broken file must not hide the others."""
    for path in sorted(folder.glob("*.json")):
        try:
            if path.stat().st_size <= MAX_BYTES and isinstance(package := json.loads(path.read_text()), dict):
                yield package
        except (OSError, ValueError):
            continue


def _input_config(arn: str, package: Mapping[str, Any]) -> dict[str, str]:
    specification = package.get("InferenceSpecification")
    containers = specification.get("Containers") if isinstance(specification, dict) else None
    if not isinstance(containers, list) or len(containers) != 1 or not isinstance(containers[0], dict):
        found = len(containers) if isinstance(containers, list) else 0
        raise invalid(
            f"Model package {arn}: InferenceSpecification.Containers has {found} entries, expected 1."
        )
    container = containers[0]
    model_input = container.get("ModelInput")
    told = {
        "S3Uri": container.get("ModelDataUrl"),
        "Framework": str(container.get("Framework", "")).upper(),
        "FrameworkVersion": container.get("FrameworkVersion"),
        "DataInputConfig": model_input.get("DataInputConfig") if isinstance(model_input, dict) else None,
    }
    problems = []
    if not isinstance(told["S3Uri"], str):
        problems.append("ModelDataUrl is missing, expected the S3 URI of model.tar.gz.")
    if told["Framework"] not in FRAMEWORKS:
        problems.append(
            f"Framework is {container.get('Framework')!r}, expected one of {', '.join(FRAMEWORKS)}."
        )
    if problems:
        raise invalid(f"Model package {arn}: the container: {' '.join(problems)}")
    return {name: value for name, value in told.items() if isinstance(value, str)}
