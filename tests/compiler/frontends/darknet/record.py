"""Lets Darknet compute the networks of cases.py and writes what it gives to recorded.npz.

    apt-get install darknet && python -m tests.compiler.frontends.darknet.record

Made with Debian's darknet 0.0.0+git20180914.61c9d02e-2+b4. A network that ends Darknet is left out and named.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.compiler.frontends.darknet.cases import CASES, CRASHES, RECORDED, picture, weights
from tinsmith.compiler.frontends.darknet import read
from tinsmith.spec.request import CompileRequest

LIBRARY = "/usr/lib/darknet/libdarknet.so"


def main() -> None:
    """The cases that are not recorded, each in a process of its own: Darknet exits at errors."""
    results = dict(np.load(RECORDED)) if RECORDED.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        for name in CASES.keys() - CRASHES - results.keys():
            target = Path(folder) / "out.npy"
            target.unlink(missing_ok=True)
            command = [sys.executable, "-m", __spec__.name if __spec__ else "", name, str(target)]
            run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
            if run.returncode == 0 and target.exists():
                results[name] = np.load(target)
            else:
                print(f"{name}: ended with {run.returncode}: {run.stderr[-300:]}")
    np.savez_compressed(RECORDED, **{name: results[name] for name in CASES if name in results})
    print(f"{len(results)} of {len(CASES)} recorded")


def compute(name: str, target: Path) -> None:
    """One case."""
    with tempfile.TemporaryDirectory() as folder:
        cfg, binary = Path(folder) / "net.cfg", Path(folder) / "net.weights"
        cfg.write_text(CASES[name])
        binary.write_bytes(weights(name))
        network = read(Path(folder), CompileRequest("DARKNET", "m", device="ml_c5"))
        library = ctypes.CDLL(LIBRARY)
        floats = ctypes.POINTER(ctypes.c_float)
        library.load_network.restype = ctypes.c_void_p
        library.load_network.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int]
        library.network_predict.restype = floats
        library.network_predict.argtypes = [ctypes.c_void_p, floats]
        net = library.load_network(str(cfg).encode(), str(binary).encode(), 0)
        data = picture(network.inputs[0].shape, name)
        found = library.network_predict(net, data.ctypes.data_as(floats))
        shape = network.outputs[-1].shape
        np.save(target, np.ctypeslib.as_array(found, shape=(int(np.prod(shape)),)).reshape(shape))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        compute(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
