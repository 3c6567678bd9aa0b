"""Lets MXNet compute the cases of cases.py and writes what it gives to recorded.npz.

    python -m venv ENV && ENV/bin/pip install mxnet==1.9.1 numpy==1.23.5
    ENV/bin/python tests/compiler/frontends/mxnet/record.py
    MXNET_MKLDNN_ENABLED=0 ENV/bin/python tests/compiler/frontends/mxnet/record.py

Only what is not recorded is computed: the second run takes what oneDNN inside MXNet cannot do.
Made with mxnet 1.9.1 on Python 3.11; it does not run beside a numpy of today.
"""

# mypy: ignore-errors
from __future__ import annotations

import sys
from pathlib import Path

import mxnet as mx
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from cases import CASES, RECORDED, arrays, symbol


def main() -> None:
    """All cases."""
    results = dict(np.load(RECORDED)) if RECORDED.exists() else {}
    for name, case in CASES.items():
        if f"{name}/0" in results:
            continue
        try:
            net = mx.sym.load_json(symbol(case))
            given = {key: mx.nd.array(value, dtype=value.dtype) for key, value in arrays(name, case).items()}
            states = {key: given.pop(key) for key in net.list_auxiliary_states()}
            for label in case.extra:
                shapes, _, _ = net.infer_shape(data=given["data"].shape)
                given[label] = mx.nd.zeros(dict(zip(net.list_arguments(), shapes, strict=True))[label])
            outputs = net.bind(mx.cpu(), given, aux_states=states).forward()
            for index, output in enumerate(outputs):
                results[f"{name}/{index}"] = output.asnumpy()
        except Exception as error:
            print(f"{name}: {str(error)[:300]}")
    np.savez_compressed(RECORDED, **results)
    print(f"{len(results)} outputs of {len(CASES)} cases recorded")


main()
