"""All probes by the module that they are in, in the order of their definition."""

from __future__ import annotations

import files
import kernel
import network
import outputs
import processes
import resources
from registry import PROBES

MODULES = (files, network, processes, kernel, resources, outputs)
_placed = {name: next((m.__name__ for m in MODULES if hasattr(m, name)), "kernel") for name in PROBES}
GROUPS = {
    module.__name__: [name for name, place in _placed.items() if place == module.__name__]
    for module in MODULES
}
