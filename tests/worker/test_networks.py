from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinsmith.errors import ClientError, InternalError
from tinsmith.worker.networks import Network, network_of, read_networks

FILE = """
[private]
subnets = ["subnet-a", "subnet-b"]
security-groups = ["sg-a"]
namespace = "private"
s3-endpoint = "http://10.9.0.1:8333"

[outward]
subnets = ["subnet-c"]
security-groups = ["sg-c"]
proxy = "http://egress.internal:3128"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "networks.toml"
    path.write_text(text)
    return path


@pytest.fixture
def networks(tmp_path: Path) -> tuple[Network, ...]:
    return read_networks(written(tmp_path, FILE))


def test_ids_mean_the_network_that_has_them(networks: tuple[Network, ...]) -> None:
    private = network_of(networks, {"Subnets": ["subnet-b", "subnet-a"], "SecurityGroupIds": ["sg-a"]})
    assert (private.namespace, private.proxy, private.s3_endpoint) == (
        "private",
        None,
        "http://10.9.0.1:8333",
    )
    outward = network_of(networks, {"Subnets": ["subnet-c"], "SecurityGroupIds": ["sg-c"]})
    assert (outward.namespace, outward.proxy) == (None, "http://egress.internal:3128")


def test_unknown_ids_are_all_named_in_the_words_of_ec2(networks: tuple[Network, ...]) -> None:
    with pytest.raises(ClientError) as caught:
        network_of(networks, {"Subnets": ["subnet-a", "subnet-x"], "SecurityGroupIds": ["sg-y"]})
    assert str(caught.value) == (
        "VpcConfig: The subnet ID 'subnet-x' does not exist. | The security group 'sg-y' does not exist."
    )


def test_without_networks_every_id_is_unknown() -> None:
    with pytest.raises(ClientError, match="'subnet-a' does not exist"):
        network_of((), {"Subnets": ["subnet-a"], "SecurityGroupIds": ["sg-a"]})


def test_a_job_lies_in_one_network(networks: tuple[Network, ...]) -> None:
    with pytest.raises(ClientError, match=r"several networks \(outward: sg-c; private: subnet-a\)"):
        network_of(networks, {"Subnets": ["subnet-a"], "SecurityGroupIds": ["sg-c"]})


def test_all_that_is_wrong_with_a_file_is_said(tmp_path: Path) -> None:
    text = """
    one = 1
    [two]
    subnets = "subnet-a"
    security-groups = []
    proxy = 5
    namespace = "../x"
    colour = "red"
    """
    with pytest.raises(InternalError) as caught:
        read_networks(written(tmp_path, text))
    for part in (
        "one: expected a table, found 1",
        "two.subnets: expected a list of ids, found 'subnet-a'",
        "two.security-groups: expected a list of ids, found []",
        "two.proxy: expected a text, found 5",
        "two: expected either namespace or proxy",
        "two.namespace: expected a name, found '../x'",
        "two: colour is not known",
    ):
        assert part in str(caught.value)


def test_an_id_is_of_one_network(tmp_path: Path) -> None:
    table = 'subnets = ["subnet-a"]\nsecurity-groups = ["sg-a"]\nnamespace = "x"\n'
    with pytest.raises(InternalError, match=r"sg-a is of several networks: one, two\. \| subnet-a is of"):
        read_networks(written(tmp_path, f"[one]\n{table}[two]\n{table}"))


@pytest.mark.parametrize("text", ["[one", "\x00", "a = "])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InternalError, match=r"networks\.toml"):
        read_networks(written(tmp_path, text))


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace with nothing but a loopback device."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and `ip`")
    name = f"tinsmith-{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True)


def test_a_process_that_enters_sees_that_network_alone(namespace: str) -> None:
    program = f"""
import socket, subprocess, sys
from tinsmith.worker.networks import enter
enter({namespace!r})
print(sorted(name for _, name in socket.if_nameindex()))
child = "import socket; socket.create_connection(('127.0.0.1', int(__import__('sys').argv[1])), 2)"
sys.exit(subprocess.call([sys.executable, "-c", child, sys.argv[1]], stderr=subprocess.DEVNULL))
"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        run = subprocess.run(
            [sys.executable, "-c", program, port], capture_output=True, text=True, check=False
        )
        assert run.stdout.strip() == "['lo']", run.stderr
        assert run.returncode == 1  # the service's own loopback is out of the child's reach
        socket.create_connection(("127.0.0.1", int(port)), 2).close()


def test_a_namespace_that_is_not_there_cannot_be_entered() -> None:
    program = "from tinsmith.worker.networks import enter; enter('tinsmith-nowhere')"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "/run/netns/tinsmith-nowhere cannot be entered: No such file or directory." in run.stderr
