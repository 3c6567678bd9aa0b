from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tinsmith.compiler.artifact.archive import file_digest, write_archive
from tinsmith.compiler.artifact.inspect import read_files
from tinsmith.compiler.artifact.package import package
from tinsmith.compiler.backends.native.program import Program
from tinsmith.compiler.ir.network import Network
from tinsmith.compiler.verify.evidence import collect
from tinsmith.compiler.verify.networks import trial
from tinsmith.compiler.verify.networks.examples import Examples
from tinsmith.compiler.verify.networks.inputs import KINDS
from tinsmith.compiler.verify.networks.trial import NetworkVerification
from tinsmith.compiler.verify.verify import reverify, verify
from tinsmith.errors import ClientError, InternalError
from tinsmith.spec.request import CompileRequest, TargetPlatform
from tinsmith.spec.targets import Target, devices, platforms

REQUEST = CompileRequest("ONNX", "model", platform=TargetPlatform("LINUX", "X86_64"))

Pack = Callable[..., Path]


@pytest.fixture
def plain(x86_64: Target) -> Target:
    """This machine, one variant."""
    return replace(x86_64, variants=())


@pytest.fixture
def pack(network: Network, compile_network: Callable[..., Program], tmp_path: Path) -> Pack:
    """Packs a library that answers like `network`, unless it misbehaves."""

    def pack(target: Target, misbehave: str = "") -> Path:
        program = compile_network(network, target, tmp_path, misbehave)
        library = tmp_path / target.library
        evidence = collect(network)
        return package(REQUEST, network, target, library, evidence, tmp_path, None, program).path

    return pack


def test_a_network_is_executed_here(network: Network, pack: Pack, plain: Target, tmp_path: Path) -> None:
    verification = verify(pack(plain), network, plain, tmp_path)
    assert verification.executed
    assert verification.method == "native"
    assert verification.dlr
    assert verification.runs == KINDS
    assert "float64" in (verification.reference or "")
    assert [output.arithmetic for output in verification.outputs] == [
        "float32",
        "float16",
        "float32",
        "float32",
    ]
    assert [output.name for output in verification.outputs] == ["scores", "rows", "kept", "found"]
    assert [output.max_absolute_error for output in verification.outputs[1:]] == [0, 0, 0]
    assert verification.outputs[0].max_relative_error < 1e-6
    assert verification.latency_microseconds is not None
    assert verification.latency_microseconds_all_threads is not None
    assert not list(tmp_path.glob("verify-*"))


@pytest.mark.parametrize("name", ["LINUX_ARM64", "LINUX_ARM_EABIHF", "LINUX_X86", "x86_win32", "x86_win64"])
def test_and_on_other_machines(network: Network, pack: Pack, name: str, tmp_path: Path) -> None:
    target = replace({**platforms(), **devices()}[name], variants=())
    verification = verify(pack(target), network, target, tmp_path)
    assert verification.executed
    assert verification.dlr
    assert verification.latency_microseconds is None
    emulated = target.arch in ("aarch64", "arm")
    assert (verification.method != "native") == emulated
    assert verification.runs == (KINDS[:2] if emulated else KINDS)


@pytest.mark.parametrize(
    ("misbehave", "text"),
    [
        pytest.param(
            "if (at(x, 0) > 10 || at(x, 0) < -10) ((float *)outputs[0])[3] *= 1.5f;",
            r"large inputs: output 'scores': 1 of 4 elements are wrong: at \[1, 1\] expected .*, found",
            id="one number",
        ),
        pytest.param("((char *)outputs[2])[1] ^= 1;", r"output 'kept': .* at \[1\] expected", id="bool"),
        pytest.param(
            "if (found > 1) ((int64_t *)outputs[3])[1] += 1;", "output 'found': 1 of 12", id="integer"
        ),
        pytest.param(
            "if (found) { shapes[3][1]--; }", r"output 'found': shape \(2, 5\), expected \(2, 6\)", id="size"
        ),
        pytest.param("shapes[3][1] = 7;", r"output 'found' has shape \(2, 7\), not", id="too large"),
        pytest.param("if (!found) return TINSMITH_NO_MEMORY;", "run 2: status 1", id="fails"),
        pytest.param("((volatile char *)outputs[3])[96] = 1;", "SIGSEGV", id="writes past an output"),
        pytest.param("volatile char c = ((const char *)inputs[1])[32]; (void)c;", "SIGSEGV", id="reads past"),
        pytest.param('((float *)outputs[0])[0] = __builtin_nanf("");', "found nan", id="no number"),
    ],
)
def test_one_wrong_answer_fails(
    network: Network, pack: Pack, plain: Target, tmp_path: Path, misbehave: str, text: str
) -> None:
    tarball = pack(plain, misbehave)
    with pytest.raises(InternalError, match=text):
        verify(tarball, network, plain, tmp_path)
    if "run 2" not in text and "large" not in text:
        with pytest.raises(InternalError):
            reverify(tarball, tmp_path)


def test_what_only_a_customer_s_process_shows_fails(
    network: Network, pack: Pack, plain: Target, tmp_path: Path
) -> None:
    misbehave = "extern __attribute__((weak)) int pthread_create(void); if (pthread_create) __builtin_trap();"
    with pytest.raises(InternalError, match=r"tinsmith_runtime: exit status -4"):
        verify(pack(plain, misbehave), network, plain, tmp_path)


def test_without_a_reference_nothing_is_verified(
    network: Network, pack: Pack, plain: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tarball = pack(plain)
    unable = Examples((), "", (), "a: NotImplementedError: Foo")
    monkeypatch.setattr(trial, "examples", lambda _: unable)
    with pytest.raises(
        InternalError, match=r"no reference evaluates this network: a: NotImplemented.*not allowed"
    ):
        verify(tarball, network, plain, tmp_path)
    verification = verify(tarball, network, plain, tmp_path, allow_unverified=True)
    assert not verification.executed
    assert "NotImplementedError: Foo" in (verification.reason or "")


def test_unverified_needs_permission(
    network: Network, pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = platforms()["LINUX_ARM64"]
    tarball = pack(target)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(InternalError, match="install the package 'qemu-user-static', or let the operator"):
        verify(tarball, network, target, tmp_path)
    assert not verify(tarball, network, target, tmp_path, allow_unverified=True).executed


def test_an_artifact_can_be_verified_again(pack: Pack, plain: Target, tmp_path: Path) -> None:
    verification = reverify(pack(plain), tmp_path)
    assert isinstance(verification, NetworkVerification)
    assert verification.executed
    assert verification.runs == KINDS
    assert verification.outputs[0].tolerance.relative == 1e-4


def test_a_changed_artifact_is_refused(pack: Pack, plain: Target, tmp_path: Path) -> None:
    tarball, path = pack(plain), tmp_path / "a.tar.gz"
    write_archive(read_files(tarball) | {"evidence/0/input-0.npy": b""}, frozenset(), path)
    with pytest.raises(ClientError, match=r"changed after it was packed: evidence/0/input-0\.npy"):
        reverify(path, tmp_path)


def test_an_artifact_without_runs_proves_nothing(pack: Pack, plain: Target, tmp_path: Path) -> None:
    files = read_files(pack(plain))
    record = json.loads(files["manifest"])
    name = "evidence/verification.json"
    claim = json.loads(files[name]) | {"runs": [], "allowed": []}
    files[name] = json.dumps(claim).encode()
    record["files"][name] = file_digest(files[name])
    path = tmp_path / "a.tar.gz"
    write_archive(files | {"manifest": json.dumps(record).encode()}, frozenset(), path)
    with pytest.raises(InternalError, match="holds no runs"):
        reverify(path, tmp_path)
