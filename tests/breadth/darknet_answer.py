"""`python darknet_answer.py CFG WEIGHTS PICTURE.npy ANSWERS.npz LAYER...`: what Darknet itself computes.

ANSWERS.npz gets the output of every LAYER, a number of Darknet's, as it lies there. In a process of its own,
as Darknet exits at errors.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np

LIBRARY = "/usr/lib/darknet/libdarknet.so"
"""Of Debian's package darknet."""


class Image(ctypes.Structure):
    """As Darknet declares it."""

    _fields_ = (
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("channels", ctypes.c_int),
        ("data", ctypes.POINTER(ctypes.c_float)),
    )


def main(cfg: str, weights: str, picture: str, answers: str, *layers: str) -> None:
    """Loads, computes, writes."""
    library = ctypes.CDLL(LIBRARY)
    library.load_network.restype = ctypes.c_void_p
    library.load_network.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int]
    library.network_predict.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_float)]
    library.get_network_image_layer.restype = Image
    library.get_network_image_layer.argtypes = [ctypes.c_void_p, ctypes.c_int]
    network = library.load_network(cfg.encode(), weights.encode(), 0)
    data = np.load(picture)
    library.network_predict(network, data.ctypes.data_as(ctypes.POINTER(ctypes.c_float)))
    found: dict[str, Any] = {}
    for layer in layers:
        image = library.get_network_image_layer(network, int(layer))
        shape = (1, image.channels, image.height, image.width)
        found[layer] = np.ctypeslib.as_array(image.data, shape=(int(np.prod(shape)),)).reshape(shape).copy()
    np.savez(answers, allow_pickle=False, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
