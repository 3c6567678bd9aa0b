"""CompilerOptions: what the customer may say about code generation, and what of it applies.

`resolve` turns a request into the machine that is really compiled for, with sentences for the report about
everything that was given and does not apply.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from tinsmith.errors import ClientError
from tinsmith.spec.literal import LiteralError, Node, at, read
from tinsmith.spec.request import CompileRequest
from tinsmith.spec.targets import Target, find

AREA = "CompilerOptions"

TREE_FRAMEWORKS = ("XGBOOST", "SKLEARN")

ANDROID_API = (21, 99)
"""Bionic of 21 (Android 5) is the oldest that the service names; there is no newest."""

DTYPES = {
    "float32": "float32",
    "float": "float32",
    "int64": "int64",
    "long": "int64",
    "int32": "int32",
    "int": "int32",
    "float64": "float64",
    "double": "float64",
    "float16": "float16",
    "half": "float16",
    "int8": "int8",
    "uint8": "uint8",
    "bool": "bool",
}
"""PyTorch's words for element types; the service names the first four."""

ALIASES = {
    "gpu_code": "gpu-code",
    "trt_ver": "trt-ver",
    "cuda_ver": "cuda-ver",
    "max_workspace_size": "max-workspace-size",
}

FEATURE_ALIASES = {
    "vfpv2": "vfp2",
    "vfpv3": "vfp3",
    "vfpv4": "vfp4",
    "vfpv3-d16": "vfp3d16",
    "sse4-1": "sse4.1",
    "sse4-2": "sse4.2",
}
"""Spellings of GCC and of the service's own examples."""

ARCHITECTURES = {
    "x86_64": "x86_64",
    "x86": "x86 with SSE2",
    "aarch64": "aarch64",
    "arm": "32-bit arm (ARMv7-A or later)",
}
"""What `processors.json` lists, in words."""

REQUIRED = {
    "x86_64": ("64bit", "cmov", "cx8", "fxsr", "sse", "sse2", "x87"),
    "x86": ("cmov", "cx8", "sse", "sse2", "x87"),
    "aarch64": ("fp-armv8", "neon"),
    "arm": ("fp64", "fpregs", "fpregs64", "thumb2", "vfp2", "vfp2sp"),
}
"""Features that the calling convention or exact arithmetic needs: they cannot be removed."""

FLOATING_POINT = re.compile(r"\+(neon|vfp\w*|fp-armv8\w*|fullfp16|fp16)")


@dataclass(frozen=True)
class Options:
    """The options of a request, checked; None and () where they were not given."""

    mcpu: str | None = None
    """LLVM processor name."""
    mattr: tuple[str, ...] = ()
    """LLVM features, `+name` or `-name`."""
    android_platform: int | None = None
    """API level."""
    dtype: tuple[str, ...] | Mapping[str, str] = ()
    """Element types of the inputs of a PyTorch model: one for all, one each in order, or by name."""
    tune: bool = False
    """The job measures which schedules of layers are the fastest."""
    neuron: str | None = None
    """Flags of the Neuron compiler, where the options were one string."""
    other: dict[str, object] = field(default_factory=dict)
    """The rest, as given: options of accelerators and of Core ML."""


@dataclass(frozen=True)
class Resolved:
    """A request with its machine and options settled."""

    target: Target
    options: Options
    warnings: tuple[str, ...]
    """Sentences for the report."""


@dataclass(frozen=True)
class _Rule:
    """A known option: where it has a meaning, and which values it takes."""

    scope: str
    applies: Callable[[CompileRequest, Target], bool]
    expected: str
    accepts: Callable[[object], bool]


def resolve(request: CompileRequest) -> Resolved:
    """The machine and options of `request`.

    Raises ClientError OutputConfiguration for an unknown device or platform, and CompilerOptions with every
    wrong option and the character it stands at.
    """
    target = find(request)
    if target.os == "apple" and request.framework in TREE_FRAMEWORKS:
        raise ClientError(
            "OutputConfiguration",
            f"coreml takes TENSORFLOW and PYTORCH models, not {request.framework}; "
            "choose another TargetDevice or a TargetPlatform",
        )
    reader = _Reader(request, target)
    options = reader.options() if request.compiler_options else Options()
    if reader.problems:
        raise ClientError(AREA, reader.problems)
    warnings = (*_about_target(request, target), *reader.warnings)
    return Resolved(_apply(options, target), options, warnings)


@cache
def known_processors() -> dict[str, dict[str, list[str]]]:
    """Per architecture the "cpus" and "features" that the toolchain compiles for."""
    table: dict[str, dict[str, list[str]]] = json.loads(
        files("tinsmith.spec").joinpath("processors.json").read_text("utf-8")
    )
    return table


def _about_target(request: CompileRequest, target: Target) -> list[str]:
    sentences = []
    if not target.listed:
        sentences.append(
            f"{target.name} is not among the combinations that the service documents; "
            "it is compiled all the same."
        )
    if target.accelerator and request.framework in TREE_FRAMEWORKS:
        sentences.append(
            f"Tree models run on the processor: the accelerator of {target.name} ({target.accelerator}) "
            "is not used."
        )
    return sentences


def _apply(options: Options, target: Target) -> Target:
    features = (*target.features, *options.mattr)
    if target.float_abi == "soft" and any(FLOATING_POINT.fullmatch(name) for name in options.mattr):
        # Without these, the compiler takes every ARMv7-A for one with NEON.
        features = ("-neon", "-d32", *features)
        target = replace(target, float_abi="softfp")
    if options.mcpu is not None:
        target = replace(target, cpu=options.mcpu, features=options.mattr, variants=())
    elif options.mattr:
        target = replace(target, features=features, variants=())
    if target.os == "android" and options.android_platform is not None:
        target = replace(target, android_api=options.android_platform)
    return target


class _Reader:
    """Collects problems and warnings rather than stopping at the first."""

    def __init__(self, request: CompileRequest, target: Target) -> None:
        self.request = request
        self.target = target
        self.text = request.compiler_options or ""
        self.problems: list[str] = []
        self.warnings: list[str] = []

    def options(self) -> Options:
        try:
            node = read(self.text)
        except LiteralError as error:
            place = at(self.text, error.position)
            self.problems.append(f"neither JSON nor a Python literal: {place}: expected {error.expected}")
            return Options()
        if isinstance(node.value, str):
            return self._neuron(node, node.value)
        if not isinstance(node.value, dict):
            self._problem(node, "expected {option: value}")
            return Options()
        fields = {ALIASES.get(key, key): item for key, item in node.value.items()}
        if len(fields) < len(node.value):
            self._problem(node, "an option is given in two spellings")
        return self._checked(fields)

    def _checked(self, fields: dict[str, Node]) -> Options:
        options = Options()
        other: dict[str, object] = {}
        for key, item in fields.items():
            if not self._known(key, item):
                continue
            if key == "mcpu":
                options = replace(options, mcpu=self._processor(item))
            elif key == "mattr":
                options = replace(options, mattr=self._features(item))
            elif key == "ANDROID_PLATFORM":
                options = replace(options, android_platform=int(str(item.value)))
            elif key == "tune":
                options = replace(options, tune=bool(item.value))
            elif key == "dtype":
                options = replace(options, dtype=_element_types(item.plain))
            else:
                other[key] = item.plain
        if {"signature_def_key", "output_names"} <= fields.keys():
            self._problem(fields["output_names"], "set at most one of signature_def_key and output_names")
        return replace(options, other=other)

    def _neuron(self, node: Node, flags: str) -> Options:
        if self.target.accelerator not in ("INFERENTIA", "INFERENTIA2", "TRAINIUM"):
            self._problem(
                node, f"expected {{option: value}}; one string is for Inferentia, not {self.target.name}"
            )
            return Options()
        self.warnings.append(
            "CompilerOptions are flags of the Neuron compiler: not used for the processor's code."
        )
        return Options(neuron=flags)

    def _known(self, key: str, item: Node) -> bool:
        """Whether the option is one whose value can be used; says so if not."""
        rule = _RULES.get(key)
        if rule is None:
            near = _near(key, list(_RULES))
            self.warnings.append(f"CompilerOptions: {key!r} is unknown and was ignored{near}.")
            return False
        if not rule.accepts(item.plain):
            self._problem(item, f"{key} takes {rule.expected}, found {json.dumps(item.plain)[:60]}")
            return False
        if not rule.applies(self.request, self.target):
            self.warnings.append(
                f"CompilerOptions: {key!r} is for {rule.scope}: it has no effect on this job."
            )
            return False
        return True

    def _processor(self, item: Node) -> str | None:
        given = str(item.value)
        name = given.strip().lower().replace("_", "-")
        cpus = known_processors()[self.target.arch]["cpus"]
        if name in cpus:
            return name
        others = [arch for arch, known in known_processors().items() if name in known["cpus"]]
        hint = f"; it is one of {' and '.join(others)}" if others else _near(name, cpus)
        self._problem(
            item, f"mcpu {given!r} is no processor known for {ARCHITECTURES[self.target.arch]}{hint}"
        )
        return None

    def _features(self, item: Node) -> tuple[str, ...]:
        assert isinstance(item.value, list)
        return tuple(name for entry in item.value if (name := self._feature(entry)) is not None)

    def _feature(self, entry: Node) -> str | None:
        if not isinstance(entry.value, str):
            self._problem(
                entry, f"mattr takes features such as '+neon', found {json.dumps(entry.plain)[:60]}"
            )
            return None
        given = entry.value.strip()
        sign, name = (given[0], given[1:]) if given[:1] in ("+", "-") else ("+", given)
        name = name.lower().replace("_", "-")
        name = FEATURE_ALIASES.get(name, name)
        known = known_processors()[self.target.arch]["features"]
        if name not in known:
            self._problem(
                entry, f"mattr {given!r} is no feature known for {self.target.arch}{_near(name, known)}"
            )
            return None
        if sign == "-" and name in REQUIRED[self.target.arch]:
            self._problem(entry, f"mattr {given!r}: every {self.target.arch} library needs {name}")
            return None
        return sign + name

    def _problem(self, node: Node, words: str) -> None:
        self.problems.append(f"{at(self.text, node.position)}: {words}")


def _near(name: str, known: list[str]) -> str:
    matches = get_close_matches(name, known, n=3)
    return f"; did you mean {' or '.join(matches)}?" if matches else ""


def _element_types(value: object) -> tuple[str, ...] | dict[str, str]:
    if isinstance(value, dict):
        return {str(name): DTYPES[str(item)] for name, item in value.items()}
    names = value if isinstance(value, list) else [value]
    return tuple(DTYPES[str(name)] for name in names)


def _is_element_types(value: object) -> bool:
    names = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return len(names) > 0 and all(isinstance(name, str) and name in DTYPES for name in names)


def _text(pattern: str) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _number_text(pattern: str) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, bool) and re.fullmatch(pattern, str(value)) is not None


def _texts(pattern: str) -> Callable[[object], bool]:
    one = _text(pattern)
    return lambda value: isinstance(value, list) and len(value) > 0 and all(map(one, value))


def _many(value: object) -> bool:
    return isinstance(value, list) and len(value) > 0


def _api_level(value: object) -> bool:
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,3}", str(value)):
        return False
    return ANDROID_API[0] <= int(str(value)) <= ANDROID_API[1]


def _native(request: CompileRequest, target: Target) -> bool:
    return target.os != "apple"


def _network_on(*accelerators: str) -> Callable[[CompileRequest, Target], bool]:
    return lambda request, target: (
        request.framework not in TREE_FRAMEWORKS and target.accelerator in accelerators
    )


def _coreml(request: CompileRequest, target: Target) -> bool:
    return target.os == "apple"


_NVIDIA = ("neural networks on NVIDIA accelerators", _network_on("NVIDIA"))
_EIA = ("neural networks on Elastic Inference", _network_on("ELASTIC_INFERENCE"))
_TENSORFLOW = ("TENSORFLOW models", lambda request, target: request.framework == "TENSORFLOW")
_NEURON = ("neural networks on Inferentia", _network_on("INFERENTIA", "INFERENTIA2", "TRAINIUM"))

_RULES = {
    "mcpu": _Rule("processors", _native, "the LLVM name of a processor", _text(r"\s*[\w.-]+\s*")),
    "mattr": _Rule("processors", _native, "a list such as ['+neon']", _many),
    "ANDROID_PLATFORM": _Rule(
        "Android",
        lambda request, target: target.os == "android",
        f"an API level of {ANDROID_API[0]} or more",
        _api_level,
    ),
    "dtype": _Rule(
        "PYTORCH models",
        lambda request, target: request.framework == "PYTORCH",
        f"one of {', '.join(DTYPES)}, a list of them in the order of the inputs, or {{name: dtype}}",
        _is_element_types,
    ),
    "tune": _Rule(
        "neural networks on processors",
        lambda request, target: _native(request, target) and request.framework not in TREE_FRAMEWORKS,
        "true or false",
        lambda value: isinstance(value, bool),
    ),
    "gpu-code": _Rule(*_NVIDIA, "a text such as 'sm_72'", _text(r"sm_\d{2,3}a?")),
    "trt-ver": _Rule(*_NVIDIA, "a version such as '7.1.3'", _text(r"\d+(\.\d+){1,3}")),
    "cuda-ver": _Rule(*_NVIDIA, "a version such as '10.2'", _text(r"\d+(\.\d+){1,2}")),
    "JETPACK_VERSION": _Rule(*_NVIDIA, "a version such as '4.6'", _text(r"\d+(\.\d+){0,2}")),
    "max-workspace-size": _Rule(*_NVIDIA, "a number of bytes", _number_text(r"\d{1,15}")),
    "precision-mode": _Rule(*_NVIDIA, "'fp32', 'fp16' or 'int8'", _text(r"(?i)fp32|fp16|int8")),
    "jetson-platform": _Rule(*_NVIDIA, "a text", _text(r".+")),
    "class_labels": _Rule("coreml", _coreml, "the name of a file of labels", _text(r".+")),
    "precision_mode": _Rule(*_EIA, "'FP32' or 'FP16'", _text(r"(?i)fp32|fp16")),
    "signature_def_key": _Rule(*_TENSORFLOW, "the name of a signature", _text(r".+")),
    "output_names": _Rule(*_TENSORFLOW, "a list of names", _texts(r".+")),
    "num-neuroncores": _Rule(*_NEURON, "a number", _number_text(r"\d{1,3}")),
    "verbose": _Rule(*_NEURON, "a number", _number_text(r"\d{1,3}")),
}
