"""The Keras model of the package fer as a frozen TensorFlow graph.

    python freeze_fer.py FER_FOLDER TARGET_FOLDER

Runs in the toolchain tensorflow. Writes fer_emotion_frozen.pb.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2


def main(fer: Path, target: Path) -> None:
    """With a free number of pictures."""
    model = keras.models.load_model(fer / "fer/data/emotion_model.hdf5", compile=False)
    signature = [tf.TensorSpec([None, 64, 64, 1], tf.float32, name="input_1")]
    function = tf.function(lambda x: model(x, training=False), input_signature=signature)
    frozen = convert_variables_to_constants_v2(function.get_concrete_function())
    (target / "fer_emotion_frozen.pb").write_bytes(frozen.graph.as_graph_def().SerializeToString())


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
