from __future__ import annotations

import botocore.session
import pytest

from tinsmith.errors import ClientError
from tinsmith.spec.options import known_processors
from tinsmith.spec.request import CompileRequest, TargetPlatform
from tinsmith.spec.targets import Target, devices, find, platforms

ALL = {**devices(), **platforms()}


def api_values(shape: str) -> list[str]:
    model = botocore.session.get_session().get_service_model("sagemaker")
    return list(model.shape_for(shape).enum)


def request(device: str | None = None, platform: TargetPlatform | None = None) -> CompileRequest:
    return CompileRequest("XGBOOST", "model", device=device, platform=platform)


def test_devices_are_those_of_the_api() -> None:
    assert sorted(devices()) == sorted(api_values("TargetDevice"))


def test_platforms_are_all_combinations_of_the_api() -> None:
    names = {
        "_".join(filter(None, (os, arch, accelerator)))
        for os in api_values("TargetPlatformOs")
        for arch in api_values("TargetPlatformArch")
        for accelerator in ["", *api_values("TargetPlatformAccelerator")]
    }
    assert set(platforms()) == names


def test_combinations_of_the_service_table() -> None:
    listed = {name for name, target in platforms().items() if target.listed}
    assert listed == {
        "LINUX_X86_64",
        "LINUX_X86_64_NVIDIA",
        "LINUX_X86_64_INTEL_GRAPHICS",
        "LINUX_ARM64",
        "LINUX_ARM64_NVIDIA",
        "LINUX_ARM64_MALI",
        "LINUX_ARM_EABIHF",
        "LINUX_ARM_EABIHF_MALI",
        "LINUX_ARM_EABI",
        "LINUX_ARM_EABI_MALI",
        "ANDROID_X86_64",
        "ANDROID_X86_64_INTEL_GRAPHICS",
        "ANDROID_X86",
        "ANDROID_X86_INTEL_GRAPHICS",
        "ANDROID_ARM64",
        "ANDROID_ARM64_MALI",
        "ANDROID_ARM_EABI",
        "ANDROID_ARM_EABI_MALI",
    }


@pytest.mark.parametrize("target", ALL.values(), ids=ALL)
def test_rows_are_consistent(target: Target) -> None:
    assert target.os in ("linux", "android", "windows", "apple")
    assert target.kind in ("cloud", "edge")
    assert target.source in ("aws", "dlr", "tvm", "chip", "abi")
    assert (target.android_api is not None) == (target.os == "android")
    assert target.emulator in ("native", "qemu-aarch64", "qemu-arm", "none")
    assert (target.emulator == "none") == (target.os == "apple")
    assert (target.float_abi != "") == (target.arch == "arm")
    assert target.library == ("compiled.dll" if target.os == "windows" else "compiled.so")
    assert target.dlr_library == ("dlr.dll" if target.os == "windows" else "libdlr.so")
    if target.os != "apple":
        known = known_processors()[target.arch]
        assert set(target.processors) <= set(known["cpus"])
        assert {feature[1:] for feature in target.features} <= set(known["features"])
        assert {feature[0] for feature in target.features} <= {"+", "-"}


def test_generic_targets_have_variants_and_named_devices_one_processor() -> None:
    several = {name for name, target in ALL.items() if target.variants}
    assert {name for name in several if name.islower()} == {"ml_eia2", "x86_win64"}
    assert {name for name in several if name.isupper()} == {n for n in platforms() if "_X86_64" in n}
    assert all(target.variants[0] == target.cpu for target in ALL.values() if target.variants)
    assert ALL["ANDROID_X86_64"].cpu == "x86-64-v2"
    assert ALL["ml_c5"].processors == ("skylake-avx512",)


@pytest.mark.parametrize(
    ("name", "triple", "cpu", "float_abi"),
    [
        ("lambda", "x86_64-unknown-linux-gnu", "ivybridge", ""),
        ("ml_c4", "x86_64-unknown-linux-gnu", "haswell", ""),
        ("ml_c6g", "aarch64-unknown-linux-gnu", "neoverse-n1", ""),
        ("rasp3b", "armv7a-unknown-linux-gnueabihf", "cortex-a53", "hard"),
        ("rasp4b", "armv7a-unknown-linux-gnueabihf", "cortex-a72", "hard"),
        ("sitara_am57x", "armv7a-unknown-linux-gnueabihf", "cortex-a15", "hard"),
        ("x86_win32", "i686-w64-windows-gnu", "pentium4", ""),
        ("LINUX_X86", "i686-unknown-linux-gnu", "pentium4", ""),
        ("LINUX_ARM_EABI", "armv7a-unknown-linux-gnueabi", "generic", "soft"),
        ("ANDROID_ARM_EABI", "armv7a-unknown-linux-androideabi", "generic", "softfp"),
    ],
)
def test_code_generation_facts(name: str, triple: str, cpu: str, float_abi: str) -> None:
    target = ALL[name]
    assert (target.triple, target.cpu, target.float_abi) == (triple, cpu, float_abi)


def test_find() -> None:
    assert find(request("ml_c5")) is devices()["ml_c5"]
    mali = find(request(platform=TargetPlatform("LINUX", "ARM64", "MALI")))
    assert (mali.name, mali.accelerator) == ("LINUX_ARM64_MALI", "MALI")
    assert find(request("coreml")).os == "apple"


@pytest.mark.parametrize(
    "wrong",
    [
        request("ml_c9"),
        request(platform=TargetPlatform("LINUX", "RISCV")),
        request(platform=TargetPlatform("LINUX", "ARM64", "TPU")),
        request(),
        request("ml_c5", TargetPlatform("LINUX", "ARM64")),
    ],
)
def test_unknown_targets(wrong: CompileRequest) -> None:
    with pytest.raises(ClientError, match="OutputConfiguration"):
        find(wrong)
