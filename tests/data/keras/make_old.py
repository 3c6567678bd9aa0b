"""Makes old-VERSION.zip: models saved by the Keras at hand, 1.2 or 2.2 on Theano, with inputs and results.

    export KERAS_BACKEND=theano THEANO_FLAGS=cxx=,floatX=float32,linker=py,optimizer=None,blas.ldflags=
    python make_old.py .

Both run on Python 3.11 with numpy 1.23, scipy 1.10, theano 1.0.5 and h5py 3.8, once the names that moved from
`collections` to `collections.abc`, and those that scipy made private, are put back. The archive is laid out
like that of make.py.
"""

# mypy: ignore-errors

# ruff: noqa: E402, F401
import collections
import collections.abc
import io
import json
import os
import sys
import tempfile
import zipfile

for _name in ("Iterable", "Mapping", "MutableMapping", "Callable", "Sequence"):
    setattr(collections, _name, getattr(collections.abc, _name))

import scipy.signal._signaltools
import scipy.signal._sigtools

sys.modules["scipy.signal.signaltools"] = scipy.signal._signaltools
sys.modules["scipy.signal.sigtools"] = scipy.signal._sigtools

import keras
import numpy as np
import theano.ifelse  # which Keras takes for granted
from keras import backend as K
from keras import layers as L
from keras.models import Model, Sequential

ONE = keras.__version__.startswith("1.")
BATCH = 2


def image_model(first):
    """Convolutions in either order of dimensions (Theano cannot pool without a compiler)."""
    shape = (3, 8, 7) if first else (8, 7, 3)
    if ONE:
        order = {"dim_ordering": "th" if first else "tf"}
        model = Sequential()
        model.add(L.ZeroPadding2D((1, 2), input_shape=shape, **order))
        model.add(L.Convolution2D(4, 3, 2, border_mode="same", subsample=(1, 2), activation="relu", **order))
        model.add(L.BatchNormalization(axis=1 if first else -1))
        model.add(L.AtrousConvolution2D(3, 2, 2, atrous_rate=(1, 1), bias=False, **order))
        model.add(L.UpSampling2D((2, 2), **order))
        model.add(L.Flatten())
        model.add(L.Dropout(0.5))
        model.add(L.Dense(5, activation="softmax"))
        return model
    order = {"data_format": "channels_first" if first else "channels_last"}
    return Sequential(
        [
            L.ZeroPadding2D((1, 2), input_shape=shape, **order),
            L.Conv2D(4, (3, 2), padding="same", strides=(1, 2), activation="relu", **order),
            L.BatchNormalization(axis=1 if first else -1),
            L.Conv2D(3, 2, use_bias=False, **order),
            L.Conv2DTranspose(2, 3, strides=2, padding="same", **order),
            L.Flatten(),
            L.Dense(5, activation="softmax"),
        ]
    )


def series_model(kind, **options):
    """A convolution of a series, then a recurrent layer."""
    model = Sequential()
    if ONE:
        model.add(L.Convolution1D(4, 3, border_mode="same", input_shape=(6, 5)))
    else:
        model.add(L.Conv1D(4, 3, padding="causal", input_shape=(6, 5)))
    model.add(getattr(L, kind)(3, **options))
    return model


def words_model():
    """Words with a mask, read in both directions."""
    model = Sequential()
    model.add(L.Embedding(9, 4, mask_zero=True, input_length=6))
    model.add(L.Bidirectional(L.LSTM(3, return_sequences=True)))
    model.add(L.TimeDistributed(L.Dense(2, activation="tanh")))
    model.add(L.GRU(3))
    return model


def merges_model():
    """Two branches, and every way to join them."""
    one, other = L.Input((5,), name="one"), L.Input((5,), name="other")
    shared = L.Dense(4)
    a, b = L.LeakyReLU(0.2)(shared(one)), L.ELU(0.7)(shared(other))
    if ONE:
        from keras.layers import merge

        joined = [merge([a, b], mode=mode) for mode in ("sum", "mul", "ave", "max")]
        return Model(input=[one, other], output=merge([*joined, a], mode="concat", concat_axis=-1))
    joined = [kind()([a, b]) for kind in (L.Add, L.Multiply, L.Average, L.Maximum, L.Subtract)]
    return Model([one, other], L.Concatenate()([*joined, L.Dot(1)([a, b])]))


def nested_model():
    """A model within a model, of which one layer does not learn."""
    inner = Sequential()
    inner.add(L.Dense(4, input_shape=(5,)))
    inner.add(L.BatchNormalization())
    inner.add(L.Dense(3))
    inner.layers[0].trainable = False
    given = L.Input((5,), name="given")
    result = L.PReLU()(inner(given))
    return Model(input=given, output=result) if ONE else Model(given, result)


CASES = {
    "images first": lambda: image_model(True),
    "images last": lambda: image_model(False),
    "lstm": lambda: series_model("LSTM", return_sequences=True),
    "gru": lambda: series_model("GRU"),
    "gru backwards": lambda: series_model("GRU", go_backwards=True, activation="relu"),
    "rnn": lambda: series_model("SimpleRNN"),
    "words": words_model,
    "merges": merges_model,
    "nested": nested_model,
}


def main(folder):
    """Builds all models."""
    index = {}
    target = os.path.join(folder, f"old-{keras.__version__}.zip")
    with zipfile.ZipFile(target, "w") as archive:
        for number, (name, build) in enumerate(CASES.items()):
            K.clear_session() if hasattr(K, "clear_session") else None
            model = build()
            random = np.random.RandomState(number)
            model.set_weights([weights(random, array) for array in model.get_weights()])
            arrays = [sample(random, name, K.int_shape(x)[1:]) for x in model.inputs]
            result = model.predict(arrays if len(arrays) > 1 else arrays[0])
            values = {f"in{n}": array for n, array in enumerate(arrays)}
            content = io.BytesIO()
            np.savez(content, out0=result, **values)
            add(archive, f"{number}.npz", content.getvalue())
            path = os.path.join(tempfile.mkdtemp(), "model.h5")
            model.save(path)
            with open(path, "rb") as file:
                add(archive, f"{number}.h5", file.read())
            index[name] = number
            print(name, result.shape, flush=True)
        add(archive, "index.json", json.dumps(index, indent=1).encode())


def weights(random, array):
    """Above zero where they may be variances."""
    values = random.normal(0, 0.4, array.shape)
    return np.abs(values) + 0.3 if array.ndim == 1 else values


def sample(random, name, shape):
    """Codes with zeros among them, or numbers."""
    if name == "words":
        return random.randint(0, 9, (BATCH, *shape)) * (random.uniform(size=(BATCH, *shape)) < 0.6)
    return random.normal(0, 1, (BATCH, *shape)).astype(np.float32)


def add(archive, name, content):
    archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    main(sys.argv[1])
