"""The container image that the service names for a cloud target: `inference_images.toml` as a function."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


def inference_image(framework: str, version: str | None, device: str | None, region: str) -> str | None:
    """The InferenceImage of a job; None where the service documents no image.

    That is: edge targets and platforms, regions without a registry, frameworks and versions without
    an image. `version` is FrameworkVersion as sent, "1.15" meaning the newest image of 1.15.
    """
    table = _table()
    processor = table["processors"].get(device)
    account = table["accounts"].get(region)
    if processor is None or account is None:
        return None
    for image in table["image"]:
        if image["framework"] == framework and processor in image["processors"]:
            tag = _tag(image, version, processor)
            suffix = ".cn" if region.startswith("cn-") else ""
            registry = f"{account}.dkr.ecr.{region}.amazonaws.com{suffix}"
            return f"{registry}/{image['repository']}:{tag}" if tag else None
    return None


def _tag(image: dict[str, Any], version: str | None, processor: str) -> str | None:
    versions: list[str] = image["versions"]
    if not versions:
        return str(image["tag"])
    offered = [known for known in versions if version is None or _same_release(known, version)]
    return str(image["tag"]).format(version=offered[-1], processor=processor) if offered else None


def _same_release(known: str, asked: str) -> bool:
    """Whether one of the two continues the other: "1.15" and "1.15.3", not "1.1" and "1.15"."""
    return f"{known}.".startswith(f"{asked}.") or f"{asked}.".startswith(f"{known}.")


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(files("tinsmith.spec").joinpath("inference_images.toml").read_text("utf-8"))
