"""Makes second.zip: models saved by tf_keras 2.21 (Keras 2), with inputs and results.

    python make_second.py second.zip

wants tensorflow and tf_keras. The archive is laid out like that of make.py; "v3" cases are .keras archives.
"""

# mypy: ignore-errors

import io
import json
import os
import sys
import tempfile
import zipfile

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow as tf
from tf_keras import Input, Model, Sequential
from tf_keras import layers as L

SERIES, IMAGE = (6, 5), (7, 6, 4)


def functions():
    """Functions of tf.* between layers."""
    given = Input(IMAGE, name="x")
    x = tf.nn.leaky_relu(L.Conv2D(6, 3)(given), alpha=0.1)
    first, second = tf.split(x, 2, axis=-1)
    x = tf.concat([first * 2.0 + 1, tf.math.sigmoid(second) / 3.0], axis=-1)
    size = tf.shape(x)
    x = tf.reshape(x, [size[0], size[1] * size[2], 6])
    x = tf.transpose(x, [0, 2, 1])[:, ::2, 1:-1]
    y = tf.image.resize(given, (9, 5), method="bilinear")
    z = tf.reduce_mean(tf.nn.relu6(y), axis=[1, 2], keepdims=False)
    w = tf.stack([z, tf.math.exp(-z), tf.square(z)], axis=1)
    v = tf.matmul(w, w, transpose_b=True)
    u = tf.where(tf.greater(v, 1.0), v, tf.zeros_like(v)) - tf.expand_dims(z, 1)[..., :3]
    return Model(given, [x, tf.pad(u, [[0, 0], [1, 0], [0, 2]]), tf.cast(tf.argmax(z, axis=-1), tf.float32)])


def recurrent():
    """Every recurrent layer of Keras 2, the older ones among them."""
    given = Input(SERIES, name="x")
    layers = [
        L.LSTM(3, recurrent_activation="hard_sigmoid", return_sequences=True),
        L.GRU(3, reset_after=False, recurrent_activation="hard_sigmoid"),
        L.GRU(3, go_backwards=True, return_sequences=True),
        L.Bidirectional(L.SimpleRNN(2, return_sequences=True), merge_mode="ave"),
        L.RNN([L.LSTMCell(3), L.GRUCell(2)]),
    ]
    return Model(given, [layer(given) for layer in layers])


def states():
    """An encoder that hands its states to a decoder."""
    words, series = Input((6,), name="codes"), Input(SERIES, name="x")
    _, hidden, carry = L.LSTM(3, return_state=True)(L.Embedding(9, 4, mask_zero=True)(words))
    return Model([words, series], L.LSTM(3, return_sequences=True)(series, initial_state=[hidden, carry]))


def heads():
    """Attention between words of which some are masked."""
    words = Input((6,), name="codes")
    x = L.Embedding(9, 4, mask_zero=True)(words)
    x = L.LayerNormalization()(x + L.MultiHeadAttention(2, 3)(x, x))
    return Model(words, [L.GlobalAveragePooling1D()(x), L.Attention()([x, x]), L.AdditiveAttention()([x, x])])


def nested(trainable=True):
    """A model within a model, called twice, with statistics inside."""
    given = Input(IMAGE, name="x")
    inner = Sequential(
        [Input(IMAGE), L.SeparableConv2D(4, 3, padding="same"), L.BatchNormalization(), L.PReLU()]
    )
    one = Input(IMAGE)
    outer = Model(one, L.Add()([inner(one), L.DepthwiseConv2D(1)(one)]))
    outer.trainable = trainable
    return Model(given, L.Flatten()(outer(outer(given))))


def images():
    """Layers that prepare images, and activations by name."""
    given = Input(IMAGE, name="x")
    x = L.Rescaling(0.5, offset=1.0)(L.Resizing(8, 8)(L.RandomFlip()(L.CenterCrop(5, 4)(given))))
    outs = [L.Activation(name)(x) for name in ("hard_sigmoid", "swish", "gelu", "exponential", "selu")]
    outs += [
        L.UpSampling2D(2, interpolation="bilinear")(x),
        L.ReLU(1.0, 0.1, 0.2)(x),
        L.ThresholdedReLU(0.7)(x),
    ]
    outs += [L.LocallyConnected2D(2, 3)(x), L.Conv2DTranspose(2, 3, strides=2, padding="same")(x)]
    return Model(given, outs)


CASES = {
    "functions": functions,
    "recurrent": recurrent,
    "states": states,
    "heads": heads,
    "nested": nested,
    "nested and frozen": lambda: nested(False),
    "images": images,
    "nested v3": nested,
    "recurrent v3": recurrent,
}


def main(target):
    """Builds all models."""
    index = {}
    with zipfile.ZipFile(target, "w") as archive:
        for number, (name, build) in enumerate(CASES.items()):
            model, random = build(), np.random.default_rng(number)
            model.set_weights([weights(random, variable) for variable in model.weights])
            arrays = [sample(random, given) for given in model.inputs]
            results = model(arrays if len(arrays) > 1 else arrays[0], training=False)
            results = results if isinstance(results, list) else [results]
            values = {f"in{n}": array for n, array in enumerate(arrays)}
            values |= {f"out{n}": result.numpy() for n, result in enumerate(results)}
            content = io.BytesIO()
            np.savez(content, **values)
            add(archive, f"{number}.npz", content.getvalue())
            suffix = ".keras" if name.endswith("v3") else ".h5"
            path = os.path.join(tempfile.mkdtemp(), f"model{suffix}")
            model.save(path)
            with open(path, "rb") as file:
                add(archive, f"{number}{suffix}", file.read())
            index[name] = number
        add(archive, "index.json", json.dumps(index, indent=1).encode())


def weights(random, variable):
    values = random.normal(0, 0.4, variable.shape)
    return np.abs(values) + 0.3 if "variance" in variable.name else values


def sample(random, given):
    shape = (2, *given.shape[1:])
    if given.name == "codes":
        return np.floor(random.uniform(0, 9, shape) * (random.random(shape) < 0.7)).astype(np.float32)
    return random.normal(0, 1, shape).astype(np.float32)


def add(archive, name, content):
    archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    main(sys.argv[1])
