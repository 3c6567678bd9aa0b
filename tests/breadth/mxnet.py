"""Networks that the zoos of MXNet and GluonCV exported, compiled whole.

MXNet does not run beside the packages of today. What it gave was recorded where it does, with weights that
are made again here by rule; see tests/compiler/frontends/mxnet/record_zoo.py.
"""

from __future__ import annotations

import json
import tarfile
from functools import partial
from pathlib import Path

import numpy as np

from tests.breadth.runner import Built, Entry
from tests.compiler.frontends.mxnet.conftest import params_file
from tests.compiler.frontends.mxnet.zoo import FOLDER, NETWORKS, picture, weight

TOLERANCE = 5e-4
"""Of the largest number."""


def build(name: str, folder: Path) -> Built:
    """The recorded symbol with its parameters."""
    with np.load(FOLDER / f"{name}.npz") as recorded:
        document = json.loads(recorded["document"].tobytes())
        arrays = {
            key.partition("/")[2]: recorded[key] for key in recorded.files if key.startswith("constant/")
        }
        expected = [recorded[key] for key in sorted(recorded.files) if key.startswith("output/")]
    arrays |= {key: weight(key, tuple(shape)) for key, shape in document["shapes"].items()}
    symbol, params = folder / "model-symbol.json", folder / "model-0000.params"
    symbol.write_text(json.dumps(document["symbol"]))
    params.write_bytes(params_file(arrays))
    with tarfile.open(folder / "model.tar", "w") as tar:
        for path in (symbol, params):
            tar.add(path, path.name)
            path.unlink()
    x = picture(NETWORKS[name])
    return Built(folder / "model.tar", json.dumps({"data": list(x.shape)}), {"data": x}, expected, TOLERANCE)


ENTRIES = [Entry("MXNET", name, "symbol", partial(build, name)) for name in NETWORKS]
