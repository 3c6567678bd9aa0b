"""Layers compiled for every kind of processor and run on operands, with nothing readable beyond them."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinsmith.compiler.backends.native.build import compile_and_link
from tinsmith.compiler.backends.native.networks import kernels
from tinsmith.compiler.backends.native.networks.kernels.activation import RELU, Activation
from tinsmith.compiler.backends.native.networks.kernels.contraction import plan_convolution
from tinsmith.compiler.backends.native.networks.kernels.plan import Plan
from tinsmith.compiler.backends.native.networks.kernels.planes import NO_HALO, Halo, Plane, pixels
from tinsmith.compiler.backends.native.networks.kernels.window import Window
from tinsmith.compiler.verify import execute
from tinsmith.spec.targets import Target, devices, platforms

Floats = NDArray[np.float32]

C_FOLDER = Path(kernels.__file__).parent.parent / "c"
LINUX = platforms()["LINUX_X86_64"]
TARGETS: dict[str, Target] = {
    **{
        name: replace(LINUX, cpu=cpu, variants=())
        for name, cpu in zip(("sse2", "avx2", "avx512", "vbmi"), LINUX.variants, strict=True)
    },
    "avx": replace(LINUX, cpu="ivybridge", variants=()),
    "x86": platforms()["LINUX_X86"],
    "aarch64": platforms()["LINUX_ARM64"],
    "armv7-neon": devices()["rasp3b"],
    "armv7": platforms()["LINUX_ARM_EABIHF"],
    "armv7-soft": platforms()["LINUX_ARM_EABI"],
}


INTEGER_TARGETS: dict[str, Target] = {
    **TARGETS,
    "avx-vnni": replace(LINUX, cpu="alderlake", variants=()),
    "aarch64-dot": replace(platforms()["LINUX_ARM64"], cpu="cortex-a76"),
}


@dataclass(frozen=True)
class Layer:
    """A plan and its operands; `y` is what the output's buffer holds before."""

    plan: Plan
    x: Floats
    residual: Floats
    y: Floats
    expected: NDArray[np.float64]
    """Of the whole buffer."""
    magnitude: float
    """Of the sums before cancellation; what errors are relative to."""
    second: Floats | None = None
    """The second factor, where it is no constant."""

    tolerance: float = 2e-6
    """Largest error, as a share of `magnitude`."""

    def operands(self) -> list[Floats]:
        weights = self.plan.weights if self.second is None else self.second
        return [part.ravel() for part in (self.x, weights, self.plan.bias, self.residual, self.y)]


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> Target:
    """One of each kind of processor."""
    return TARGETS[request.param]


@pytest.fixture
def check_layers(target: Target, tmp_path: Path) -> Callable[[Sequence[Layer]], None]:
    """Runs layers on `target` and compares each buffer with what is expected, also around the output."""

    def check(layers: Sequence[Layer]) -> None:
        for layer, y in zip(layers, run_layers(layers, target, tmp_path), strict=True):
            expected = layer.expected.ravel()
            exact = (y == expected) | (np.isnan(y) & np.isnan(expected))
            error = np.where(exact, 0, np.abs(np.where(exact, 0, y) - np.where(exact, 0, expected)))
            assert error.max() <= layer.tolerance * layer.magnitude, (layer.plan.source, int(error.argmax()))

    return check


@pytest.fixture(params=INTEGER_TARGETS)
def run_bytes(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[Sequence[tuple[Plan, NDArray[Any], NDArray[Any]]]], list[NDArray[Any]]]:
    """(plan, x, what y holds before) of layers -> every y after a run on one of each kind of processor."""

    def run(layers: Sequence[tuple[Plan, NDArray[Any], NDArray[Any]]]) -> list[NDArray[Any]]:
        whole = [
            Layer(_with_words(plan), _words(x), _words(np.zeros(0)), _words(y), np.zeros(0), 0)
            for plan, x, y in layers
        ]
        found = run_layers(whole, INTEGER_TARGETS[request.param], tmp_path)
        bytes_of = (array.view(np.uint8) for array in found)
        return [
            raw[: y.nbytes].view(y.dtype).reshape(y.shape)
            for raw, (_, _, y) in zip(bytes_of, layers, strict=True)
        ]

    return run


def _words(array: NDArray[Any]) -> Floats:
    """The bytes of an array, in as many floats as hold them."""
    raw = np.frombuffer(np.ascontiguousarray(array).tobytes(), np.uint8)
    return np.pad(raw, (0, -len(raw) % 4)).view(np.float32)


def _with_words(plan: Plan) -> Plan:
    return replace(plan, weights=_words(plan.weights), bias=_words(plan.bias))


@pytest.fixture(scope="session")
def layer_of() -> type[Layer]:
    """The class Layer, which a test module cannot import."""
    return Layer


@pytest.fixture(scope="session")
def convolution() -> Callable[..., Layer]:
    """Makes a convolution: (planner, seed, size, channels, kernel ...) -> layer."""
    return make_convolution


@pytest.fixture(scope="session")
def convolve() -> Callable[..., NDArray[np.float64]]:
    """The reference: (x, w, window, groups) -> y, in float64, which holds sums of bytes exactly."""
    return reference_convolution


def run_layers(layers: Sequence[Layer], target: Target, folder: Path) -> list[Floats]:
    """The output buffers."""
    try:
        machine = execute.find_machine(target)
    except execute.NoMachine as missing:
        pytest.skip(str(missing))
    (folder / "layers.h").write_text(_header(layers))
    for source in (*C_FOLDER.glob("contract_*.h"), *(Path(__file__).parent / "c").glob("*.c")):
        shutil.copy(source, folder)
    for name in ("system.c", "system.h"):
        shutil.copy(execute.RUNNER / name, folder)
    program = folder / "layers"
    compile_and_link([folder / "layers.c", folder / "system.c"], target, program, kind="executable")
    np.concatenate([part for layer in layers for part in layer.operands()]).tofile(folder / "operands")
    done = execute.run([*machine.command, str(program), str(folder / "operands"), str(folder / "result")], {})
    if machine.command and done.returncode == -signal.SIGILL:
        pytest.skip(f"{machine.method} does not know an instruction of {target.cpu}")
    assert (done.returncode, done.stderr) == (0, b"")
    result = np.fromfile(folder / "result", np.float32)
    return np.split(result, np.cumsum([layer.y.size for layer in layers])[:-1])


def _header(layers: Sequence[Layer]) -> str:
    sources = {layer.plan.function: layer.plan.source for layer in layers}
    headers = dict.fromkeys(header for layer in layers for header in layer.plan.headers)
    rows = [_row(layer) for layer in layers]
    return "\n".join(
        [
            *(f'#include "{header}"' for header in headers),
            *sources.values(),
            f"static const Layer layers[] = {{{', '.join(rows)}}};",
        ]
    )


def _row(layer: Layer) -> str:
    sizes: Any = ", ".join(str(part.size) for part in layer.operands())
    return f"{{{layer.plan.function}, {layer.plan.items}, {layer.plan.scratch_bytes}, {{{sizes}}}}}"


def make_convolution(
    planner: Callable[..., Plan],
    seed: int,
    size: tuple[int, int],
    channels: tuple[int, int],
    kernel: tuple[int, int],
    pads: Halo = NO_HALO,
    strides: tuple[int, int] = (1, 1),
    dilations: tuple[int, int] = (1, 1),
    groups: int = 1,
    images: int = 1,
    residual: bool = False,
    close: bool = False,
    halo: Halo | None = None,
    tolerance: float = 2e-6,
    function: tuple[Activation, Callable[..., Any]] = (RELU, lambda x: np.maximum(x, 0)),
    **options: Any,
) -> Layer:
    """`close`: nothing lies around or between the pixels; `halo`: of the input, if more than `pads`."""
    window = Window(strides, dilations, pads)
    into, out = channels
    wider = pads if close else Halo(pads.top + 1, pads.left, pads.bottom, pads.right + 2)
    x = Plane(images, *size, into, halo or wider, None if close else into + 3 * (into % 2))
    shape = (images, *window.output(size, kernel))
    y = Plane(*shape, out) if close else Plane(*shape, out, Halo(1, 0, 2, 3), out + 5, first_channel=4)
    other = Plane(*shape, out, Halo(0, 1, 0, 0))
    data, w = _draw(seed, images, *size, into), _draw(seed + 1, out, into // groups, *kernel)
    bias, added = _draw(seed + 2, out), _draw(seed + 3, *shape, out)
    more = {**options, "residual": other} if residual else options
    more = more | ({"groups": groups} if planner is plan_convolution else {})
    plan = planner(x, y, w, bias, window=window, activation=function[0], **more)
    buffer = np.full(y.floats, 77, np.float32)
    expected = buffer.astype(np.float64)
    sums = reference_convolution(data, w, window, groups) + bias + (added if residual else 0)
    pixels(y, expected)[...] = function[1](sums)
    operands = np.zeros(x.floats, np.float32), np.full(other.floats, 55, np.float32)
    pixels(x, operands[0])[...] = data
    pixels(other, operands[1])[...] = added
    return Layer(plan, *operands, buffer, expected, 3 * np.sqrt(w[0].size) + 1, None, tolerance)


def _draw(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def reference_convolution(
    x: NDArray[Any], w: NDArray[Any], window: Window, groups: int
) -> NDArray[np.float64]:
    pads, (down, across) = window.pads, window.strides
    images, height, width, _ = x.shape
    out, depth, high, wide = w.shape
    height, width = window.output((height, width), (high, wide))
    x = np.pad(x, ((0, 0), (pads.top, pads.bottom), (pads.left, pads.right), (0, 0)))
    split = x.reshape(*x.shape[:3], groups, depth).astype(np.float64)
    kernel = w.reshape(groups, out // groups, depth, high, wide).astype(np.float64)
    y = np.zeros((images, height, width, groups, out // groups))
    for i, j in np.ndindex(high, wide):
        part = split[:, i * window.dilations[0] :: down, j * window.dilations[1] :: across]
        y += np.einsum("nhwgc,goc->nhwgo", part[:, :height, :width], kernel[..., i, j])
    return y.reshape(images, height, width, out)
