"""A real Ray cluster of two nodes on this machine. The head places nothing."""

from __future__ import annotations

import importlib.util
import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

STORE_BYTES = 80 << 20
START_SECONDS = 180


def missing() -> str | None:
    """Why no Ray can be started here; None when it can."""
    return None if importlib.util.find_spec("ray") else "no ray here: pip install 'tinsmith[ray]'"


def patient(get_node: Callable[..., Any]) -> Callable[..., Any]:
    """Ray gives a new node 30 s to appear, which a busy machine may need more of."""

    def get(*arguments: Any) -> Any:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return get_node(*arguments)
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    return get


def announced(start: Callable[..., Any]) -> Callable[..., Any]:
    """A raylet waits 15 s for a file in which its agent says what its port is; it is known before."""

    def start_announced(command: list[str], *arguments: Any, **options: Any) -> Any:
        words = [part for each in command for part in each.split()]
        found = {name: value for name, sep, value in (word.partition("=") for word in words) if sep}
        if "--node_id" in found and "--listen-port" in found:
            name = f"dashboard_agent_listen_port_{found['--node_id']}"
            Path(found["--session_dir"], name).write_text(found["--listen-port"])
        return start(command, *arguments, **options)

    return start_announced


class RayCluster:
    """A head, and nodes that can be killed and added."""

    def __init__(self, cpus: int = 8) -> None:
        self.cpus = cpus
        self._cluster: Any = None
        self.node: Any = None
        """The node that runs attempts."""

    def __enter__(self) -> RayCluster:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        from ray._private import services
        from ray.cluster_utils import Cluster

        services.get_node = patient(services.get_node)
        services.start_ray_process = announced(services.start_ray_process)
        head = {"num_cpus": 0, "include_dashboard": False, **_common()}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self.add_node()
        return self

    def __exit__(self, *_: object) -> None:
        self._cluster.shutdown()

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    @property
    def session(self) -> Path:
        """All that Ray writes down."""
        return Path(self._cluster.head_node.get_session_dir_path())

    def add_node(self) -> None:
        """A node with `cpus` processors, as many as are wished for, and the label of the target tests."""
        self.node = self._cluster.add_node(num_cpus=self.cpus, labels={"arch": "x86"}, **_common())

    def kill_node(self) -> None:
        """SIGKILL to everything of the node; returns once the cluster has noticed."""
        self._cluster.remove_node(self.node, allow_graceful=False)


def _common() -> dict[str, int]:
    """Of every node. Ray gives up nodes whose agents take long to choose their ports, so these do not."""
    agents = ("metrics_agent", "metrics_export", "dashboard_agent_listen", "runtime_env_agent")
    names = [f"{agent}_port" for agent in agents]
    with ExitStack() as sockets:
        listeners = [sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in names]
        ports = [int(listener.getsockname()[1]) for listener in listeners]
    options = {"object_store_memory": STORE_BYTES, "include_log_monitor": False}
    return options | dict(zip(names, ports, strict=True))
