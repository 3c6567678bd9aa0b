# mypy: ignore-errors
"""One graph per operator and form, with what TensorFlow itself answers; run where TensorFlow is installed.

    python tests/data/tensorflow/cases.py tests/data/tensorflow/operators.npz [CASE ...]

With cases named, only these are made anew and the others of the file kept, except for those that are no more.
For each case NAME the file has `NAME/graph` (a GraphDef), `NAME/in/INPUT` and `NAME/out/OUTPUT`.
"""

from __future__ import annotations

import sys

import numpy as np
import tensorflow as tf
from forms.arrays import matrices, movement, reductions, slices
from forms.control import control, layers, quantisation
from forms.detection import detection
from forms.elementwise import elementwise
from forms.images import convolutions, images
from forms.registry import CASES
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2


def recorded(function, inputs, lowered):
    names = [f"x{number}" for number in range(len(inputs))]
    specs = [
        tf.TensorSpec(np.shape(data), np.asarray(data).dtype, name)
        for name, data in zip(names, inputs, strict=False)
    ]
    concrete = tf.function(lambda *tensors: function(*tensors)).get_concrete_function(*specs)
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=lowered)
    results = frozen(*(tf.constant(data) for data in inputs))
    graph = frozen.graph.as_graph_def()
    for node in [*graph.node, *(node for function in graph.library.function for node in function.node_def)]:
        for key in [key for key in node.attr if key.startswith("_") or key == "config_proto"]:
            del node.attr[key]
    outputs = {tensor.name: result.numpy() for tensor, result in zip(frozen.outputs, results, strict=True)}
    return graph.SerializeToString(), dict(zip(names, inputs, strict=False)), outputs


def main(path, *chosen):
    for make in (
        elementwise,
        convolutions,
        matrices,
        reductions,
        slices,
        movement,
        images,
        detection,
        quantisation,
        control,
        layers,
    ):
        make()
    arrays = {}
    if chosen:
        with np.load(path) as before:
            arrays = {key: before[key] for key in before.files if key.split("/")[0] in CASES}
    for name in chosen or CASES:
        function, inputs, lowered = CASES[name]
        graph, given, outputs = recorded(function, inputs, lowered)
        arrays[f"{name}/graph"] = np.frombuffer(graph, np.uint8)
        arrays.update({f"{name}/in/{key}": np.asarray(value) for key, value in given.items()})
        arrays.update({f"{name}/out/{key}": value for key, value in outputs.items()})
    np.savez_compressed(path, version=np.array(tf.__version__), **arrays)
    print(f"{len(CASES)} cases by TensorFlow {tf.__version__}")


if __name__ == "__main__":
    main(*sys.argv[1:])
