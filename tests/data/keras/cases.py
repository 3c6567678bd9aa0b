"""Small models, one or more for every layer: name -> function that builds it with Keras."""

# mypy: ignore-errors

# ruff: noqa: E501
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import Input, Model, Sequential, ops
from keras import layers as L

Build = Callable[[], Any]
IMAGE = (7, 6, 4)
SERIES = (6, 5)
FIRST: dict[str, Any] = {"data_format": "channels_first"}


def of(layer: Any, *shape: int, dtype: str = "float32") -> Any:
    """A model of one layer."""
    given = Input(shape, batch_size=None, name="x", dtype=dtype)
    return Model(given, layer(given))


def merged(layer: Any, *shapes: tuple[int, ...]) -> Any:
    given = [Input(shape, name=f"x{index}") for index, shape in enumerate(shapes)]
    return Model(given, layer(given))


def masked(layer: Any, features: int = 4, after: Any = None) -> Any:
    """A model of a layer whose input comes from an embedding that masks zeros."""
    codes = Input((6,), name="x", dtype="int32")
    result = layer(L.Embedding(9, features, mask_zero=True)(codes))
    return Model(codes, after(result) if after else result)


CASES: dict[str, Build] = {
    "dense": lambda: of(L.Dense(3, activation="relu"), 5),
    "dense of series, no bias": lambda: of(L.Dense(3, use_bias=False), *SERIES),
    "dense with a layer as activation": lambda: of(L.Dense(3, activation=L.LeakyReLU(negative_slope=0.1)), 5),
    "einsum dense": lambda: of(L.EinsumDense("abc,cd->abd", output_shape=(None, 7), bias_axes="d"), *SERIES),
    "einsum dense with dots": lambda: of(L.EinsumDense("...x,xy->...y", output_shape=7), *SERIES),
    "embedding": lambda: of(L.Embedding(9, 4), 6, dtype="int32"),
    "embedding of floats": lambda: codes_as_floats(),
    "conv1d": lambda: of(L.Conv1D(3, 3, strides=2, padding="same"), *SERIES),
    "conv1d causal": lambda: of(L.Conv1D(3, 3, dilation_rate=2, padding="causal"), *SERIES),
    "conv2d": lambda: of(L.Conv2D(3, (3, 2), padding="valid", activation="tanh"), *IMAGE),
    "conv2d same, strides": lambda: of(L.Conv2D(3, (3, 4), strides=(2, 2), padding="same"), *IMAGE),
    "conv2d groups": lambda: of(L.Conv2D(6, 3, groups=2, use_bias=False), *IMAGE),
    "conv2d dilated": lambda: of(L.Conv2D(3, 2, dilation_rate=(2, 3), padding="same"), *IMAGE),
    "conv3d": lambda: of(L.Conv3D(2, 2, padding="same"), 4, 5, 6, 3),
    "depthwise1d": lambda: of(L.DepthwiseConv1D(3, depth_multiplier=2), *SERIES),
    "depthwise2d": lambda: of(L.DepthwiseConv2D(3, depth_multiplier=2, padding="same", strides=2), *IMAGE),
    "separable1d": lambda: of(L.SeparableConv1D(3, 3, depth_multiplier=2, padding="same"), *SERIES),
    "separable2d": lambda: of(L.SeparableConv2D(3, 3, activation="relu"), *IMAGE),
    "conv1d transpose": lambda: of(L.Conv1DTranspose(3, 3, strides=2, padding="same"), *SERIES),
    "conv2d transpose": lambda: of(L.Conv2DTranspose(3, 3, strides=2, padding="same"), *IMAGE),
    "conv2d transpose valid": lambda: of(L.Conv2DTranspose(3, (2, 4), strides=3), *IMAGE),
    "conv2d transpose even": lambda: of(L.Conv2DTranspose(3, 4, strides=2, padding="same"), *IMAGE),
    "conv2d transpose small": lambda: of(L.Conv2DTranspose(3, 2, strides=3, padding="same"), *IMAGE),
    "conv2d transpose output padding": lambda: of(
        L.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=1), *IMAGE
    ),
    "conv2d transpose no output padding": lambda: of(
        L.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=0), *IMAGE
    ),
    "conv3d transpose": lambda: of(L.Conv3DTranspose(2, 3, strides=2, padding="same"), 3, 4, 2, 3),
    "max pooling1d": lambda: of(L.MaxPooling1D(2), *SERIES),
    "max pooling2d": lambda: of(L.MaxPooling2D(3, strides=2, padding="same"), *IMAGE),
    "max pooling3d": lambda: of(L.MaxPooling3D(2), 4, 5, 6, 3),
    "average pooling1d": lambda: of(L.AveragePooling1D(3, strides=1, padding="same"), *SERIES),
    "average pooling2d": lambda: of(L.AveragePooling2D((3, 2), padding="same"), *IMAGE),
    "average pooling3d": lambda: of(L.AveragePooling3D(2, padding="same"), 4, 5, 6, 3),
    "global average1d": lambda: of(L.GlobalAveragePooling1D(), *SERIES),
    "global average1d masked": lambda: masked(L.GlobalAveragePooling1D()),
    "global average2d": lambda: of(L.GlobalAveragePooling2D(keepdims=True), *IMAGE),
    "global average3d": lambda: of(L.GlobalAveragePooling3D(), 4, 5, 6, 3),
    "global max1d": lambda: of(L.GlobalMaxPooling1D(), *SERIES),
    "global max2d": lambda: of(L.GlobalMaxPooling2D(), *IMAGE),
    "global max3d": lambda: of(L.GlobalMaxPooling3D(), 4, 5, 6, 3),
    "adaptive average2d": lambda: of(L.AdaptiveAveragePooling2D((3, 2)), *IMAGE),
    "adaptive max1d": lambda: of(L.AdaptiveMaxPooling1D(4), *SERIES),
    "batch normalisation": lambda: of(L.BatchNormalization(), *IMAGE),
    "batch normalisation, plain": lambda: of(L.BatchNormalization(center=False, scale=False, axis=1), *IMAGE),
    "layer normalisation": lambda: of(L.LayerNormalization(), *SERIES),
    "layer normalisation of axes": lambda: of(L.LayerNormalization(axis=(1, 2), epsilon=1e-5), *SERIES),
    "layer normalisation of axis 1": lambda: of(L.LayerNormalization(axis=1, center=False), *SERIES),
    "group normalisation": lambda: of(L.GroupNormalization(2), *IMAGE),
    "group normalisation of one": lambda: of(L.GroupNormalization(-1), *IMAGE),
    "rms normalisation": lambda: of(L.RMSNormalization(), *SERIES),
    "unit normalisation": lambda: of(L.UnitNormalization(), *SERIES),
    "spectral normalisation": lambda: of(L.SpectralNormalization(L.Conv2D(3, 3)), *IMAGE),
    "normalization": lambda: of(adapted(L.Normalization()), *SERIES),
    "normalization inverted": lambda: of(L.Normalization(mean=[1.0] * 5, variance=[4.0] * 5, invert=True), *SERIES),
    "normalization of all": lambda: of(L.Normalization(axis=None, mean=2.0, variance=9.0), *SERIES),
    "relu": lambda: of(L.ReLU(), 5),
    "relu capped": lambda: of(L.ReLU(max_value=1.0), 5),
    "relu of everything": lambda: of(L.ReLU(max_value=1.0, negative_slope=0.2, threshold=0.3), 5),
    "leaky relu": lambda: of(L.LeakyReLU(negative_slope=0.2), 5),
    "prelu": lambda: of(L.PReLU(), *IMAGE),
    "prelu shared": lambda: of(L.PReLU(shared_axes=[1, 2]), *IMAGE),
    "elu": lambda: of(L.ELU(alpha=0.7), 5),
    "softmax": lambda: of(L.Softmax(axis=1), *SERIES),
    "softmax of axes": lambda: of(L.Softmax(axis=(1, 2)), *SERIES),
    "dropout and noise": lambda: chain(L.Dropout(0.5), L.GaussianNoise(1.0), L.AlphaDropout(0.1), L.Identity()),
    "flatten": lambda: of(L.Flatten(), *IMAGE),
    "flatten channels first": lambda: of(L.Flatten(**FIRST), *IMAGE),
    "reshape": lambda: of(L.Reshape((3, -1)), *IMAGE),
    "permute": lambda: of(L.Permute((3, 1, 2)), *IMAGE),
    "repeat vector": lambda: of(L.RepeatVector(3), 5),
    "cropping1d": lambda: of(L.Cropping1D((1, 2)), *SERIES),
    "cropping2d": lambda: of(L.Cropping2D(((1, 2), (0, 1))), *IMAGE),
    "cropping3d": lambda: of(L.Cropping3D(1), 4, 5, 6, 3),
    "padding1d": lambda: of(L.ZeroPadding1D(2), *SERIES),
    "padding2d": lambda: of(L.ZeroPadding2D(((1, 2), (3, 0))), *IMAGE),
    "padding3d": lambda: of(L.ZeroPadding3D((1, 2, 0)), 4, 5, 6, 3),
    "upsampling1d": lambda: of(L.UpSampling1D(3), *SERIES),
    "upsampling2d": lambda: of(L.UpSampling2D((2, 3)), *IMAGE),
    "upsampling2d bilinear": lambda: of(L.UpSampling2D(2, interpolation="bilinear"), *IMAGE),
    "upsampling3d": lambda: of(L.UpSampling3D((1, 2, 2)), 4, 5, 6, 3),
    "add": lambda: merged(L.Add(), SERIES, SERIES, SERIES),
    "add of ranks": lambda: merged(L.Add(), (6, 5), (5,)),
    "subtract": lambda: merged(L.Subtract(), SERIES, SERIES),
    "multiply": lambda: merged(L.Multiply(), SERIES, (6, 1)),
    "average": lambda: merged(L.Average(), SERIES, SERIES, SERIES),
    "maximum": lambda: merged(L.Maximum(), SERIES, SERIES),
    "minimum": lambda: merged(L.Minimum(), SERIES, SERIES),
    "concatenate": lambda: merged(L.Concatenate(axis=1), SERIES, (2, 5)),
    "dot": lambda: merged(L.Dot(axes=(1, 2)), (6, 5), (3, 6)),
    "dot of vectors": lambda: merged(L.Dot(axes=1, normalize=True), (5,), (5,)),
    "simple rnn": lambda: of(L.SimpleRNN(3), *SERIES),
    "simple rnn relu": lambda: of(L.SimpleRNN(3, activation="relu", return_sequences=True), *SERIES),
    "lstm": lambda: of(L.LSTM(3), *SERIES),
    "lstm sequences and states": lambda: of(L.LSTM(3, return_sequences=True, return_state=True), *SERIES),
    "lstm backwards": lambda: of(L.LSTM(3, return_sequences=True, go_backwards=True, use_bias=False), *SERIES),
    "lstm of other activations": lambda: of(
        L.LSTM(3, activation="softsign", recurrent_activation="hard_sigmoid"), *SERIES
    ),
    "lstm of activations without an operator": lambda: of(
        L.LSTM(3, activation="gelu", return_sequences=True, go_backwards=True), *SERIES
    ),
    "gru": lambda: of(L.GRU(3, return_sequences=True), *SERIES),
    "gru reset before": lambda: of(L.GRU(3, reset_after=False), *SERIES),
    "gru without an operator": lambda: of(L.GRU(3, activation="silu", return_state=True), *SERIES),
    "gru reset before without an operator": lambda: of(L.GRU(3, activation="silu", reset_after=False), *SERIES),
    "initial state": lambda: initial_state(),
    "rnn of cells": lambda: of(L.RNN([L.GRUCell(3), L.LSTMCell(4)], return_state=True), *SERIES),
    "rnn of one cell": lambda: of(L.RNN(L.SimpleRNNCell(3), return_sequences=True), *SERIES),
    "bidirectional": lambda: of(L.Bidirectional(L.LSTM(3, return_sequences=True)), *SERIES),
    "bidirectional sum": lambda: of(L.Bidirectional(L.GRU(3), merge_mode="sum"), *SERIES),
    "bidirectional apart": lambda: of(L.Bidirectional(L.GRU(3), merge_mode=None), *SERIES),
    "bidirectional of two kinds": lambda: of(
        L.Bidirectional(
            L.LSTM(3, return_sequences=True),
            backward_layer=L.GRU(3, go_backwards=True, return_sequences=True),
            merge_mode="mul",
        ),
        *SERIES,
    ),
    "bidirectional with states": lambda: of(L.Bidirectional(L.LSTM(2, return_state=True)), *SERIES),
    "masked lstm": lambda: masked(L.LSTM(3)),
    "masked lstm sequences": lambda: masked(L.LSTM(3, return_sequences=True, return_state=True)),
    "masked gru zeros": lambda: masked(L.RNN(L.GRUCell(3), return_sequences=True, zero_output_for_mask=True)),
    "masked bidirectional": lambda: masked(L.Bidirectional(L.GRU(3, return_sequences=True)), after=L.LSTM(2)),
    "masked stack": lambda: masked(L.LSTM(3, return_sequences=True), after=L.SimpleRNN(2)),
    "masking": lambda: Sequential([Input(SERIES), L.Masking(0.0), L.GRU(3)]),
    "mask through layers": lambda: masked(L.Dense(3), after=lambda y: L.LSTM(2)(L.Dropout(0.1)(L.ReLU()(y)))),
    "time distributed": lambda: of(L.TimeDistributed(L.Conv2D(2, 3)), 3, *IMAGE),
    "time distributed model": lambda: of(
        L.TimeDistributed(Sequential([L.Dense(3), L.BatchNormalization()])), *SERIES
    ),
    "conv lstm1d": lambda: of(L.ConvLSTM1D(2, 3, padding="same", return_sequences=True), 3, *SERIES),
    "conv lstm2d": lambda: of(L.ConvLSTM2D(2, 3, strides=2, recurrent_activation="hard_sigmoid"), 3, *IMAGE),
    "attention heads": lambda: heads(),
    "attention heads causal": lambda: heads(use_causal_mask=True, return_attention_scores=True),
    "attention heads masked": lambda: masked(lambda x: L.MultiHeadAttention(2, 3, output_shape=5)(x, x)),
    "attention": lambda: merged(L.Attention(), (4, 5), (6, 5)),
    "attention scaled": lambda: merged(L.Attention(use_scale=True), (4, 5), (6, 5), (6, 5)),
    "attention concat": lambda: merged(L.Attention(score_mode="concat", use_scale=True), (4, 5), (6, 5)),
    "attention masked": lambda: masked(lambda x: L.Attention()([x, x])),
    "additive attention": lambda: merged(L.AdditiveAttention(), (4, 5), (6, 5)),
    "rescaling": lambda: of(L.Rescaling(1 / 127.5, offset=-1), *IMAGE),
    "rescaling of channels": lambda: of(L.Rescaling([1.0, 2.0, 3.0, 4.0], offset=[0.0, 1.0, 2.0, 3.0]), *IMAGE),
    "resizing": lambda: of(L.Resizing(5, 9), *IMAGE),
    "resizing nearest": lambda: of(L.Resizing(5, 9, interpolation="nearest"), *IMAGE),
    "resizing cropped": lambda: of(L.Resizing(4, 4, crop_to_aspect_ratio=True), *IMAGE),
    "centre crop": lambda: of(L.CenterCrop(4, 3), *IMAGE),
    "random layers": lambda: chain(L.RandomFlip(), L.RandomRotation(0.1), L.RandomZoom(0.1), shape=IMAGE),
    "discretization": lambda: of(L.Discretization(bin_boundaries=[-0.5, 0.0, 0.5]), 5),
    "category encoding": lambda: of(L.CategoryEncoding(9, output_mode="multi_hot"), 6, dtype="int32"),
    "shared layer": lambda: shared(),
    "nested models": lambda: nested(),
    "frozen nested model": lambda: nested(trainable=False),
    "operations": lambda: operations(),
    "several outputs in a dict": lambda: dictionary(),
}  # fmt: skip
CASES |= {
    f"activation {name}": lambda name=name: of(L.Activation(name), 6)  # type: ignore[misc]
    for name in (
        *(
            "relu",
            "relu6",
            "sigmoid",
            "hard_sigmoid",
            "tanh",
            "softmax",
            "log_softmax",
            "softplus",
            "softsign",
        ),
        *(
            "elu",
            "selu",
            "celu",
            "gelu",
            "exponential",
            "linear",
            "silu",
            "hard_silu",
            "mish",
            "leaky_relu",
            "glu",
        ),
        *(
            "log_sigmoid",
            "hard_tanh",
            "hard_shrink",
            "soft_shrink",
            "tanh_shrink",
            "squareplus",
            "sparse_plus",
        ),
        *("sparse_sigmoid", "sparsemax"),
    )
}


def chain(*layers: Any, shape: tuple[int, ...] = (5,)) -> Any:
    return Sequential([Input(shape), *layers])


def adapted(layer: Any) -> Any:
    layer.adapt(np.random.default_rng(3).normal(2, 3, (50, *SERIES)).astype(np.float32))
    return layer


def initial_state() -> Any:
    series, state = Input(SERIES, name="series"), Input((5,), name="state")
    hidden, carry = L.Dense(3)(state), L.Dense(3)(state)
    return Model([series, state], L.LSTM(3)(series, initial_state=[hidden, carry]))


def heads(**options: Any) -> Any:
    query, value = Input((4, 5), name="query"), Input((6, 5), name="value")
    return Model([query, value], L.MultiHeadAttention(2, 3, value_dim=4)(query, value, **options))


def shared() -> Any:
    layer = L.Dense(4, activation="tanh")
    one, other = Input((4,), name="one"), Input((4,), name="other")
    return Model([one, other], [layer(layer(one)), layer(other)])


def nested(trainable: bool = True) -> Any:
    given = Input(IMAGE, name="picture")
    inside = Sequential([L.Conv2D(3, 3), L.BatchNormalization(), L.Conv2D(2, 1)], name="inside")
    first, second = Input((5, 4, 2)), Input((5, 4, 2))
    both = Model([first, second], [L.Add()([L.BatchNormalization()(first), second]), L.Conv2D(2, 1)(first)])
    inside.trainable = trainable
    image = inside(given)
    added, other = both([image, image])
    return Model(given, L.Concatenate()([inside(given), added, other]))


def operations() -> Any:
    given = Input((8, 6), name="x")
    x = ops.concatenate([ops.relu(given) + 2.0, given], axis=-1)[:, 0:3, ::2]
    x = ops.mean(ops.reshape(x, (-1, 18)), axis=-1, keepdims=True)
    first, second = ops.split(given, 2, axis=1)
    x = ops.stack([ops.expand_dims(1 - x, 1) * first / 3, second], axis=1)
    x = ops.transpose(x, (0, 2, 1, 3))[:, -1, ..., None]
    y = ops.where(ops.greater(x, 0.1), ops.exp(x), ops.squeeze(ops.expand_dims(x, 1), 1) ** 2)
    z = ops.einsum("bij,bkj->bik", given, given) @ ops.softmax(given, axis=1)
    return Model(given, [ops.max(y, axis=(1, 2)), ops.clip(z, -0.5, 0.5), ops.sqrt(ops.abs(ops.sin(z)))])


def dictionary() -> Any:
    given = {"a": Input((4,), name="a"), "b": Input((4,), name="b")}
    return Model(given, {"sum": L.Add()([given["a"], given["b"]]), "dense": L.Dense(2)(given["b"])})


def codes_as_floats() -> Any:
    given = Input((6,), name="codes")
    return Model(given, L.Embedding(9, 4)(given))
