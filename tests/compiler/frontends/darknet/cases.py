"""Small networks, every kind of layer among them, that Darknet itself has computed: see record.py."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RECORDED = Path(__file__).parent / "recorded.npz"
WEIGHTS = 8000
"""Numbers in each weights file, more than any of the networks takes."""

ACTIVATIONS = [
    "linear",
    "logistic",
    "loggy",
    "relu",
    "elu",
    "selu",
    "relie",
    "ramp",
    "leaky",
    "tanh",
    "plse",
    "stair",
    "hardtan",
    "lhtan",
]


def image(text: str, height: int = 9, width: int = 9, channels: int = 3) -> str:
    """A cfg of one picture. `;` ends a line, `[` begins a section."""
    return _lines(f"[net];batch=1;height={height};width={width};channels={channels};" + text)


def row(text: str, inputs: int = 6, steps: int = 1) -> str:
    """A cfg of rows."""
    return _lines(f"[net];batch=1;inputs={inputs};time_steps={steps};" + text)


def _lines(text: str) -> str:
    return text.replace(";", "\n").replace(" [", "\n[") + "\n"


CONV = "[convolutional];filters=8;size=3;stride=1;pad=1;activation=linear"
SMALL = "[convolutional];filters=4;size=3;stride=2;pad=1;activation=linear"
CASES = {
    **{
        f"activation {name}": image(f"[convolutional];filters=4;size=3;pad=1;activation={name}")
        for name in ACTIVATIONS
    },
    "convolution default activation": image("[convolutional];filters=5;size=3;stride=2"),
    "convolution of groups": image(
        f"{CONV} [convolutional];filters=6;groups=2;size=3;padding=1;activation=leaky;batch_normalize=1"
    ),
    "convolution by its short name": image("[conv];filters=2;size=5;stride=3;pad=1;activation=relu"),
    "convolution of flipped weights": image("[conv];filters=4;size=3;flipped=1;activation=linear"),
    "batch normalisation": image("[convolutional];batch_normalize=1;filters=7;size=1;activation=leaky"),
    "batch normalisation without scales": image(
        "[convolutional];batch_normalize=1;dontloadscales=1;filters=7;size=1;activation=leaky"
    ),
    "batchnorm": image(f"{CONV} [batchnorm] [activation];activation=leaky"),
    "connected": row("[connected];output=5;activation=tanh [conn];output=3;activation=linear"),
    "connected default activation": image("[connected];output=5", 3, 3, 2),
    "connected with batch normalisation": row("[connected];output=5;batch_normalize=1;activation=leaky"),
    "convolution of a connected layer": row(
        "[connected];output=5;activation=linear [convolutional];filters=3;size=1;activation=linear"
    ),
    "local": image("[local];filters=3;size=3;stride=1;pad=1;activation=leaky", 5, 6),
    "local without padding": image("[local];filters=2;size=3;stride=2;activation=relu", 7, 5),
    "maxpool": image("[maxpool];size=2;stride=2"),
    "maxpool odd": image("[maxpool];size=3;stride=2", 8, 7),
    "maxpool of stride 1": image("[maxpool];size=2;stride=1"),
    "maxpool wide": image("[max];size=5;stride=1"),
    "maxpool with padding": image("[maxpool];size=3;stride=2;padding=1", 8, 8),
    "maxpool without padding": image("[maxpool];size=2;stride=2;padding=0"),
    "avgpool": image(f"{CONV} [avgpool]"),
    "route": image(f"{CONV} {SMALL} [route];layers=-2 [maxpool];size=2;stride=2 [route];layers=-1,1"),
    "route of rows": image(f"{SMALL} [route];layers=0 [convolutional];filters=2;size=1 [route];layers=0,2"),
    "route of several sizes": image(f"{CONV} {SMALL} [route];layers=0,1"),
    "shortcut": image(f"{CONV} {CONV} [shortcut];from=-2;activation=leaky"),
    "shortcut scaled": image(f"{CONV} {CONV} [shortcut];from=0;alpha=0.5;beta=2;activation=linear"),
    "shortcut of fewer channels": image(
        f"[conv];filters=3;activation=linear {CONV} [shortcut];from=0;activation=linear"
    ),
    "shortcut of more channels": image(
        f"{CONV} [conv];filters=3;activation=linear [shortcut];from=0;alpha=0.25;activation=relu"
    ),
    "shortcut from a larger picture": image(f"{CONV} {SMALL} [shortcut];from=0;activation=linear", 8, 8),
    "shortcut from a smaller picture": image(
        f"{SMALL} [upsample];stride=2 {CONV} [shortcut];from=0;alpha=0.5;activation=linear", 8, 8
    ),
    "upsample": image("[upsample];stride=2", 3, 4),
    "upsample scaled": image("[upsample];stride=3;scale=0.5", 3, 4),
    "upsample backwards": image("[upsample];stride=-2", 6, 4),
    "reorg": image(f"{CONV} [reorg];stride=2", 6, 4),
    "reorg reversed": image(f"{CONV} [reorg];stride=2;reverse=1", 3, 4),
    "reorg of three": image("[conv];filters=9;activation=linear [reorg];stride=3", 6, 9),
    "reorg flattened": image(f"{CONV} [reorg];stride=1;flatten=1", 3, 4),
    "crop": image("[crop];crop_height=5;crop_width=6"),
    "crop without adjustment": image("[crop];crop_height=4;crop_width=9;noadjust=1"),
    "normalization": image(f"{CONV} [normalization];size=5;alpha=0.1;beta=0.75;kappa=2"),
    "lrn by default": image(f"{CONV} [lrn]"),
    "normalization of an even size": image(f"{CONV} [normalization];size=4;alpha=0.3;beta=0.5;kappa=9"),
    "l2norm": image(f"{CONV} [l2norm]"),
    "softmax": row("[softmax]"),
    "softmax of groups": row("[softmax];groups=3;temperature=2"),
    "softmax of a picture": image("[soft];groups=1", 2, 2),
    "logistic": row("[logistic]"),
    "dropout": image(f"{CONV} [dropout];probability=.5 [conv];filters=2;activation=leaky"),
    "cost": row("[connected];output=5;activation=linear [softmax] [cost];type=sse"),
    "yolo": image(
        "[conv];filters=24;size=1;activation=linear [yolo];mask=1,2,3;classes=3;num=6;anchors=1,2,3,4", 4, 5
    ),
    "yolo of all anchors": image("[conv];filters=14;size=1;activation=linear [yolo];classes=2;num=2", 3, 3),
    "region": image(
        "[conv];filters=20;size=1;activation=linear [region];classes=5;num=2;coords=4;softmax=1", 4, 5
    ),
    "region of logistic classes": image(
        "[conv];filters=16;size=1;activation=linear [region];classes=3;num=2;coords=4;softmax=0", 3, 3
    ),
    "region with background": image(
        "[conv];filters=16;size=1;activation=linear [region];classes=3;num=2;softmax=1;background=1", 3, 3
    ),
    "detection": row(
        "[connected];output=52;activation=linear [detection];side=2;classes=3;num=2;coords=4;softmax=1"
    ),
    "detection without softmax": row(
        "[connected];output=52;activation=linear [detection];side=2;classes=3;num=2;coords=4"
    ),
    "iseg": image("[conv];filters=6;size=1;activation=linear [iseg];classes=2;ids=4", 3, 4),
    "rnn": row("[rnn];output=5;activation=tanh", steps=3),
    "rnn with batch normalisation": row("[rnn];output=5;batch_normalize=1;activation=relu"),
    "rnn with a shortcut": row("[rnn];output=5;shortcut=1;activation=leaky", steps=4),
    "gru": row("[gru];output=4", steps=3),
    "gru of tanh": row("[gru];output=4;tanh=1", steps=3),
    "lstm": row("[lstm];output=4", steps=3),
    "lstm and softmax": row("[lstm];output=4 [connected];output=3;activation=linear [softmax]", steps=2),
    "crnn": _lines(
        "[net];batch=1;time_steps=3;height=4;width=5;channels=2;"
        "[crnn];hidden_filters=3;output_filters=4;activation=leaky"
    ),
}


CRASHES = {"batchnorm", "crnn", "iseg", "local", "local without padding"}
"""They end Debian's Darknet by a fault of its memory; test_convert.py computes such layers by hand."""


def weights(name: str, version: tuple[int, int] = (0, 2)) -> bytes:
    """A weights file for the case `name`: all numbers are positive, as variances are."""
    major, minor = version
    header = struct.pack("<3i", major, minor, 5)
    header += struct.pack("<q" if major * 10 + minor >= 2 and minor < 1000 else "<i", 64)
    numbers = np.random.default_rng(len(name)).uniform(0.02, 0.6, WEIGHTS)
    return header + numbers.astype("<f4").tobytes()


def picture(shape: tuple[int, ...], name: str) -> NDArray[np.float32]:
    """The input of the case `name`."""
    return np.random.default_rng(len(name) + 1).normal(size=shape).astype(np.float32)
