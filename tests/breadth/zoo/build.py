"""`python -I build.py FOLDER NAME FORM`: saves a model in FOLDER as PyTorch's users do, and what it answers.

FORM is "traced", "scripted" or "exported". FOLDER gets model.pt or model.pt2, model.npz with the arrays
in0, ... and out0, ..., and model.json with the names of the inputs and the number of outputs. Ends with 3
and a reason where PyTorch itself does not save the model so.
"""

from __future__ import annotations

import inspect
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

UNBUILT = 3


def make(name: str, form: str) -> tuple[torch.nn.Module, tuple[Any, ...]]:
    """The module and its inputs. `name` is LIBRARY/MODEL."""
    library, _, model = name.partition("/")
    if library == "transformers":
        from zoo import language, torchvision_library

        return language.model(model, eager=form == "scripted" or model.endswith("_eager"))
    if library == "yolov5":
        from zoo.calibration import calibrated
        from zoo.yolov5 import YoloV5

        return calibrated(YoloV5(32 if model == "yolov5s" else 8), torch.rand(1, 3, 64, 96))
    from zoo import torchvision_library, vision  # noqa: F401

    if model in vision.DETECTION:
        return vision.detector(model)
    if model in vision.SEGMENTATION:
        return vision.dense(model, vision.SEGMENTATION[model])
    return vision.video(model) if model in vision.VIDEO else vision.classifier(model)


def save(module: torch.nn.Module, inputs: tuple[Any, ...], form: str, folder: Path) -> None:
    """As one file."""
    if form == "exported":
        torch.export.save(torch.export.export(module, inputs), folder / "model.pt2")
    elif form == "traced":
        torch.jit.trace(module, inputs, strict=False, check_trace=False).save(str(folder / "model.pt"))
    else:
        torch.jit.script(module).save(str(folder / "model.pt"))


def tensors(value: Any) -> list[torch.Tensor]:
    """All in `value`, in order."""
    if value is None:
        return []
    if isinstance(value, torch.Tensor):
        return [value]
    return [each for item in (value.values() if isinstance(value, dict) else value) for each in tensors(item)]


def main(folder: Path, name: str, form: str) -> None:
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    module, inputs = make(name, form)
    wanted = tensors(module(*inputs))
    try:
        save(module, inputs, form, folder)
    except Exception as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", file=sys.stderr)
        raise SystemExit(UNBUILT) from None
    arrays = {f"in{number}": tensor.numpy() for number, tensor in enumerate(tensors(inputs))}
    arrays |= {f"out{number}": tensor.numpy() for number, tensor in enumerate(wanted)}
    np.savez(folder / "model.npz", **arrays)
    names = list(inspect.signature(module.forward).parameters)[: len(tensors(inputs))]
    (folder / "model.json").write_text(json.dumps({"inputs": names, "outputs": len(wanted)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
