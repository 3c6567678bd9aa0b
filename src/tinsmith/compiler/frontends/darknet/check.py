"""What of a configuration is not compiled: all of it is found before any layer is converted."""

from __future__ import annotations

from collections import defaultdict

from tinsmith.compiler.frontends.darknet.activations import ACTIVATIONS
from tinsmith.compiler.frontends.darknet.cfg import Config, OptionError, Section
from tinsmith.compiler.frontends.darknet.layer import RULES
from tinsmith.compiler.shaping.findings import Findings, shown

_INTEGERS = frozenset(
    [
        "alpha_bins",
        "batch_normalize",
        "channels",
        "classes",
        "coords",
        "crop_height",
        "crop_width",
        "dilation",
        "extra",
        "filters",
        "flatten",
        "groups",
        "group_id",
        "height",
        "hidden",
        "index",
        "inputs",
        "num",
        "output",
        "pad",
        "padding",
        "reverse",
        "side",
        "size",
        "stride",
        "stride_x",
        "stride_y",
        "time_steps",
        "width",
    ]
)
_REALS = frozenset(["alpha", "beta", "kappa", "scale", "scale_x_y", "temperature"])
_LISTS = frozenset(("layers", "mask"))

_REFUSED = {
    "convolutional": (
        [
            "antialiasing",
            "assisted_excitation",
            "binary",
            "bin_output",
            "cbn",
            "deform",
            "dot",
            "rotate",
            "share_index",
            "stretch",
            "sway",
            "stretch_sway",
            "xnor",
        ]
    ),
    "connected": ["cbn"],
    "crnn": ["dilation", "size", "stride", "xnor"],
    "maxpool": ["antialiasing", "maxpool_depth"],
    "region": ["tree", "map"],
    "shortcut": ["weights_type"],
    "softmax": ["spatial", "tree"],
    "yolo": ["map"],
}
"""Options that change what a layer computes into something that is not compiled."""
_HARMLESS = frozenset(("0", "none", "-1000000000"))


def check(config: Config, findings: Findings) -> None:
    """Notes unknown layers, activations and options, and options whose values are no numbers."""
    unknown: defaultdict[str, list[str]] = defaultdict(list)
    for section in config.layers:
        if section.kind not in RULES:
            unknown[section.kind[:60]].append(section.place)
            continue
        activation = section.options.get("activation")
        if activation is not None and activation not in ACTIVATIONS:
            findings.refused(f"{section.place}: the activation {shown(activation)} is not compiled")
        for key in _REFUSED.get(section.kind, ()):
            if section.options.get(key, "0") not in _HARMLESS:
                findings.refused(f"{section.place}: {key}={section.options[key][:60]} is not compiled")
    if unknown:
        listed = "; ".join(f"{kind}: {', '.join(places[:20])}" for kind, places in unknown.items())
        findings.refused(f"The following operators are not supported for frontend DARKNET: {listed}")
    for section in (config.net, *config.layers):
        _check_numbers(section, findings)


def _check_numbers(section: Section, findings: Findings) -> None:
    for key in section.options:
        try:
            if key in _INTEGERS:
                section.integer(key, 0)
            elif key in _REALS:
                section.real(key, 0)
            elif key in _LISTS and not (key == "mask" and section.kind != "yolo"):
                section.integers(key)
        except OptionError as error:
            findings.damaged(f"{section.place}: {error}")
