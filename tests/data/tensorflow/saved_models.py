# mypy: ignore-errors
"""Small SavedModels of both generations and a graph as text, with TensorFlow's answers.

python tests/data/tensorflow/saved_models.py tests/data/tensorflow
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

rng = np.random.default_rng(3)


def real(*shape):
    return rng.normal(size=shape).astype(np.float32)


class Net(tf.Module):
    """Two layers, a loop and a table."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(real(3, 3, 2, 4), name="kernel")
        self.dense = [tf.Variable(real(4, 3), name="kernel"), tf.Variable(real(3), name="bias")]
        table = tf.lookup.KeyValueTensorInitializer(["a", "b"], [0, 1])
        self.table = tf.lookup.StaticHashTable(table, 0)

    @tf.function(
        input_signature=[tf.TensorSpec([None, 6, 5, 2], name="image"), tf.TensorSpec([], name="scale")]
    )
    def serve(self, image, scale):
        hidden = tf.nn.relu(tf.nn.conv2d(image, self.kernel, 2, "SAME"))
        pooled = tf.reduce_mean(hidden, [1, 2]) * scale
        logits = pooled @ self.dense[0] + self.dense[1]
        for _ in tf.range(2):
            logits = logits * 0.5
        return {"scores": tf.nn.softmax(logits), "logits": logits}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
    def words(self, words):
        return {"numbers": self.table.lookup(words)}

    @tf.function(input_signature=[tf.TensorSpec([None, 6, 5, 2], name="image")])
    def number(self, image):
        code = tf.strings.to_number(tf.strings.as_string(image))
        return {
            "numbers": code,
            "again": tf.raw_ops.ParameterizedTruncatedNormal(
                shape=[1], means=[0.0], stdevs=[1.0], minvals=[-1.0], maxvals=[1.0]
            ),
        }


def second(folder):
    net = Net()
    signatures = {"serving_default": net.serve, "words": net.words, "number": net.number}
    tf.saved_model.save(net, folder, signatures=signatures)
    image, scale = real(2, 6, 5, 2), np.float32(1.5)
    outputs = {
        name: value.numpy() for name, value in net.serve(tf.constant(image), tf.constant(scale)).items()
    }
    return {"image": image, "scale": scale}, outputs


def first(folder):
    v1 = tf.compat.v1
    graph = tf.Graph()
    with graph.as_default(), v1.Session() as session:
        v1.disable_resource_variables()
        x = v1.placeholder(tf.float32, [None, 4], "scope/x")
        training = v1.placeholder_with_default(True, [], "is_training")
        weights = v1.get_variable("weights", initializer=real(4, 3), use_resource=False)
        bias = v1.get_variable("bias", initializer=real(3), use_resource=True)
        hidden = tf.matmul(x, weights) + bias
        kept = v1.cond(training, lambda: tf.nn.dropout(hidden, rate=0.5), lambda: tf.identity(hidden))
        y = tf.nn.softmax(v1.nn.dropout(kept, keep_prob=0.8), name="scope/y")
        session.run(v1.global_variables_initializer())
        exact = tf.nn.softmax(hidden)
        given = real(2, 4)
        outputs = {"y": session.run(exact, {x: given})}
        v1.saved_model.simple_save(session, folder, {"x": x}, {"y": y})
        constant = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["scope/y"])
    tf.io.write_graph(constant, str(Path(folder).parent), "frozen.pbtxt", as_text=True)
    return {"x": given}, outputs


def main(place):
    arrays = {}
    for name, make in (("second", second), ("first", first)):
        folder = Path(place) / name
        shutil.rmtree(folder, ignore_errors=True)
        inputs, outputs = make(str(folder))
        arrays.update({f"{name}/in/{key}": value for key, value in inputs.items()})
        arrays.update({f"{name}/out/{key}": value for key, value in outputs.items()})
    np.savez_compressed(Path(place) / "saved_models.npz", **arrays)


if __name__ == "__main__":
    main(sys.argv[1])
