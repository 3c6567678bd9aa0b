"""The inputs of a graph: what DataInputConfig names, and what the graph needs beside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tinsmith.compiler.frontends.tensorflow.messages import type_name
from tinsmith.compiler.frontends.tensorflow.program import Feed, Program, any_node
from tinsmith.compiler.frontends.tensorflow.tensors import STRING, dtype_of, number_type
from tinsmith.compiler.frontends.tensorflow.things import Refused
from tinsmith.compiler.ir.model import TensorSpec
from tinsmith.compiler.shaping.findings import Findings, shown
from tinsmith.compiler.shaping.inputs import Adapt, Declared, input_specs, listed, model_shape, parse_for
from tinsmith.errors import ClientError
from tinsmith.spec.data_input import InputConfig

_TRAINING = re.compile(
    r"(^|[/_.])(is_?)?(train(ing)?(_mode|_phase)?|learning_phase|phase(_train)?)(_\d+)?$", re.IGNORECASE
)


@dataclass
class Inputs:
    """What is given to the graph."""

    specs: dict[str, tuple[Feed, TensorSpec]] = field(default_factory=dict)
    """By name: those that DataInputConfig names in its order, then those that it leaves out."""
    asked: set[str] = field(default_factory=set)
    """Those that DataInputConfig names."""
    missing: dict[str, Refused] = field(default_factory=dict)
    """By reference: why an input that nothing gives a shape to stops the compilation, if it is needed."""
    off: list[Feed] = field(default_factory=list)
    """Switches of training: they are off."""


def find_inputs(program: Program, text: str | None, findings: Findings) -> Inputs:
    """The inputs of `program` by DataInputConfig `text`. What contradicts goes to `findings`."""
    configs = _parsed(program, text, findings)
    feeds, named = _matched(program, configs, findings)
    findings.stop()
    result = Inputs(asked=set(named))
    order = list(named)
    for feed in sorted(feeds, key=lambda feed: order.index(feed.name) if feed.name in named else len(order)):
        if is_training_switch(feed):
            result.off.append(feed)
        config = named.get(feed.name)
        if config is None and (feed.optional or is_training_switch(feed)):
            continue
        if dtype_of(feed.type) is None:
            result.missing[feed.reference] = _refused(feed)
            continue
        own = Findings("")
        specs = input_specs([_declared(feed)], {}, text, own, _only(config))
        if specs:
            result.specs[feed.name] = (feed, specs[0])
        elif config is not None:
            findings.damage += [f"{findings.place}{problem}" for problem in own.damage[:1]]
        else:
            problems = [problem.removeprefix(": ") for problem in own.damage]
            result.missing[feed.reference] = Refused(damage=frozenset(problems))
    findings.stop()
    return result


def is_training_switch(feed: Feed) -> bool:
    """Whether `feed` says that the graph is being trained, which it is not."""
    return (
        feed.type == 10
        and feed.shape in ((), None)
        and _TRAINING.search(feed.reference.removesuffix(":0")) is not None
    )


def _parsed(program: Program, text: str | None, findings: Findings) -> Sequence[InputConfig]:
    if text is None or not text.strip():
        return ()
    try:
        return parse_for(text, [_described(feed) for feed in _needed(program.feeds)])
    except ClientError as error:
        findings.damage += error.problems
        return ()


def _matched(
    program: Program, configs: Sequence[InputConfig], findings: Findings
) -> tuple[list[Feed], dict[str, InputConfig]]:
    """The feeds, also those that only DataInputConfig names, and what it says of each."""
    feeds, named = list(program.feeds), {}
    needed = _needed(feeds)
    if any(config.name is None for config in configs):
        if len(configs) != len(needed):
            findings.damaged(
                f"DataInputConfig has {len(configs)} shapes without names, expected {len(needed)}, in the "
                f"order of the inputs: {_listed(needed)}"
            )
            return feeds, {}
        configs = [replace(config, name=feed.name) for config, feed in zip(configs, needed, strict=True)]
    for config in configs:
        name = config.name or ""
        feed = _found(name, feeds)
        if feed is None and program.nodes:
            feed = any_node(name, program.nodes)
            feeds += [feed] if feed else []
        if feed is None:
            findings.damaged(
                f"DataInputConfig names {shown(name)}, which is no input of the model; its inputs are "
                f"{_listed(feeds)}"
            )
        elif feed.name in named:
            findings.damaged(f"DataInputConfig names the input {shown(feed.name)} twice")
        else:
            named[feed.name] = replace(config, name=feed.name)
    return feeds, named


def _needed(feeds: Sequence[Feed]) -> list[Feed]:
    return [feed for feed in feeds if not feed.optional and not is_training_switch(feed)]


def _found(name: str, feeds: Sequence[Feed]) -> Feed | None:
    """The feed called `name`: with or without `:0`, with or without its scope."""
    plain = name.removesuffix(":0")
    for feed in feeds:
        if plain in (feed.name, feed.reference.removesuffix(":0")):
            return feed
    found = [
        feed
        for feed in feeds
        for own in [feed.reference.removesuffix(":0")]
        if own.endswith(f"/{plain}") or plain.endswith(f"/{own}")
    ]
    return found[0] if len(found) == 1 else None


def _only(config: InputConfig | None) -> Adapt:
    """What DataInputConfig says of one input alone."""

    def adapt(_: Sequence[InputConfig], __: Sequence[Declared]) -> Sequence[InputConfig]:
        return [config] if config else []

    return adapt


def _declared(feed: Feed) -> Declared:
    return Declared(feed.name, number_type(feed.type).name, feed.shape)


def _listed(feeds: Sequence[Feed]) -> str:
    return listed([_described(feed) for feed in feeds])


def _described(feed: Feed) -> str:
    if dtype_of(feed.type) is None:
        return f"{shown(feed.name)} ({type_name(feed.type)} {model_shape(feed.shape)})"
    return str(_declared(feed))


def _refused(feed: Feed) -> Refused:
    what = "string input: text" if feed.type == STRING else "no tensor of numbers"
    advice = "turn the text into numbers outside of the model" if feed.type == STRING else "use tensors"
    return Refused(
        limits=frozenset([f"{what} is the input {_described(feed)}, which is not compiled; {advice}"])
    )
