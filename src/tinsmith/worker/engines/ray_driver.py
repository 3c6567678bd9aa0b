"""The one process of the service that is part of a Ray cluster: asked by `engines.ray`, a line each way.

    python -m tinsmith.worker.engines.ray_driver PARENT_PID ADDRESS OWNER

A process apart, because Ray ends its drivers when it loses the cluster, and because of its size. It has no
state that cannot be found again: attempts are detached actors with names, `<attempt>@<owner>`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import traceback
from typing import IO, Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError
from ray.util import list_named_actors

NAMESPACE = "tinsmith"
READY = "ready"
GET_SECONDS = 5
NOT_FOUND = 127
THREADS = 8
"""Calls that an actor answers at a time: those of each driver that waits for its end, and signals."""


class Runner:
    """The actor: parent of one attempt, on whatever machine Ray chose.

    The attempt is the constructor's business, whose arguments Ray keeps: a call to begin it would be lost
    with a driver that dies before the actor is up.
    """

    def __init__(self, python: str, name: str, envelope: str) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._code: int | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._run, args=(python, name, envelope), daemon=True).start()

    def _run(self, python: str, name: str, envelope: str) -> None:
        """The thread that is here lives as long as the attempt, which would be killed at its end."""
        command = [python, "-P", "-m", "tinsmith.worker.engines.node", name, str(os.getpid())]
        try:
            with self._lock:
                if self._ended.is_set():
                    return
                self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
            self._process.communicate(envelope.encode())
            self._code = self._process.returncode
        except OSError:  # no such interpreter here
            traceback.print_exc()
            self._code = NOT_FOUND
        self._ended.set()

    def wait(self) -> int:
        """The exit code of the attempt, once it has ended."""
        self._ended.wait()
        assert self._code is not None
        return self._code

    def terminate(self) -> None:
        """SIGTERM to the attempt, which does not begin any more if it had not."""
        with self._lock:
            if self._process is not None:
                self._process.terminate()
            else:
                self._code = -15
                self._ended.set()


class Driver:
    """The attempts of `owner`, as far as they are known."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._waits: dict[str, Any] = {}
        """Name of an attempt: the future of its exit code."""
        self._ends: dict[str, dict[str, Any]] = {}
        for name, owner_of in _named():
            if owner_of == owner:
                self._watch(name, ray.get_actor(f"{name}@{owner}", NAMESPACE))

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """What a request's `do` asks for; {"refused": why} for what Ray never takes."""
        do, name = request["do"], request.get("name", "")
        if do == "submit":
            try:
                self._submit(name, request)
            except (ValueError, TypeError) as error:
                return {"refused": str(error)}
        elif do == "terminate" and name in self._waits:
            ray.get_actor(f"{name}@{self._owner}", NAMESPACE).terminate.remote()
        elif do == "remove":
            self._remove(name)
        elif do == "states":
            return {"states": self._states()}
        return {}

    def _submit(self, name: str, request: dict[str, Any]) -> None:
        if name in self._waits:
            return
        needs = {key: value for key, value in request["needs"].items() if value}
        options = ray.remote(Runner).options(
            name=f"{name}@{self._owner}",
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            max_restarts=0,
            max_concurrency=THREADS,
            **needs,
        )
        self._watch(name, options.remote(request["python"], name, request["envelope"]))

    def _watch(self, name: str, actor: Any) -> None:
        self._waits[name] = actor.wait.remote()

    def _states(self) -> dict[str, dict[str, Any] | None]:
        """None for what waits or runs; {"code"} or {"cause"} for what has ended."""
        futures = {future: name for name, future in self._waits.items() if name not in self._ends}
        if futures:
            ended, _ = ray.wait(list(futures), num_returns=len(futures), timeout=0)
            for future in ended:
                self._ends[futures[future]] = _end(future)
        return {name: self._ends.get(name) for name in self._waits}

    def _remove(self, name: str) -> None:
        self._waits.pop(name, None)
        self._ends.pop(name, None)
        for each, owner in _named():
            if each == name:
                try:
                    ray.kill(ray.get_actor(f"{name}@{owner}", NAMESPACE))
                except ValueError:  # it has ended meanwhile
                    continue


def _named() -> list[tuple[str, str]]:
    actors = list_named_actors(all_namespaces=True)
    ours = [actor["name"] for actor in actors if actor["namespace"] == NAMESPACE]
    return [(name, owner) for name, _, owner in (each.rpartition("@") for each in ours)]


def _end(future: Any) -> dict[str, Any]:
    try:
        return {"code": ray.get(future, timeout=GET_SECONDS)}
    except RayActorError as error:
        text = str(error)
        if re.search(r"node.{0,40}(died|dead|terminated|lost)", text, re.IGNORECASE | re.DOTALL):
            return {"cause": "its Ray node died"}
        return {"cause": "its Ray worker died"}
    except GetTimeoutError as error:
        raise ConnectionError(str(error)) from None
    except RayError as error:
        return {"cause": f"Ray lost it: {type(error).__name__}"}


def main() -> None:
    """Answers requests until its stdin ends or the parent does."""
    parent, address, owner = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing that Ray prints may come between the replies
    try:
        ray.init(address, namespace=NAMESPACE, log_to_driver=False, logging_level="ERROR")
        driver = Driver(owner)
    except (RayError, ConnectionError, RuntimeError, ValueError, OSError) as error:
        _reply(replies, {"unavailable": f"{type(error).__name__}: {error}"})
        return
    _reply(replies, {READY: True})
    for line in sys.stdin:
        try:
            _reply(replies, driver.answer(json.loads(line)))
        except (RayError, ConnectionError, RuntimeError, OSError, ValueError) as error:
            _reply(replies, {"unavailable": f"{type(error).__name__}: {error}"})
            return  # the next one begins anew


def _reply(replies: IO[str], reply: dict[str, Any]) -> None:
    replies.write(json.dumps(reply) + "\n")
    replies.flush()


def _die_with(parent: int) -> None:
    # Not by PR_SET_PDEATHSIG: the thread that starts a driver may end before the service does.
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    main()
