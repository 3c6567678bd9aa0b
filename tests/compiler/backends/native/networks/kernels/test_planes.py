from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinsmith.compiler.backends.native.networks.kernels.planes import Halo, Plane, pixels
from tinsmith.errors import InternalError

SIDES = st.builds(Halo, *[st.integers(0, 3)] * 4)


@given(SIDES, st.integers(1, 3), st.integers(1, 4), st.integers(0, 2), st.integers(0, 2))
def test_steps_lead_to_the_pixels(halo: Halo, images: int, side: int, before: int, after: int) -> None:
    plane = Plane(images, side, side + 1, 2, halo, before + 2 + after, before)
    buffer = np.arange(plane.floats)
    view = pixels(plane, buffer)
    assert view.shape == (images, side, side + 1, 2)
    for image, row, column, channel in np.ndindex(view.shape):
        offset = plane.start + image * plane.image + row * plane.row + column * plane.pixel + channel
        assert view[image, row, column, channel] == offset


def test_adjoining() -> None:
    assert Plane(2, 3, 4, 5).images_adjoin
    assert Plane(2, 3, 4, 5, buffer_channels=7).images_adjoin
    assert Plane(2, 3, 4, 5, Halo(top=1)).rows_adjoin
    assert not Plane(2, 3, 4, 5, Halo(top=1)).images_adjoin
    assert not Plane(2, 3, 4, 5, Halo(right=1)).rows_adjoin


def test_covers() -> None:
    assert Halo(1, 2, 3, 4).covers(Halo(1, 2, 3, 4))
    assert not Halo(1, 2, 3, 4).covers(Halo(1, 2, 3, 5))
    assert not Halo(9, 2, 9, 9).covers(Halo(1, 3, 1, 1))


@pytest.mark.parametrize(
    "sizes", [{"images": 0}, {"width": 0}, {"buffer_channels": 4}, {"buffer_channels": 6, "first_channel": 2}]
)
def test_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(InternalError, match="no image inside a buffer"):
        Plane(**{"images": 1, "height": 2, "width": 3, "channels": 5} | sizes)  # type: ignore[arg-type]
