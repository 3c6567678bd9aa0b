"""Keras answers for a model file; runs in the toolchain tensorflow, called by `answering`.

Keras 3 loads what it can, Keras 2 (tf_keras) the rest. Code in a file (Lambda) is not run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf


def answer(runs: Sequence[Sequence[Any]], model: str) -> Iterator[list[Any]]:
    """In the order of the model's outputs."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    loaded = _load(model)
    for arrays in runs:
        result = loaded(arrays[0] if len(arrays) == 1 else list(arrays), training=False)
        yield tf.nest.flatten(result)


def _load(model: str) -> Any:
    import keras

    try:
        return keras.models.load_model(model, compile=False)
    except Exception as error:
        import tf_keras

        try:
            return tf_keras.models.load_model(model, compile=False)
        except Exception:
            raise error from None
