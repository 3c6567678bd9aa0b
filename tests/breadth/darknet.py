"""Darknet's YOLO networks at full size, computed by Darknet itself."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from functools import partial
from pathlib import Path

import numpy as np

from tests.breadth.darknet_answer import LIBRARY
from tests.breadth.darknet_networks import NETWORKS, Cfg, network, picture, weights
from tests.breadth.runner import Array, Built, Entry, Unbuilt

SIZE = 416
SMALL = {"size": 96, "classes": 3, "share": 0.25}
"""Of the networks that RECORDED has: every layer is there, with a quarter of its filters."""
RECORDED = Path(__file__).with_name("darknet.npz")
"""What Darknet gave for them; see darknet_record.py."""
TOLERANCE = 1e-4
"""Of the largest number: Darknet adds up in float32, one after the other."""


def build(name: str, folder: Path, size: int = SIZE, classes: int = 80, share: float = 1.0) -> Built:
    """Raises Unbuilt where Darknet is not installed."""
    if not Path(LIBRARY).exists():
        raise Unbuilt("Darknet is not installed: run `sh tools/system-packages.sh darknet`")
    cfg = network(name, size, classes, share)
    write(cfg, folder)
    np.save(folder / "model.npy", picture(size))
    command = [sys.executable, str(Path(__file__).with_name("darknet_answer.py"))]
    command += [str(folder / f"model.{each}") for each in ("cfg", "weights", "npy", "npz")]
    subprocess.run([*command, *map(str, cfg.heads)], check=True, capture_output=True, timeout=1800)
    with np.load(folder / "model.npz") as found:
        return packed(cfg, folder, [found[str(head)] for head in cfg.heads])


def recorded(name: str, folder: Path) -> Built:
    """The small form of a network, with what Darknet gave for it when it was recorded."""
    cfg = network(name, **SMALL)  # type: ignore[arg-type]
    write(cfg, folder)
    with np.load(RECORDED) as found:
        return packed(cfg, folder, [found[f"{name}/{number}"] for number in range(len(cfg.heads))])


def write(cfg: Cfg, folder: Path) -> None:
    """Both files."""
    (folder / "model.cfg").write_text(cfg.text)
    with (folder / "model.weights").open("wb") as file:
        file.writelines(weights(cfg))


def packed(cfg: Cfg, folder: Path, expected: list[Array]) -> Built:
    """The files in one; those themselves are gone then."""
    with tarfile.open(folder / "model.tar", "w") as tar:
        for path in (folder / "model.cfg", folder / "model.weights"):
            tar.add(path, path.name)
            path.unlink()
    x = picture(cfg.width)
    return Built(folder / "model.tar", json.dumps({"data": list(x.shape)}), {"data": x}, expected, TOLERANCE)


ENTRIES = [Entry("DARKNET", name, f"cfg-{SIZE}", partial(build, name)) for name in NETWORKS]
