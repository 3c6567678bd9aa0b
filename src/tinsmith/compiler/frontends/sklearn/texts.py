"""Columns of text: the artifact's input takes numbers for them, and the DataTransform of compiled.meta tells
which number stands for which text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tinsmith.compiler.frontends.sklearn.estimator import Estimator, unsupported
from tinsmith.compiler.frontends.sklearn.tensor import Tensor


def number_texts(estimator: Estimator, x: Tensor, index: int, texts: Sequence[str]) -> NDArray[np.float64]:
    """The numbers that stand for `texts` in column `index` of `x`, which must be a column of the input."""
    if len(x.sources) <= index:
        raise unsupported(
            estimator,
            f"its column {index} holds text such as {texts[0]!r:.60}, and another transformer stands before "
            "it; text is compiled where it comes straight from the input",
        )
    known = x.sources[index]
    return np.array([float(known.setdefault(text, len(known))) for text in texts])
