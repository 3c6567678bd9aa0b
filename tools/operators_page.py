"""Write docs/operators.md: every ONNX operator, what of it is compiled, and why the rest is not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import onnx.defs

from tinsmith.compiler.operators.registry import find
from tinsmith.compiler.shaping.operators import OLDEST
from tools.refusals import always_refuses, refusals

PAGE = Path(__file__).resolve().parent.parent / "docs" / "operators.md"
HEAD = """\
# Operators

Every operator of ai.onnx and ai.onnx.ml in the installed onnx package (version {version}); `make docs` makes
this page from its schemas and from the source of the rules.

- **Versions**: of the operator set, as a model imports it. Models of ai.onnx before {oldest} are read where
  their operators did not change until then.
- **Elements**: types of elements of the newest definition, which `make onnx-suite` samples by onnx's own node
  tests. *Floats* are float16, bfloat16, float32 and float64; *integers* are signed and unsigned, of 8 to 64
  bits; *small integers* have 2 or 4 bits, *small floats* 4 or 8. Text and complex numbers are refused.
- **Refused**: forms that a model may have but that are not compiled, in the words of the error, which also
  names the node; "…" stands for what the model has. What contradicts ONNX's definition is always refused.

Operators of ai.onnx.preview are compiled as the functions that ONNX defines them by; those of other domains
are refused. *Constant* is also what can be computed from constants and from the shapes of the inputs.
"""
DOMAINS = {"": "ai.onnx", "ai.onnx.ml": "ai.onnx.ml"}
REASONS = {
    "ImageDecoder": "images are decoded before a model, not in it",
    "MaxRoiPool": "it has no rule yet; RoiAlign has",
    "SVMClassifier": "it has no rule yet; SVMRegressor has",
    "ZipMap": "it gives dictionaries; at the end of a classifier it is left out",
}
"""Of operators on numbers; those on text, sequences and dictionaries need none."""

_RESTRICTIONS = re.compile(
    r"constant|run time|text|random|training|shapes? of what|shapes change|bounds it|nothing bounds|factor"
    r"|stash_type|spatial = 0|have to stop|without a tensor"
)
"""What of a rule's errors tells of a form that ONNX allows."""

_GROUPS = {
    "floats": ("float16", "bfloat16", "float", "double"),
    "integers": ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    "small integers": ("int4", "uint4", "int2", "uint2"),
    "small floats": (
        "float8e4m3fn",
        "float8e4m3fnuz",
        "float8e5m2",
        "float8e5m2fnuz",
        "float8e8m0",
        "float4e2m1",
    ),
    "bool": ("bool",),
}
_NAMES = {"float": "float32", "double": "float64"}


def page() -> str:
    """The text of docs/operators.md."""
    head = HEAD.format(version=onnx.__version__, oldest=OLDEST)
    return "\n".join([head, *(line for domain in DOMAINS for line in _section(domain))])


def schemas(domain: str) -> dict[str, list[onnx.defs.OpSchema]]:
    """Every operator's definitions, oldest first."""
    found: dict[str, list[onnx.defs.OpSchema]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == domain:
            found.setdefault(schema.name, []).append(schema)
    return {name: sorted(found[name], key=lambda schema: schema.since_version) for name in sorted(found)}


def _section(domain: str) -> Iterable[str]:
    operators = schemas(domain)
    refused = {name: reason for name in operators if (reason := _refusal(domain, name, operators[name]))}
    yield f"## {DOMAINS[domain]}: {len(operators) - len(refused)} of {len(operators)} compiled"
    yield ""
    yield "| Operator | Versions | Elements | Refused |"
    yield "| --- | --- | --- | --- |"
    for name, history in operators.items():
        if name not in refused:
            rule = find(domain, name)
            notes = [text for text in refusals(rule) if _RESTRICTIONS.search(text)]
            yield f"| {name} | {_versions(domain, history)} | {_elements(history)} | {'; '.join(notes)} |"
    yield ""
    yield "Refused, all of them:"
    yield ""
    yield "| Operator | Why |"
    yield "| --- | --- |"
    for name, reason in refused.items():
        yield f"| {name} | {reason} |"
    yield ""


def _refusal(domain: str, name: str, history: list[onnx.defs.OpSchema]) -> str:
    """Why an operator is not compiled at all; nothing for one that is."""
    rule = find(domain, name)
    if rule is not None:
        return "; ".join(refusals(rule)) if always_refuses(rule) else ""
    if name in REASONS:
        return REASONS[name]
    newest = history[-1]
    kinds = {
        kind
        for formal in (*newest.inputs, *newest.outputs)
        for kind in ("seq", "map", "string")
        if any(f"{kind}(" in text or f"({kind})" in text for text in formal.types)
    }
    words = {"map": "dictionaries", "seq": "sequences", "string": "text"}
    return f"it works on {next(word for kind, word in words.items() if kind in kinds)}"


def _versions(domain: str, history: list[onnx.defs.OpSchema]) -> str:
    newest = onnx.defs.onnx_opset_version() if domain == "" else history_end(domain)
    first = max(history[0].since_version, OLDEST if domain == "" else 1)
    if history[-1].deprecated:
        newest = history[-1].since_version - 1
    return f"{first}-{newest}" if first < newest else str(newest)


def history_end(domain: str) -> int:
    """The newest version of a domain."""
    return max(history[-1].since_version for history in schemas(domain).values())


def _elements(history: list[onnx.defs.OpSchema]) -> str:
    """Per type parameter, the types of tensors of numbers."""
    schema = next(schema for schema in reversed(history) if not schema.deprecated)
    parts = []
    for constraint in schema.type_constraints:
        types = [text[7:-1] for text in constraint.allowed_type_strs if text.startswith("tensor(")]
        shown = _grouped(set(types))
        if shown:
            parts.append((constraint.type_param_str, shown))
    if len(parts) == 1:
        return parts[0][1]
    return "; ".join(f"{name}: {shown}" for name, shown in parts)


def _grouped(types: set[str]) -> str:
    names = []
    for group, members in _GROUPS.items():
        present = [_NAMES.get(member, member) for member in members if member in types]
        names += [group] if len(present) == len(members) else present
    return ", ".join(names)


if __name__ == "__main__":
    PAGE.write_text(page())
