"""PyTorch models: TorchScript, traced or scripted, and programs of torch.export.

Such a file is code, which only PyTorch reads: it is loaded, called and exported to ONNX in the toolchain
`pytorch`, in a process of its own inside the sandbox. What a file is gets decided here, inertly.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from tinsmith.compiler import toolchains
from tinsmith.compiler.frontends.pytorch.archive import open_archive
from tinsmith.compiler.frontends.pytorch.files import find_model
from tinsmith.compiler.frontends.pytorch.inputs import order_warning, traced_with, wanted_inputs
from tinsmith.compiler.frontends.pytorch.message import tidy
from tinsmith.compiler.frontends.pytorch.session import Torch
from tinsmith.compiler.ir.network import Network, Original
from tinsmith.compiler.shaping import Origin, shape
from tinsmith.spec.options import resolve
from tinsmith.spec.request import CompileRequest


def read(directory: Path, request: CompileRequest) -> Network:
    """The one PyTorch model under `directory`, its inputs fixed to the shapes of DataInputConfig.

    Raises ClientError: "InputConfiguration" for files that are missing, ambiguous, damaged or hold weights
    only, for inputs that the model does not take, and where PyTorch is not installed;
    "OperatorNotImplemented" for operators and state that are not compiled.
    """
    origin = Origin("PYTORCH", directory, find_model(directory))
    archive = open_archive(origin.path, origin.place)
    inputs = wanted_inputs(request.data_input_config, resolve(request).options.dtype, archive.inputs)
    known = traced_with(archive.inputs)
    torch = Torch(toolchains.find("pytorch"), archive.kind, origin.path, origin.place, inputs, known)
    with TemporaryDirectory() as folder:
        settled = torch.convert(Path(folder) / "model.onnx")
        model = onnx.load(Path(folder) / "model.onnx")
    tidy(model, settled.inputs, settled.outputs)
    network = shape(model, origin, None)
    return replace(
        network,
        warnings=(*network.warnings, *order_warning(inputs)),
        original=Original(f"torch {torch.version}", torch.answer),
    )
