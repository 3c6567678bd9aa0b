"""Exports networks of the zoos of MXNet and GluonCV and lets MXNet compute them: zoo/<name>.npz.

    ENV as in record.py, and: ENV/bin/pip install gluoncv==0.10.5.post0 --no-deps
    ENV/bin/pip install tqdm pillow "scipy<1.11" "matplotlib<3.8" portalocker yacs autocfg "pandas<2" \\
        "opencv-python-headless<4.9" numpy==1.23.5
    ENV/bin/python tests/compiler/frontends/mxnet/record_zoo.py

The weights are not those of training but numbers that the tests make again: see zoo.py. A file holds the
symbol as it was exported, the shapes of its parameters, those parameters that are constants of the network,
and the outputs.
"""

# mypy: ignore-errors
from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import mxnet as mx
import numpy as np
from gluoncv.model_zoo import get_model

sys.path.insert(0, str(Path(__file__).parent))
from zoo import FOLDER, NETWORKS, picture, weight


def main() -> None:
    """All networks that are not recorded."""
    FOLDER.mkdir(exist_ok=True)
    for name, size in NETWORKS.items():
        target = FOLDER / f"{name}.npz"
        if not target.exists():
            np.savez_compressed(target, **record(name, size))
            print(name, target.stat().st_size, flush=True)


def record(name: str, size: int) -> dict:
    """What the file of a network holds."""
    net = _network(name)
    net.initialize()
    net.hybridize()
    x = mx.nd.array(picture(size))
    net(x)
    shapes, constants = {}, {}
    for key, parameter in net.collect_params().items():
        if isinstance(parameter, mx.gluon.Constant):
            constants[f"constant/{key}"] = parameter.data().asnumpy()
        else:
            shapes[key] = list(parameter.shape)
            parameter.set_data(mx.nd.array(weight(key, parameter.shape)))
    outputs = _flat(net(x))
    with tempfile.TemporaryDirectory() as folder:
        net.export(folder + "/net", epoch=0)
        symbol = json.loads((Path(folder) / "net-symbol.json").read_text())
    text = json.dumps({"symbol": symbol, "shapes": shapes}, separators=(",", ":"))
    found = {f"output/{index}": output.asnumpy() for index, output in enumerate(outputs)}
    return {"document": np.frombuffer(text.encode(), np.uint8), **constants, **found}


def _network(name: str) -> mx.gluon.HybridBlock:
    if hasattr(mx.gluon.model_zoo.vision, name):
        return getattr(mx.gluon.model_zoo.vision, name)(classes=10)
    segmentation = name.startswith(("fcn", "psp", "deeplab"))
    more = {"pretrained_base": False} if segmentation or name.startswith(("ssd", "yolo")) else {}
    if segmentation:
        more |= {"aux": False, "base_size": NETWORKS[name], "crop_size": NETWORKS[name]}
    return get_model(name, pretrained=False, **more)


def _flat(outputs: object) -> list:
    if isinstance(outputs, (list, tuple)):
        return [each for output in outputs for each in _flat(output)]
    return [outputs]


main()
