"""Lists and dictionaries that a script fills item by item, which ONNX has no values for."""

from __future__ import annotations

import torch

from .blocks import all_nodes, constant

_CONTAINERS = (
    "prim::TupleConstruct",
    "prim::ListConstruct",
    "prim::DictConstruct",
    "prim::Loop",
    "aten::_set_item",
    "aten::insert",
    "aten::pop",
)
"""They change a list, or keep it under another name, by which it may be changed."""


def read_dictionaries(graph: torch._C.Graph) -> None:
    """Replaces what is read from dictionaries that one block fills by what was put there."""
    kinds = ("prim::DictConstruct", "aten::dict")
    for node in [node for node in all_nodes(graph) if node.kind() in kinds]:
        if node.kind() == "prim::DictConstruct" or node.inputsSize() == 0:
            _read_dictionary(node)


def _read_dictionary(made: torch._C.Node) -> None:
    uses = [use.user for use in made.output().uses()]
    sets = [user for user in uses if user.kind() == "aten::_set_item"]
    gets = [user for user in uses if user.kind() == "aten::__getitem__"]
    block = made.owningBlock()
    known = all(constant(user, 1) is not None and user.owningBlock() == block for user in (*sets, *gets))
    if not known or len(uses) != len(sets) + len(gets):
        return
    given = list(made.inputs())
    pairs = list(zip(given[::2], given[1::2], strict=True))
    if any(key.toIValue() is None for key, _ in pairs):
        return
    sets.sort(key=lambda node: sum(other.isBefore(node) for other in sets))
    for get in gets:
        held = {key.toIValue(): value for key, value in pairs}
        held |= {constant(one, 1): list(one.inputs())[2] for one in sets if one.isBefore(get)}
        found = held.get(constant(get, 1))
        if found is None:
            return
        get.output().replaceAllUsesWith(found)
        get.destroy()
    for one in sets:
        one.destroy()


def read_lists(graph: torch._C.Graph) -> None:
    """Gives each use of a list that one block grows a list of what it holds at that time."""
    for node in [node for node in all_nodes(graph) if node.kind() == "prim::ListConstruct"]:
        if any(use.user.kind() == "aten::append" for use in node.output().uses()):
            _read_list(graph, node)


def _changes(user: torch._C.Node) -> bool:
    kind: str = user.kind()
    return kind in _CONTAINERS or (kind.endswith("_") and not kind.endswith("__"))


def _read_list(graph: torch._C.Graph, made: torch._C.Node) -> None:
    grown = made.output()
    users = list({use.user: None for use in grown.uses()})
    appends = [user for user in users if user.kind() == "aten::append"]
    others = [user for user in users if user.kind() != "aten::append"]
    block = made.owningBlock()
    if any(one.owningBlock() != block or one.inputsAt(1) == grown for one in appends):
        return
    if any(_changes(user) and any(user.isBefore(one) for one in appends) for user in others):
        return
    appends.sort(key=lambda node: sum(other.isBefore(node) for other in appends))
    for user in others:
        items = [*made.inputs(), *(one.inputsAt(1) for one in appends if one.isBefore(user))]
        held = graph.create("prim::ListConstruct", items, 1)
        held.insertBefore(user)
        held.output().setType(grown.type())
        held.copyMetadata(made)
        user.replaceInputWith(grown, held.output())
    for one in appends:
        one.destroy()
