from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import tinsmith_runtime
from tinsmith_runtime import ArtifactError, InputError, Manifest, Model, PredictionError, Tensor
from tinsmith_runtime.networks import element_dtype

Arrays = dict[str, np.ndarray[Any, Any]]

SOURCE = r"""
typedef __INT32_TYPE__ int32_t; typedef __INT64_TYPE__ int64_t; typedef __UINT32_TYPE__ uint32_t;
int32_t tinsmith_abi_version(void) { return 1; }
const char *tinsmith_describe(void) { return DESCRIPTION; }
/* x: float32 (2, 3), n: int64 (), flags: bool (4,), b: bfloat16 (2,)
 * sums: float64 (2,), the first plus n; positive: float32 (-1,) of x; not: bool (4,); b; where: of x. */
int32_t tinsmith_run(const void *const *in, void *const *out, int64_t *const *shapes, uint32_t flags)
{
    const float *x = in[0];
    int64_t n = *(const int64_t *)in[1], count = 0;
    double *sums = out[0];
    float *positive = out[1];
    if (n == -13)
        return 1;
    for (int row = 0; row < 2; row++)
        sums[row] = (double)x[3 * row] + x[3 * row + 1] + x[3 * row + 2];
    sums[0] += n;
    for (int i = 0; i < 6; i++)
        if (x[i] > 0)
            positive[count++] = x[i];
    for (int i = 0; i < 4; i++)
        ((char *)out[2])[i] = !((const char *)in[2])[i];
    for (int i = 0; i < 2; i++)
        ((short *)out[3])[i] = ((const short *)in[3])[i];
    *(int64_t *)out[4] = (int64_t)x;
    if (shapes && shapes[1])
        *shapes[1] = n == -14 ? 7 : count;
    return flags ? 2 : 0;
}
"""
INPUTS = (
    Tensor("x", "float32", (2, 3)),
    Tensor("n", "int64", ()),
    Tensor("flags", "bool", (4,)),
    Tensor("b", "bfloat16", (2,)),
)
OUTPUTS = (
    Tensor("sums", "float64", (2,)),
    Tensor("positive", "float32", (-1,), (6,)),
    Tensor("not", "bool", (4,)),
    Tensor("b", "bfloat16", (2,)),
    Tensor("where", "int64", ()),
)
X = np.array([[1, -2, 3], [-4, 0, 0.5]], np.float32)


def feed(**changes: Any) -> Any:
    given = {
        "x": X,
        "n": np.array(10, np.int64),
        "flags": np.array([True, False, False, True]),
        "b": np.array([1.5, np.nan], ml_dtypes.bfloat16),
    }
    return {name: value for name, value in (given | changes).items() if value is not None}


def compiled(
    folder: Path, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...], source: str = SOURCE
) -> bytes:
    description = json.dumps(
        {"inputs": [t.to_record() for t in inputs], "outputs": [t.to_record() for t in outputs]}
    )
    (folder / "network.c").write_text(f"#define DESCRIPTION {json.dumps(description)}\n{source}")
    command = [sys.executable, "-m", "ziglang", "clang", "--target=x86_64-linux-gnu", "-O1", "-ffreestanding"]
    subprocess.run([*command, "-fPIC", "-c", "network.c", "-o", "network.o"], cwd=folder, check=True)
    command = [sys.executable, "-m", "ziglang", "ld.lld", "-shared", "network.o", "-o", "compiled.so"]
    subprocess.run(command, cwd=folder, check=True)
    return (folder / "compiled.so").read_bytes()


@pytest.fixture(scope="module")
def folder(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("network")
    compiled(folder, INPUTS, OUTPUTS)
    network = replace(manifest, inputs=INPUTS, outputs=OUTPUTS, margin=None)
    (folder / "manifest").write_text(network.to_json())
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return tinsmith_runtime.load(folder)


def test_runs_tensors_of_every_kind(model: Model) -> None:
    given = feed()
    answer = model.run(given)
    assert list(answer) == [tensor.name for tensor in OUTPUTS]
    np.testing.assert_array_equal(answer["sums"], np.array([12, -3.5]), strict=True)
    np.testing.assert_array_equal(answer["positive"], np.array([1, 3, 0.5], np.float32), strict=True)
    np.testing.assert_array_equal(answer["not"], ~given["flags"], strict=True)
    assert answer["b"].dtype == ml_dtypes.bfloat16
    assert answer["b"].tobytes() == given["b"].tobytes()
    assert answer["where"].shape == ()


def test_tells_its_inputs_and_outputs(model: Model) -> None:
    assert model.inputs == INPUTS
    assert model.outputs == OUTPUTS


@pytest.mark.parametrize("sign", [1, -1])
def test_sizes_that_a_run_tells(model: Model, sign: int) -> None:
    x = np.full((2, 3), sign, np.float32)
    answer = model.run(feed(x=x))["positive"]
    assert answer.shape == ((6,) if sign > 0 else (0,))


def test_contiguous_arrays_are_read_where_they_lie(model: Model) -> None:
    assert model.run(feed())["where"] == X.ctypes.data
    spread = np.zeros((4, 6), np.float32)
    spread[::2, ::2] = X
    for other in (spread[::2, ::2], np.asfortranarray(X), X[::-1][::-1].T.copy().T):
        answer = model.run(feed(x=other))
        np.testing.assert_array_equal(answer["sums"], np.array([12, -3.5]))
        assert answer["where"] != other.ctypes.data


def test_unaligned_arrays_are_read_where_they_lie(model: Model) -> None:
    odd = np.zeros(X.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(X.shape)
    odd[...] = X
    answer = model.run(feed(x=odd))
    assert answer["where"] == odd.ctypes.data
    np.testing.assert_array_equal(answer["sums"], np.array([12, -3.5]))


def test_results_do_not_share_memory(model: Model) -> None:
    first = model.run(feed())
    model.run(feed(x=-X))
    assert first["sums"].tolist() == [12, -3.5]


def test_read_only_arrays_are_read_where_they_lie(model: Model) -> None:
    locked = X.copy()
    locked.flags.writeable = False
    assert model.run(feed(x=locked))["where"] == locked.ctypes.data


def places() -> Arrays:
    return {tensor.name: np.empty(tensor.bounds, element_dtype(tensor.dtype)) for tensor in OUTPUTS}


def test_given_arrays_take_the_outputs(model: Model) -> None:
    out = places()
    fresh = model.run(feed())
    answer = model.run(feed(), out=out)
    assert list(answer) == list(fresh)
    for name, array in fresh.items():
        assert answer[name].tobytes() == array.tobytes()
        assert (answer[name] is out[name]) is (name != "positive")  # of which only three elements are set
    np.testing.assert_array_equal(out["positive"][:3], fresh["positive"])


def test_some_arrays_take_some_outputs(model: Model) -> None:
    out = {"sums": np.empty(2)}
    answer = model.run(feed(), out=out)
    assert answer["sums"] is out["sums"]
    np.testing.assert_array_equal(answer["not"], [False, True, True, False])
    assert out["sums"].tolist() == [12, -3.5]


def test_refuses_arrays_that_cannot_take_outputs_and_tells_every_problem(model: Model) -> None:
    locked = np.empty(4, np.bool_)
    locked.flags.writeable = False
    out: Any = {"sums": np.empty(2, np.float32), "positive": np.empty(12, np.float32)[::2], "not": locked}
    out |= {"b": [1, 2], "y": X}
    with pytest.raises(InputError, match=r"^out: ") as caught:
        model.run(feed(), out=out)
    for problem in (
        "'sums': expected float64 array of shape (2,), found float32 array of shape (2,)",
        "'positive' has gaps or is read-only",
        "'not' has gaps or is read-only",
        "'b': expected bfloat16 array of shape (2,), found list",
        "'y' is no output",
    ):
        assert problem in str(caught.value)
    with pytest.raises(InputError, match="out: expected a mapping of names to arrays, found list"):
        model.run(feed(), out=[X])  # type: ignore[arg-type]


def test_outputs_share_no_memory(model: Model) -> None:
    given = feed()
    block = np.zeros(32, np.uint8)
    out = {
        "b": given["b"],
        "sums": block[:16].view(np.float64),
        "where": block[8:16].view(np.int64).reshape(()),
    }
    with pytest.raises(
        InputError, match="'b' shares memory with input 'b'; 'where' shares memory with 'sums'"
    ) as caught:
        model.run(given, out=out)
    assert "'x'" not in str(caught.value)
    out |= {"b": given["b"].copy(), "where": block[16:24].view(np.int64).reshape(())}
    assert model.run(given, out=out)["sums"] is out["sums"]


def test_scalars_of_numpy_are_arrays_without_dimensions(model: Model) -> None:
    assert model.run(feed(n=np.int64(4)))["sums"][0] == 6


@pytest.mark.parametrize(
    ("inputs", "problems"),
    [
        (feed(x=None, n=None), ["'x' is missing", "'n' is missing"]),
        (feed(y=X), ["'y' is no input"]),
        (
            feed(x=X.astype(np.float64), n=np.array([1]), y=X, b=None),
            [
                "'x' is a float64 array of shape (2, 3)",
                "'n' is a int64 array of shape (1,)",
                "'y' is no input",
                "'b' is missing",
            ],
        ),
        (feed(x=X.astype(">f4")), ["'x' is a >f4 array of shape (2, 3)"]),
        (feed(x=X.T), ["'x' is a float32 array of shape (3, 2)"]),
        (feed(flags=np.ones(4, np.uint8)), ["'flags' is a uint8 array of shape (4,)"]),
        (feed(b=np.zeros(2, np.uint16)), ["'b' is a uint16 array of shape (2,)"]),
        (feed(n=3, x=X.tolist()), ["'x' is a list", "'n' is a int"]),
        (X, ["found ndarray"]),
        (None, ["found NoneType"]),
        ([X], ["found list"]),
    ],
)
def test_refuses_other_inputs_and_tells_every_problem(model: Model, inputs: Any, problems: list[str]) -> None:
    with pytest.raises(
        InputError, match=re.escape("{'x': float32 array of shape (2, 3), 'n': int64")
    ) as caught:
        model.run(inputs)
    for problem in problems:
        assert problem in str(caught.value)


def test_networks_have_no_margin(model: Model) -> None:
    with pytest.raises(ValueError, match="only tree models"):
        model.run(feed(), margin=True)


def test_reports_what_the_library_reports(model: Model) -> None:
    with pytest.raises(PredictionError, match="tinsmith_run: out of memory"):
        model.run(feed(n=np.array(-13)))
    with pytest.raises(
        PredictionError, match=r"output 'positive' has shape \(7,\), expected \(-1,\) of at most \(6,\)"
    ):
        model.run(feed(n=np.array(-14)))


def test_many_threads_at_once(model: Model) -> None:
    failures = []

    def work(seed: int) -> None:
        x = np.random.RandomState(seed).randn(2, 3).astype(np.float32)
        for _ in range(200):
            answer = model.run(feed(x=x))
            if not np.array_equal(answer["positive"], x[x > 0]):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"inputs": INPUTS[:3]}, "b: bfloat16 [2]; its manifest says x: float32 [2, 3], n: int64 [], flags"),
        ({"outputs": (replace(OUTPUTS[1], largest=(5,)), *OUTPUTS[1:])}, "of at most [5]"),
        ({"margin": Tensor("margin", "float32", (-1,))}, "a network, its manifest tells of a tree model"),
    ],
)
def test_library_and_manifest_must_agree(folder: Path, tmp_path: Path, changes: Any, text: str) -> None:
    manifest = Manifest.from_json((folder / "manifest").read_text())
    (tmp_path / "compiled.so").write_bytes((folder / "compiled.so").read_bytes())
    (tmp_path / "manifest").write_text(replace(manifest, **changes).to_json())
    with pytest.raises(ArtifactError, match=re.escape(text)):
        tinsmith_runtime.load(tmp_path)


def test_a_tree_model_needs_its_own_manifest(make_artifact: Callable[..., Path]) -> None:
    with pytest.raises(ArtifactError, match="a tree model, its manifest tells of a network"):
        tinsmith_runtime.load(make_artifact(margin=None))


def test_an_input_alone(manifest: Manifest, tmp_path: Path) -> None:
    fake = "static long long n; static char f[4]; static const void *const fake[] = {0, &n, f, f};\n"
    source = fake + SOURCE.replace("const float *x = in[0];", "const float *x = in[0]; in = fake;")
    inputs, outputs = INPUTS[:1], OUTPUTS
    library = compiled(tmp_path, inputs, outputs, source)
    (tmp_path / "compiled.so").write_bytes(library)
    network = replace(manifest, inputs=inputs, outputs=outputs, margin=None)
    (tmp_path / "manifest").write_text(network.to_json())
    model = tinsmith_runtime.load(tmp_path)
    assert model.run(X)["sums"].tolist() == model.run({"x": X})["sums"].tolist() == [2, -3.5]


def test_element_types() -> None:
    assert element_dtype("float16") == np.float16
    assert element_dtype("bool") == np.bool_
    assert element_dtype("float8_e4m3fn") == ml_dtypes.float8_e4m3fn


def test_without_ml_dtypes_elements_are_their_bits(folder: Path) -> None:
    program = (
        "import sys; sys.modules['ml_dtypes'] = None\n"
        "import numpy as np, tinsmith_runtime as t\n"
        "from tinsmith_runtime.networks import element_dtype as e\n"
        "assert [e(n) for n in ('bfloat16', 'float8_e5m2', 'int4', 'uint4', 'float32')] == "
        "['uint16', 'uint8', 'int8', 'uint8', 'float32']\n"
        f"m = t.load({str(folder)!r})\n"
        "b = np.array([0x3fc0, 0x7fc0], np.uint16)\n"
        "x, n, f = np.ones((2, 3), np.float32), np.array(1), np.zeros(4, bool)\n"
        "assert m.run({'x': x, 'n': n, 'flags': f, 'b': b})['b'].tolist() == b.tolist()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
