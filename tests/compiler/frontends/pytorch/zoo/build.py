"""`python -I build.py FOLDER INSIDE [NAME...]`: saves models, converts them with the frontend's part INSIDE.

For NAME there are NAME.pt or NAME.pt2, NAME.npz with the arrays in0, ... and out0, ..., and NAME.onnx
where it was converted; answers.json has what the conversion said of each.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, sys.argv[2])

from torchside import main
from torchside.calling import flatten

from zoo import architectures as nets
from zoo import layers, refusals

IMAGE = (torch.rand(1, 3, 32, 32),)
NETWORKS = {
    "resnet": (nets.ResNet, IMAGE),
    "mobilenet": (nets.MobileNet, IMAGE),
    "densenet": (nets.DenseNet, IMAGE),
    "inception": (nets.Inception, IMAGE),
    "squeezenet": (nets.SqueezeNet, IMAGE),
    "shufflenet": (nets.ShuffleNet, IMAGE),
    "yolo": (nets.Yolo, (torch.rand(1, 3, 64, 64),)),
    "vision_transformer": (nets.VisionTransformer, IMAGE),
    "bert": (nets.Bert, (torch.randint(0, 50, (2, 7)), torch.tensor([[1] * 7, [1] * 4 + [0] * 3]))),
}
EXPORTED = {"resnet", "yolo", "bert", "vision_transformer", "lstm", "attention", "transposed", "group_norm"}
EXPORTED |= {"embedding", "interpolate_bilinear", "sdpa_causal", "index_put", "unused", "constant", "same"}
"""Exporting a program takes seconds."""
STRUCTURED = {"dictionary": lambda x, a, b: (x, (a, b)), "lists": lambda a, b, last: ([a, b], last)}


def cases() -> Iterator[tuple[str, Any, tuple[torch.Tensor, ...]]]:
    """Name, module and inputs; a name ends in how the module is saved."""
    functions = {
        name: (lambda function=function: layers.Do(function), inputs)
        for name, (function, inputs) in layers.FUNCTIONS.items()
    }
    for name, (make, inputs) in {**NETWORKS, **layers.MODULES, **functions}.items():
        yield f"{name}_traced", make, inputs
        if name in EXPORTED:
            yield f"{name}_exported", make, inputs
    for name, (make, inputs) in {**NETWORKS, **layers.MODULES, **layers.SCRIPTED}.items():
        yield f"{name}_scripted", make, inputs


def convert(folder: Path, name: str, make: Any, inputs: tuple[torch.Tensor, ...]) -> dict[str, Any]:
    """What the conversion says of one case; {"unbuilt": why} where PyTorch does not save the module so."""
    base, _, way = name.rpartition("_")
    given = STRUCTURED.get(base, lambda *tensors: tensors)(*inputs)
    path = folder / (f"{name}.pt2" if way == "exported" else f"{name}.pt")
    torch.manual_seed(0)
    try:
        module = make().eval()
        if way == "exported":
            torch.export.save(torch.export.export(module, given), path)
        elif way == "traced":
            torch.jit.trace(module, given, strict=False, check_trace=False).save(str(path))
        else:
            torch.jit.script(module).save(str(path))
    except Exception as error:
        return {"unbuilt": f"{type(error).__name__}: {error}"[:300]}
    numbers = [x.item() if base.startswith("checked") and not x.shape else x for x in given]
    wanted = flatten(module(*numbers))
    arrays = {f"in{number}": tensor.numpy() for number, tensor in enumerate(inputs)}
    arrays |= {f"out{number}": tensor.numpy() for number, tensor in enumerate(wanted)}
    np.savez(folder / f"{name}.npz", **arrays)
    asked = [{"name": None, "dtype": str(x.dtype)[6:], "shape": list(x.shape)} for x in inputs]
    kind = "program" if way == "exported" else "torchscript"
    job = {"kind": kind, "path": str(path), "inputs": asked, "onnx": str(folder / f"{name}.onnx")}
    answer: dict[str, Any] = main.run("convert", job)
    return answer


def build(folder: Path, chosen: list[str]) -> None:
    """Every case, or those in `chosen`."""
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    refusals.save(folder)
    answers = {}
    for name, make, inputs in cases():
        if chosen and name not in chosen and name.rpartition("_")[0] not in chosen:
            continue
        try:
            answers[name] = convert(folder, name, make, inputs)
        except Exception as error:
            answers[name] = {"broken": f"{type(error).__name__}: {error}"[-2000:]}
        print(name, str(answers[name])[:300], file=sys.stderr, flush=True)
    (folder / "answers.json").write_text(json.dumps(answers))


build(Path(sys.argv[1]), sys.argv[3:])
