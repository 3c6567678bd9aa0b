"""Library, metadata and evidence become one tarball."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tinsmith.compiler.artifact import evidence as tree_evidence
from tinsmith.compiler.artifact import samples as network_evidence
from tinsmith.compiler.artifact import tvm
from tinsmith.compiler.artifact.archive import (
    Content,
    canonical_compression,
    file_digest,
    write_archive,
)
from tinsmith.compiler.artifact.carry import Carried, carry
from tinsmith.compiler.artifact.dlr import build_dlr, header
from tinsmith.compiler.artifact.evidence import Evidence
from tinsmith.compiler.artifact.samples import Samples
from tinsmith.compiler.backends.native import toolchain
from tinsmith.compiler.backends.native.build import C_FOLDER
from tinsmith.compiler.backends.native.program import Program
from tinsmith.compiler.ir.model import Linear, Model
from tinsmith.compiler.ir.network import Network
from tinsmith.errors import InternalError
from tinsmith.spec.request import CompileRequest
from tinsmith.spec.targets import Target
from tinsmith_runtime.manifest import FILE_NAME, Manifest, Tensor
from tinsmith_runtime.manifest import Target as ManifestTarget


@dataclass(frozen=True)
class Package:
    """A finished tarball."""

    path: Path
    digest: str
    """BLAKE2b-512, hex."""
    warnings: tuple[str, ...]
    """About the customer's files."""


def package(
    request: CompileRequest,
    model: Model | Network,
    target: Target,
    library: Path,
    evidence: Evidence | Samples,
    destination: Path,
    input_files: Path | None = None,
    program: Program | None = None,
    schedules: Mapping[str, bytes] | None = None,
) -> Package:
    """Writes `destination`/`request.artifact_name`.

    `input_files` is the folder of the customer's files: all but `model.files` are carried over. `program`
    tells the kernels, and of a network what was found out about its outputs; `schedules` is the file of the
    schedules that a search or the customer gave it. The bytes depend on the arguments' contents and on the
    versions of Tinsmith and its toolchain alone.
    """
    with TemporaryDirectory(prefix="package-") as scratch:
        dlr_library = Path(scratch) / target.dlr_library
        build_dlr(target, dlr_library)
        outputs = program.outputs if program else ()
        files: dict[str, Content] = {
            target.library: library,
            target.dlr_library: dlr_library,
            "compiled.meta": compiled_meta(model, target, outputs).encode(),
            "dlr.h": header(),
            "tinsmith.h": (C_FOLDER / "tinsmith.h").read_bytes(),
            **_evidence_files(evidence),
            **_tvm_files(model, program),
            **(schedules or {}),
        }
        carried = Carried({}, ())
        if input_files is not None:
            carried = carry(input_files, (*model.files, *(schedules or {})), (*files, FILE_NAME))
            files |= carried.files
        manifest = _manifest(request, model, target, files, input_files, program)
        files[FILE_NAME] = manifest.to_json().encode()
        path = destination / request.artifact_name
        write_archive(files, frozenset({target.library, target.dlr_library}), path)
    return Package(path, file_digest(path), (*carried.warnings, *_unusual_compression()))


def compiled_meta(model: Model | Network, target: Target, outputs: Sequence[Tensor] = ()) -> str:
    """compiled.meta, the JSON that DLR reads: device type, and what inputs and outputs look like in DLR."""
    record = {
        "Requirements": {"TargetDevice": target.name.upper(), "TargetDeviceType": "cpu"},
        "Compilation": {"Compiler": _compiler()},
        "Model": _dlr_tensors(model, outputs),
        **_data_transform(model),
    }
    return json.dumps(record, indent=1) + "\n"


def _data_transform(model: Model | Network) -> dict[str, Any]:
    """What DLR does with a table of numbers and texts before the model sees it: one entry per column."""
    if not isinstance(model, Network) or not model.texts:
        return {}
    columns = [
        {"Type": "CategoricalString", "Map": [dict(model.texts[number])]}
        if number in model.texts
        else {"Type": "Float"}
        for number in range(model.inputs[0].shape[-1])
    ]
    return {"DataTransform": {"Input": {"ColumnTransform": columns}}}


def _unusual_compression() -> tuple[str, ...]:
    if canonical_compression():
        return ()
    return (
        f"this Python compresses by zlib {zlib.ZLIB_RUNTIME_VERSION}, so the artifact's digest differs from "
        "that of the same files packed with the original zlib",
    )


def _dlr_tensors(model: Model | Network, outputs: Sequence[Tensor]) -> dict[str, Any]:
    """A tree model's tensors are float32 and have two dimensions in DLR."""
    if isinstance(model, Network):
        tensors = _tensors(model, outputs)
    else:
        columns = model.output.shape[1] if len(model.output.shape) > 1 else 1
        tensors = (
            (Tensor(model.input.name, "float32", (-1, model.input.shape[-1])),),
            (Tensor(model.output.name, "float32", (-1, columns)),),
        )
    return {
        side: [{"name": tensor.name, "dtype": tensor.dtype, "shape": tensor.shape} for tensor in side_tensors]
        for side, side_tensors in zip(("Inputs", "Outputs"), tensors, strict=True)
    }


def _tensors(
    model: Model | Network, outputs: Sequence[Tensor]
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Inputs and outputs of the manifest."""
    if isinstance(model, Network):
        inputs = tuple(Tensor(spec.name, spec.dtype, spec.shape) for spec in model.inputs)
        known = tuple(outputs) or tuple(Tensor(spec.name, spec.dtype, spec.shape) for spec in model.outputs)
        if unbounded := [tensor.name for tensor in known if min(tensor.bounds, default=0) < 0]:
            raise InternalError(f"the program does not bound its outputs {', '.join(unbounded)}")
        return inputs, known
    sides = (model.input, model.output)
    given, answer = (Tensor(spec.name, spec.dtype, (-1, *spec.shape[1:])) for spec in sides)
    return (given,), (answer,)


def _tvm_files(model: Model | Network, program: Program | None) -> dict[str, bytes]:
    """For DLR's own native library, where it can run the network."""
    if not isinstance(model, Network) or program is None or tvm.FUNCTION not in program.exports:
        return {}
    inputs, outputs = _tensors(model, program.outputs)
    return tvm.to_files(inputs, outputs) if tvm.expressible(inputs, outputs) else {}


def _evidence_files(evidence: Evidence | Samples) -> dict[str, bytes]:
    if isinstance(evidence, Samples):
        return network_evidence.to_files(evidence)
    return tree_evidence.to_files(evidence)


def _manifest(
    request: CompileRequest,
    model: Model | Network,
    target: Target,
    files: Mapping[str, Content],
    input_files: Path | None,
    program: Program | None,
) -> Manifest:
    options = {
        "data_input_config": request.data_input_config,
        "compiler_options": request.compiler_options,
        "framework_version": request.framework_version,
    }
    tree = None if isinstance(model, Network) else model
    given, answers = _tensors(model, program.outputs if program else ())
    return Manifest(
        name=request.model_name,
        framework=model.framework,
        producer=model.producer,
        kind=model.kind,
        inputs=given,
        outputs=answers,
        margin=_margin(tree) if tree else None,
        target=ManifestTarget(target.name, target.triple, target.cpu),
        library=target.library,
        compiler=_compiler(),
        toolchain=toolchain.version(),
        model_digest=_folder_digest(input_files) if input_files else "",
        options={key: value for key, value in options.items() if value is not None},
        kernels=program.facts if program else {},
        class_labels=model.class_labels,
        feature_names=model.feature_names,
        files={name: file_digest(content) for name, content in files.items()},
    )


def _margin(model: Model) -> Tensor:
    body = model.body
    columns, dtype = (
        (len(body.base), body.base.dtype)
        if isinstance(body, Linear)
        else (body.num_outputs, body.accumulator)
    )
    shape = (-1,) if columns == 1 and len(model.output.shape) == 1 else (-1, columns)
    return Tensor("margin", dtype.name, shape)


def _folder_digest(folder: Path) -> str:
    """BLAKE2b-512 over the names and digests of the files in `folder`, in the order of their names."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    listing = "".join(f"{file_digest(folder / name)}  {name}\n" for name in names)
    return file_digest(listing.encode("utf-8", "surrogateescape"))


def _compiler() -> str:
    return f"tinsmith {version('tinsmith')}"
