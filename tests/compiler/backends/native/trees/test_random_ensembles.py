"""Random ensembles: no kernel differs from the reference in any bit.

HYPOTHESIS_EXAMPLES says how many are tried; without it a few, always the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.trees import emit as emit_module
from tinsmith.compiler.ir.model import Model
from tinsmith.compiler.ir.reference import evaluate
from tinsmith.spec.targets import Target

EXAMPLES = os.environ.get("HYPOTHESIS_EXAMPLES")

SHAPES = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "features": st.sampled_from([1, 2, 3, 5, 9, 40]),
        "outputs": st.sampled_from([1, 1, 2, 3, 7]),
        "trees": st.sampled_from([1, 2, 5, 8, 9, 17, 40, 70]),
        "depth": st.integers(0, 9),
        "stop": st.sampled_from([0.0, 0.1, 0.25, 0.45]),
        "wide": st.booleans(),
        "vector": st.booleans(),
        "categories": st.sampled_from([0.0, 0.0, 0.3]),
        "encoded": st.booleans(),
        "cuts": st.sampled_from([0, 12, 300]),
    }
)
UNBALANCED = {"depth": 30, "stop": 0.42}
DEEP = {"depth": 13, "stop": 0.06, "trees": 9}


@pytest.fixture(scope="module", autouse=True)
def quick_compilation() -> Iterator[None]:
    """Less optimisation: these tests are about tables and logic, and compile a library per example."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emit_module, "OPTIMIZATION", "-O1")
        yield


@settings(
    max_examples=int(EXAMPLES or 60),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    derandomize=EXAMPLES is None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    shape=SHAPES,
    change=st.sampled_from([{}, {}, {}, UNBALANCED, DEEP]),
    isa=st.sampled_from(["sse2", "sse2", "avx2", "avx512", "vbmi", "vbmi"]),
    batch=st.sampled_from([1, 2, 16, 17, 63, 64, 65, 129, 257, 511, 513, 600]),
)
def test_margins(
    shape: dict[str, Any],
    change: dict[str, Any],
    isa: str,
    batch: int,
    workshop: Any,
    processors: dict[str, Target],
    random_model: Callable[..., Model],
    rows_for: Callable[..., NDArray[np.float32]],
    shape_of: Any,
) -> None:
    target = processors.get(isa, processors["sse2"])
    model = random_model(shape_of(**{**shape, **change}))
    rows = rows_for(model, batch, shape["seed"])
    expected = evaluate(model, rows).margin
    library, program = workshop.compile(model, target)
    for kernel in program.facts["kernels"]:
        got = workshop.load(library, "", kernel)(rows)
        equal = (got.view(np.uint8) == expected.view(np.uint8)).reshape(batch, -1).all(axis=1)
        equal |= (np.isnan(got) & np.isnan(expected)).any(axis=1)
        assert got.dtype == expected.dtype
        assert equal.all(), (kernel, isa, np.flatnonzero(~equal))
    workshop.discard(library)
