# mypy: ignore-errors
"""Loops and branches, recurrent layers, numbers rounded to steps."""

from __future__ import annotations

import tensorflow as tf

from forms.registry import case, real

raw = tf.raw_ops


def quantisation():
    x = real(3, 4, low=-8, high=8)
    case("FakeQuantArgs", lambda x: tf.quantization.fake_quant_with_min_max_args(x, -3, 5), x)
    case("FakeQuantVars", lambda x: tf.quantization.fake_quant_with_min_max_vars(x, -3.3, 5.1, 8, True), x)
    case(
        "FakeQuantChannels",
        lambda x: tf.quantization.fake_quant_with_min_max_vars_per_channel(
            x, [-1.0, -2, -3, 0], [1.0, 5, 3, 4]
        ),
        x,
    )
    case(
        "QuantizeAndDequantize",
        lambda x: raw.QuantizeAndDequantizeV2(input=x, input_min=-4.0, input_max=3.0, range_given=True),
        x,
    )


def control():
    def loop(x):
        return tf.while_loop(
            lambda i, s: i < 4, lambda i, s: (i + 1, s * 1.5 + tf.cast(i, tf.float32)), [0, x]
        )[1]

    def until(x):
        return tf.while_loop(lambda s: tf.reduce_sum(s) < 50.0, lambda s: s * 1.5, [x])[0]

    def history(x):
        array = tf.TensorArray(tf.float32, 5)
        _, state, array = tf.while_loop(
            lambda i, s, a: i < 4, lambda i, s, a: (i + 1, s * 0.5, a.write(i, s + 1.0)), [0, x, array]
        )
        return array.stack(), state

    def backwards(x):
        array = tf.TensorArray(tf.float32, 4).unstack(x)
        out = tf.TensorArray(tf.float32, 4)
        _, _, out = tf.while_loop(
            lambda i, s, o: i >= 0, lambda i, s, o: (i - 1, s + array.read(i), o.write(i, s)), [3, x[0], out]
        )
        return out.stack()

    def branch(x):
        return tf.cond(tf.reduce_sum(x) > 0, lambda: x * 2.0, lambda: x - 1.0)

    def nested(x):
        def inner(i, s):
            return i + 1, tf.while_loop(lambda j, t: j < i, lambda j, t: (j + 1, t + 1.0), [0, s])[1]

        return tf.while_loop(lambda i, s: i < 3, inner, [0, x])[1]

    x = real(3, low=0.5)
    for kind, lowered in (("functions", False), ("frames", True)):
        case(f"loop {kind}", loop, x, lowered=lowered)
        case(f"until {kind}", until, x, lowered=lowered)
        case(f"history {kind}", history, x, lowered=lowered)
        case(f"backwards {kind}", backwards, real(4, 3), lowered=lowered)
        case(f"branch {kind}", branch, x, lowered=lowered)
        case(f"other branch {kind}", branch, -x, lowered=lowered)
        case(f"nested {kind}", nested, x, lowered=lowered)


def layers():
    import keras

    for name, layer in (
        ("LSTM", keras.layers.LSTM(3, return_sequences=True, bias_initializer="glorot_normal")),
        ("GRU", keras.layers.GRU(3, bias_initializer="ones")),
        ("RNN", keras.layers.SimpleRNN(3, go_backwards=True)),
        ("Bidirectional", keras.layers.Bidirectional(keras.layers.LSTM(2, return_sequences=True))),
    ):
        data = real(2, 5, 4)
        layer(data)
        for kind, lowered in (("functions", False), ("frames", True)):
            case(f"{name} {kind}", lambda x, layer=layer: layer(x), data, lowered=lowered)
    attention = keras.layers.MultiHeadAttention(2, 3)
    attention(real(1, 4, 6), real(1, 4, 6))
    case("attention", lambda x: attention(x, x), real(1, 4, 6))
    normal = keras.layers.LayerNormalization()
    normal(real(2, 4))
    case("LayerNormalization", lambda x: normal(x), real(2, 4))
    separable = keras.layers.SeparableConv2D(5, 3, padding="same")
    separable(real(1, 6, 6, 3))
    case("SeparableConv2D", lambda x: separable(x), real(1, 6, 6, 3))
