"""What some peers make of an ONNX file before they can load it.

    python -m bench.network_convert ENGINE FOLDER

reads FOLDER/model.onnx and writes beside it. Runs in the peers' environment; its time and memory are the
peer's compilation.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def ncnn(folder: Path) -> None:
    """model.ncnn.param and .bin by pnnx, in float32, and model_ncnn.py, which tells where the batch lies."""
    for old in folder.glob("*ncnn*"):
        old.unlink()
    # pnnx leaves files beside the model that it reads, so that is a copy of its own, even of a link.
    program = Path(sys.executable).with_name("pnnx")
    done = subprocess.run([program, "model.onnx", "fp16=0"], cwd=folder, capture_output=True, text=True)
    if done.returncode or not (folder / "model.ncnn.bin").exists():
        raise RuntimeError(f"pnnx: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    for extra in folder.glob("*pnnx*"):
        extra.unlink()


def litert(folder: Path) -> None:
    """model.tflite by litert-torch, from the ONNX file as a PyTorch module."""
    import litert_torch
    import numpy as np
    import torch

    from bench.onnx_torch import read

    with np.load(folder / "inputs.npz") as fed:
        given = tuple(torch.from_numpy(fed[name]) for name in fed.files)
    litert_torch.convert(read(folder / "model.onnx"), given).export(str(folder / "model.tflite"))


CONVERTERS: dict[str, Callable[[Path], None]] = {"ncnn": ncnn, "litert": litert}

if __name__ == "__main__":
    CONVERTERS[sys.argv[1]](Path(sys.argv[2]))
