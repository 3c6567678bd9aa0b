from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinsmith.errors import ClientError
from tinsmith.spec.options import Resolved, known_processors, resolve
from tinsmith.spec.request import CompileRequest, TargetPlatform


def resolved(options: str | None, target: str = "LINUX/X86_64", framework: str = "XGBOOST") -> Resolved:
    parts = target.split("/")
    device, platform = (target, None) if len(parts) == 1 else (None, TargetPlatform(*parts))
    return resolve(
        CompileRequest(framework, "model", device=device, platform=platform, compiler_options=options)
    )


def refused(options: str, target: str = "LINUX/X86_64", framework: str = "XGBOOST") -> ClientError:
    with pytest.raises(ClientError) as caught:
        resolved(options, target, framework)
    assert caught.value.area == "CompilerOptions"
    return caught.value


def test_no_options_leave_the_row_as_it_is() -> None:
    found = resolved(None, "ml_c5")
    assert (found.target.cpu, found.target.variants, found.warnings) == ("skylake-avx512", (), ())


def test_raspberry_pi_example() -> None:
    target = resolved("{'mattr': ['+neon']}", "LINUX/ARM_EABIHF").target
    assert target.features[-1] == "+neon"
    assert target.float_abi == "hard"


def test_android_phone_examples() -> None:
    old = resolved("{'ANDROID_PLATFORM': 25, 'mattr': ['+neon']}", "ANDROID/ARM_EABI").target
    assert (old.android_api, old.float_abi) == (25, "softfp")
    assert resolved("{'ANDROID_PLATFORM': 29}", "ANDROID/ARM64").target.android_api == 29
    assert resolved('{"ANDROID_PLATFORM": "28"}', "ANDROID/ARM64").target.android_api == 28
    assert resolved(None, "ANDROID/ARM64").target.android_api == 21
    assert resolved(None, "qcs603").target.android_api == 27


def test_contradictory_example_of_the_service_is_accepted_and_reported() -> None:
    found = resolved("{'mcpu': 'skylake-avx512'}", "LINUX/X86_64/NVIDIA")
    assert (found.target.cpu, found.target.variants) == ("skylake-avx512", ())
    assert ["accelerator" in sentence for sentence in found.warnings] == [True]


def test_documented_spelling_of_vfpv4() -> None:
    target = resolved("{'mattr': ['+neon', '+vfpv4']}", "LINUX/ARM_EABIHF").target
    assert target.features[-2:] == ("+neon", "+vfp4")


def test_floating_point_on_a_soft_float_platform_keeps_its_calling_convention() -> None:
    assert resolved(None, "LINUX/ARM_EABI").target.float_abi == "soft"
    assert resolved("{'mattr': ['+neon']}", "LINUX/ARM_EABI").target.float_abi == "softfp"


@pytest.mark.parametrize(
    ("given", "name"), [("core-avx2", "core-avx2"), (" Haswell", "haswell"), ("x86_64_v3", "x86-64-v3")]
)
def test_spellings_of_processors(given: str, name: str) -> None:
    assert resolved(json.dumps({"mcpu": given})).target.cpu == name


def test_mattr_alone_replaces_the_choice_at_run_time() -> None:
    target = resolved("{'mattr': ['+avx2', 'bmi2', '-sse4.2']}").target
    assert (target.cpu, target.features, target.variants) == ("x86-64", ("+avx2", "+bmi2", "-sse4.2"), ())


@pytest.mark.parametrize(
    ("options", "target", "words"),
    [
        ("{'mcpu': 'skylake-avx51'}", "LINUX/X86_64", "did you mean skylake-avx512"),
        ("{'mcpu': 'cortex-a72'}", "LINUX/X86_64", "it is one of aarch64 and arm"),
        ("{'mcpu': 'i686'}", "LINUX/X86", "x86 with SSE2"),
        ("{'mcpu': 'cortex-m4'}", "LINUX/ARM_EABIHF", "ARMv7-A"),
        ("{'mcpu': ['haswell']}", "LINUX/X86_64", "the LLVM name of a processor"),
        ("{'mcpu': 5}", "LINUX/X86_64", "the LLVM name of a processor"),
        ("{'mattr': '+neon'}", "LINUX/ARM64", "a list such as"),
        ("{'mattr': []}", "LINUX/ARM64", "a list such as"),
        ("{'mattr': ['+noen']}", "LINUX/ARM64", "did you mean neon"),
        ("{'mattr': ['-neon']}", "LINUX/ARM64", "needs neon"),
        ("{'mattr': ['-sse2']}", "LINUX/X86", "needs sse2"),
        ("{'mattr': ['+soft-float']}", "LINUX/X86_64", "no feature known"),
        ("{'mattr': ['+reserve-x18']}", "LINUX/ARM64", "no feature known"),
        ("{'ANDROID_PLATFORM': 20}", "ANDROID/ARM64", "21 or more"),
        ("{'ANDROID_PLATFORM': 'android-28'}", "ANDROID/ARM64", "21 or more"),
        ("{'ANDROID_PLATFORM': True}", "ANDROID/ARM64", "21 or more"),
        ("{'ANDROID_PLATFORM': 28.5}", "ANDROID/ARM64", "21 or more"),
        ("{'gpu-code': 62}", "LINUX/ARM64/NVIDIA", "'sm_72'"),
        ("{'gpu_code': 'sm_62', 'gpu-code': 'sm_62'}", "jetson_tx2", "two spellings"),
        ("{'trt-ver': '6'}", "jetson_tx2", "a version"),
        ("{'cuda-ver': 10.0}", "jetson_tx2", "a version"),
        ("{'dtype': 'string'}", "ml_c5", "one of float32, float, int64, long"),
        ("{'output_names': ['a'], 'signature_def_key': 'b'}", "ml_eia2", "at most one"),
        ("'--verbose 1'", "ml_c5", "for Inferentia"),
        ("[1, 2]", "ml_c5", "expected {option: value}"),
        ("None", "ml_c5", "expected {option: value}"),
    ],
)
def test_wrong_values(options: str, target: str, words: str) -> None:
    assert words in str(refused(options, target))


def test_all_mistakes_at_once_each_with_its_character() -> None:
    error = refused("{'mcpu': 'cortex-a99', 'mattr': ['+neonn', 5], 'ANDROID_PLATFORM': 12}", "ANDROID/ARM64")
    assert [problem.split(",")[0] for problem in error.problems] == [
        "character 10",
        "character 34",
        "character 44",
        "character 68",
    ]


def test_tune_is_for_networks_on_processors() -> None:
    assert resolved('{"tune": true}', "ml_c5", "ONNX").options.tune
    assert not resolved("{'tune': False}", "ml_c5", "ONNX").options.tune
    assert not resolved(None, "ml_c5", "ONNX").options.tune
    found = resolved('{"tune": true}', "ml_c5", "XGBOOST")
    assert not found.options.tune
    assert "'tune' is for neural networks on processors" in found.warnings[0]
    for value in ("1", '"true"', "[]", "null"):
        assert "tune takes true or false" in str(refused(f'{{"tune": {value}}}', "ml_c5", "ONNX"))


def test_broken_text_points_at_the_character() -> None:
    assert "character 9, at «'haswell'}»: expected a colon" in str(refused("{'mcpu' 'haswell'}"))


def test_known_options_without_effect_and_unknown_ones_are_reported() -> None:
    found = resolved(
        "{'gpu-code': 'sm_62', 'trt-ver': '6.0.1', 'cuda-ver': '10.0', 'mcpv': 'x',"
        " 'dtype': ['float', 'long']}",
        "jetson_tx2",
    )
    text = "\n".join(found.warnings)
    assert len(found.warnings) == 6
    assert "'mcpv' is unknown and was ignored; did you mean mcpu?" in text
    assert "'dtype' is for PYTORCH models" in text
    assert "'gpu-code' is for neural networks on NVIDIA" in text
    assert "accelerator of jetson_tx2 (NVIDIA) is not used" in text


def test_options_of_other_frameworks_and_devices_are_kept_for_them() -> None:
    jetson = resolved("{'gpu_code': 'sm_72', 'max-workspace-size': '2147483648'}", "jetson_xavier", "PYTORCH")
    assert jetson.options.other == {"gpu-code": "sm_72", "max-workspace-size": "2147483648"}
    assert jetson.warnings == ()
    neuron = resolved('"--verbose 1 --num-neuroncores 2 -O2"', "ml_inf1", "PYTORCH")
    assert neuron.options.neuron == "--verbose 1 --num-neuroncores 2 -O2"
    assert resolved('{"dtype" : "long"}', "ml_c5", "PYTORCH").options.dtype == ("int64",)
    assert resolved("{'dtype': ['half', 'bool']}", "ml_c5", "PYTORCH").options.dtype == ("float16", "bool")
    assert resolved("{'dtype': {'x': 'int'}}", "ml_c5", "PYTORCH").options.dtype == {"x": "int32"}
    labels = resolved('{"class_labels": "labels.txt"}', "coreml", "TENSORFLOW")
    assert labels.options.other == {"class_labels": "labels.txt"}


@pytest.mark.parametrize(
    ("options", "target", "framework", "kept"),
    [
        ('{"dtype" : "float32"}', "ml_c5", "PYTORCH", {}),
        (
            "{'gpu-code': 'sm_72', 'trt-ver': '6.0.1', 'cuda-ver': '10.1'}",
            "jetson_xavier",
            "PYTORCH",
            {"gpu-code": "sm_72", "trt-ver": "6.0.1", "cuda-ver": "10.1"},
        ),
        (
            "{'JETPACK_VERSION': '4.6', 'gpu_code': 'sm_72'}",
            "jetson_xavier",
            "TENSORFLOW",
            {"JETPACK_VERSION": "4.6", "gpu-code": "sm_72"},
        ),
        ("{'ANDROID_PLATFORM': 28}", "ANDROID/ARM64", "TFLITE", {}),
        (
            '{"precision_mode": "FP32", "output_names": ["output:0"]}',
            "ml_eia2",
            "TENSORFLOW",
            {"precision_mode": "FP32", "output_names": ["output:0"]},
        ),
        (
            '{"signature_def_key": "serving_custom"}',
            "ml_eia2",
            "TENSORFLOW",
            {"signature_def_key": "serving_custom"},
        ),
        ('{"num-neuroncores": 2}', "ml_inf1", "TENSORFLOW", {"num-neuroncores": 2}),
    ],
)
def test_documented_options(options: str, target: str, framework: str, kept: dict[str, object]) -> None:
    found = resolved(options, target, framework)
    assert found.options.other == kept
    assert not [warning for warning in found.warnings if "CompilerOptions" in warning]


def test_platforms_outside_the_service_table_are_reported() -> None:
    assert "not among the combinations" in resolved(None, "LINUX/X86").warnings[0]


def test_core_ml_takes_no_trees() -> None:
    with pytest.raises(ClientError, match="OutputConfiguration: coreml takes TENSORFLOW and PYTORCH models"):
        resolved(None, "coreml")


def test_known_names_have_one_spelling() -> None:
    for arch, known in known_processors().items():
        assert not [name for name in known["cpus"] if "_" in name or name != name.lower()], arch
        assert not [name for name in known["features"] if "_" in name], arch


@given(st.text(min_size=3, max_size=60))
def test_any_text_resolves_or_is_refused(text: str) -> None:
    with suppress(ClientError):
        assert resolved(text).target.cpu


@given(
    st.dictionaries(
        st.sampled_from(["mcpu", "mattr", "ANDROID_PLATFORM", "dtype", "gpu-code", "x"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=8)
        | st.lists(st.text(max_size=8), max_size=3),
    )
)
def test_any_values_resolve_or_are_refused(options: dict[str, object]) -> None:
    with suppress(ClientError):
        assert resolved(json.dumps(options), "ANDROID/ARM64").target.cpu


@pytest.mark.parametrize("option", ["{'signature_def_key': 'b'}", "{'output_names': ['a:0']}"])
def test_options_of_tensorflow_apply_on_every_target(option: str) -> None:
    applied = resolved(option, "ml_c5", "TENSORFLOW")
    assert applied.options.other
    assert not applied.warnings
    ignored = resolved(option, "ml_c5", "ONNX")
    assert not ignored.options.other
    assert "is for TENSORFLOW models" in ignored.warnings[0]
