"""Where attempts run: a port and its adapters."""

from __future__ import annotations

import sys

from tinsmith.errors import InternalError
from tinsmith.settings import Settings
from tinsmith.worker.engines.local import LocalEngine
from tinsmith.worker.engines.port import Engine

KINDS = ("local", "ray", "slurm")


def make_engine(settings: Settings, owner: str) -> Engine:
    """The engine that `settings` name; `owner` tells this controller's attempts from those of others.

    Raises InternalError when it is unknown or lacks a setting.
    """
    options = settings.engine
    if options.kind == "local":
        return LocalEngine(settings.work_dir, settings.sandbox, options)
    from tinsmith.worker.engines.mailbox import Mailbox
    from tinsmith.worker.engines.ray import RayScheduler
    from tinsmith.worker.engines.remote import RemoteEngine, Scheduler
    from tinsmith.worker.engines.slurm import SlurmScheduler

    if options.kind not in KINDS:
        raise InternalError(f"engine {options.kind!r}: expected one of {', '.join(KINDS)}")
    if options.mailbox is None:
        raise InternalError(f"engine {options.kind}: expected a mailbox, s3://<bucket>/<prefix>")
    mailbox = Mailbox(settings.s3, options.mailbox, options.work_dir)
    python = options.python or sys.executable
    scheduler: Scheduler = SlurmScheduler(owner, python)
    if options.kind == "ray":
        scheduler = RayScheduler(owner, python, options.ray_address)
    return RemoteEngine(scheduler, mailbox, options.placements)
