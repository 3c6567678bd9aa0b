"""Darknet's networks, all of their layers with a quarter of the filters; `make breadth` has them whole."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.breadth.darknet import recorded
from tests.breadth.darknet_networks import NETWORKS
from tests.breadth.runner import Entry, compile_and_run, judge, read_and_run


@pytest.mark.parametrize("name", NETWORKS)
def test_read_like_darknet(name: str, tmp_path: Path) -> None:
    outcome = judge(Entry("DARKNET", name, "cfg", partial(recorded, name)), tmp_path, read_and_run)
    assert outcome.agrees, outcome.text


def test_compiled_like_darknet(tmp_path: Path) -> None:
    entry = Entry("DARKNET", "yolov3-tiny", "cfg", partial(recorded, "yolov3-tiny"))
    outcome = judge(entry, tmp_path, compile_and_run)
    assert outcome.agrees, outcome.text
