"""What an inert pickle of PyTorch holds, in words, and what to hand in instead."""

from __future__ import annotations

from typing import Any

from tinsmith.compiler.formats.pickle import Record

SHOWN = 5

_STATES = ("state_dict", "model_state_dict", "model", "net", "weights", "params", "ema")
"""Keys under which training programs keep the weights."""


def advice(place: str) -> str:
    """How a TorchScript file is made of weights."""
    return (
        ". Invalid PyTorch model: only TorchScript and exported programs carry the code that computes it. "
        f"Build it in Python, model.load_state_dict(torch.load({place!r})) if these are its weights, then "
        "torch.jit.trace(model.eval(), example).save('model.pth') and hand in that file"
    )


def describe(value: Any) -> str:
    """The kind of `value`, the unpickled object."""
    if isinstance(value, Record) and value.name.startswith(("torch._utils._rebuild", "torch._tensor")):
        return "a pickled tensor"
    if isinstance(value, Record) and not value.entries:
        return f"a pickled module of the class {value.name[:120]}"
    entries = value.entries if isinstance(value, Record) else value
    if not isinstance(entries, dict):
        return f"a pickled {type(value).__name__}"
    tensors = [key for key, item in entries.items() if _is_tensor(item)]
    if entries and len(tensors) == len(entries):
        shown = ", ".join(repr(str(key)[:60]) for key in tensors[:SHOWN])
        return f"a state_dict of {len(tensors)} tensors ({shown}{', ...' if len(tensors) > SHOWN else ''})"
    keys = ", ".join(repr(str(key)[:60]) for key in list(entries)[: 2 * SHOWN])
    state = next((key for key in _STATES if key in entries), None)
    inner = f"; under {state!r}: {describe(entries[state])}" if state else ""
    return f"a checkpoint of training with the keys {keys}{inner}"


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Record) and value.name.startswith("torch._utils._rebuild")
