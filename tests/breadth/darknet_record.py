"""Lets Darknet compute the small forms of its networks and writes what it gives to darknet.npz.

    apt-get install darknet && python -m tests.breadth.darknet_record

Made with Debian's darknet 0.0.0+git20180914.61c9d02e-2+b4.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.breadth.darknet import RECORDED, SMALL, build
from tests.breadth.darknet_networks import NETWORKS


def main() -> None:
    """All networks."""
    found: dict[str, NDArray[Any]] = {}
    for name in NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            built = build(name, folder=Path(folder), **SMALL)  # type: ignore[arg-type]
        found |= {f"{name}/{number}": np.asarray(array) for number, array in enumerate(built.expected)}
    np.savez_compressed(RECORDED, allow_pickle=False, **found)


if __name__ == "__main__":
    main()
