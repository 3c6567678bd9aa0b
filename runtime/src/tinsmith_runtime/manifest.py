"""The manifest of an artifact: a JSON file named `manifest` beside the library.

The compiler writes it and this package reads it; the schema lives here so that the two cannot drift apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from .errors import ArtifactError

FILE_NAME = "manifest"
SCHEMA = 1
"""Grows when a reader of the older schema would misunderstand the newer file."""
ABI = 1
"""TINSMITH_ABI_VERSION of the library beside the manifest."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model."""

    name: str
    dtype: str
    """numpy's name, or that of ml_dtypes: "bfloat16", "float8_e4m3fn", "int4" ..."""
    shape: tuple[int, ...]
    """-1: any number of rows (tree models), or a size that only a run tells (outputs of networks)."""
    largest: tuple[int, ...] | None = None
    """Upper bounds of all dimensions, where `shape` of a network's output has a -1."""

    def to_record(self) -> dict[str, Any]:
        """As the manifest and the library's own description write it."""
        record: dict[str, Any] = {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}
        return record if self.largest is None else {**record, "largest": list(self.largest)}

    @property
    def bounds(self) -> tuple[int, ...]:
        """The largest shape of a network's tensor."""
        return self.shape if self.largest is None else self.largest


@dataclass(frozen=True)
class Target:
    """What the library was compiled for."""

    name: str
    """As the customer asked: "ml_c5" or "LINUX_ARM64"."""
    triple: str
    cpu: str
    """The CPU that the compiler was told, "x86_64_v3" say; the library runs on any that is at least that."""


@dataclass(frozen=True)
class Manifest:
    """All that is known about an artifact without executing it. Nothing here depends on the machine that
    compiled it nor on the time of day."""

    name: str
    """Base name of the customer's model archive."""
    framework: str
    producer: str
    """Library and version that trained the model, "xgboost 3.2.0"."""
    kind: str
    """The user's word for the model: "gbtree multi:softprob"."""
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    margin: Tensor | None
    """What `run(..., margin=True)` of a tree model gives; a network has none."""
    target: Target
    library: str
    """File name of the compiled library."""
    compiler: str
    """"tinsmith 0.1.0"."""
    toolchain: str
    """"zig 0.17.1"."""
    model_digest: str
    """BLAKE2b-512 over the customer's files, hex."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the request as the customer wrote them."""
    kernels: Mapping[str, Any] = field(default_factory=dict)
    class_labels: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    """BLAKE2b-512 (hex) of every other file in the artifact, by path."""
    abi: int = ABI
    schema: int = SCHEMA

    def to_json(self) -> str:
        """Readable JSON, the same for equal manifests."""
        record = asdict(self)
        for side in ("inputs", "outputs"):
            record[side] = [tensor.to_record() for tensor in getattr(self, side)]
        record["margin"] = self.margin and self.margin.to_record()
        return json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @staticmethod
    def from_json(text: str) -> Manifest:
        """The inverse of `to_json`; fields that this version does not know are ignored.

        Raises ArtifactError naming every missing field, or a schema that is newer than this package.
        """
        try:
            record = json.loads(text)
        except ValueError as error:
            raise ArtifactError(f"{FILE_NAME}: not JSON: {error}") from None
        if not isinstance(record, dict) or not isinstance(record.get("schema"), int):
            raise ArtifactError(f"{FILE_NAME}: expected an object with an integer field 'schema'")
        if record["schema"] > SCHEMA:
            raise ArtifactError(
                f"{FILE_NAME}: schema {record['schema']} is newer than {SCHEMA}: upgrade tinsmith-runtime"
            )
        missing = sorted(_REQUIRED - record.keys())
        if missing:
            raise ArtifactError(f"{FILE_NAME}: missing {', '.join(missing)}")
        try:
            return _manifest(record)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise ArtifactError(f"{FILE_NAME}: malformed: {type(error).__name__}: {error}") from None


_KNOWN = frozenset(entry.name for entry in fields(Manifest))
_REQUIRED = _KNOWN - {"options", "kernels", "class_labels", "feature_names", "files"}


def _manifest(record: dict[str, Any]) -> Manifest:
    known = {name: value for name, value in record.items() if name in _KNOWN}
    target = record["target"]
    known.update(
        inputs=tuple(_tensor(entry) for entry in record["inputs"]),
        outputs=tuple(_tensor(entry) for entry in record["outputs"]),
        margin=None if record["margin"] is None else _tensor(record["margin"]),
        target=Target(str(target["name"]), str(target["triple"]), str(target["cpu"])),
        class_labels=tuple(record.get("class_labels", ())),
        feature_names=tuple(record.get("feature_names", ())),
    )
    return Manifest(**known)


def _tensor(entry: Mapping[str, Any]) -> Tensor:
    shape = tuple(int(size) for size in entry["shape"])
    largest = entry.get("largest")
    bounds = None if largest is None else tuple(int(size) for size in largest)
    if bounds is not None and not _within(shape, bounds):
        raise ValueError(f"{entry['name']}: shape {shape} exceeds its upper bounds {bounds}")
    return Tensor(str(entry["name"]), str(entry["dtype"]), shape, bounds)


def _within(shape: tuple[int, ...], bounds: tuple[int, ...]) -> bool:
    def fits(size: int, bound: int) -> bool:
        return size in (-1, bound) and bound >= 0

    return len(shape) == len(bounds) and all(map(fits, shape, bounds))
