"""What a model that took over the compiler would try.

`hostile.py PROBE,PROBE,... WORLD_AS_JSON` prints `PROBE HELD <why>` or `PROBE ESCAPED <what>` for each.
"""

from __future__ import annotations

import ctypes
import errno
import glob
import json
import mmap
import os
import platform
import socket
import sys
from collections.abc import Callable
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
World = dict[str, Any]
PROBES: dict[str, Callable[[World], object]] = {}


class Held(Exception):
    """The attack got nowhere."""


def probe(function: Callable[[World], object]) -> Callable[[World], object]:
    PROBES[function.__name__] = function
    return function


@probe
def tcp_connect(world: World) -> object:
    return socket.create_connection(("127.0.0.1", world["tcp_port"]), 2)


@probe
def tcp_listen(world: World) -> object:
    return socket.create_server(("127.0.0.1", 0))


@probe
def udp_send(world: World) -> object:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))


@probe
def other_families(world: World) -> object:
    opened = []
    for family in (socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET, 40):
        try:
            opened.append(socket.socket(family, socket.SOCK_RAW if family != 40 else socket.SOCK_STREAM))
        except OSError:
            continue
    if not opened:
        raise Held("no family")
    return opened


@probe
def abstract_socket(world: World) -> object:
    socket.socket(socket.AF_UNIX).connect("\0" + world["abstract"])
    return "connected"


@probe
def named_socket(world: World) -> object:
    socket.socket(socket.AF_UNIX).connect(world["named"])
    return "connected"


@probe
def read_other_job(world: World) -> object:
    with open(world["secret_file"]) as file:
        return file.read()


@probe
def list_other_jobs(world: World) -> object:
    return os.listdir(os.path.dirname(world["secret_file"]))


@probe
def read_shadow(world: World) -> object:
    with open("/etc/shadow") as file:
        return file.read(10)


@probe
def read_environments(world: World) -> object:
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as file:
                if world["environment_secret"].encode() in file.read():
                    return path
        except OSError:
            continue
    raise Held("not found")


@probe
def write_shared_folder(world: World) -> object:
    with open(os.path.join(world["shared_folder"], "x"), "w") as file:
        return file.write("x")


@probe
def write_packages(world: World) -> object:
    with open(os.path.join(os.path.dirname(json.__file__), "tinsmith_hostile.py"), "w") as file:
        return file.write("x")


@probe
def link_outside_file(world: World) -> object:
    os.link("/etc/passwd", "stolen")
    return "linked"


@probe
def read_disk(world: World) -> object:
    for name in ("/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/mem", "/dev/kmsg"):
        try:
            return os.open(name, os.O_RDONLY)
        except OSError:
            continue
    raise Held("no device")


@probe
def kill_victim(world: World) -> object:
    for number in (world["victim"], world["service"]):
        try:
            os.kill(number, 0)
        except OSError:
            continue
        if not world["own_process_table"]:
            return f"may signal {number}"
    raise Held("nobody to signal")


@probe
def kill_everyone(world: World) -> object:
    try:
        os.kill(-1, 9)
    except OSError as error:
        raise Held(str(error)) from None
    raise Held("whether somebody died is for the test to see")


@probe
def become_root(world: World) -> object:
    os.setuid(0)
    return os.getuid()


def call(number: int, *arguments: object) -> int:
    result = int(LIBC.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"syscall {number}")
    return result


def system_call(name: str, x86_64: int, aarch64: int, *arguments: object) -> None:
    number = {"x86_64": x86_64, "aarch64": aarch64}[platform.machine()]

    def attack(world: World) -> object:
        try:
            return call(number, *arguments)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOSYS, errno.EACCES):
                raise Held(error.strerror) from None
            return f"the kernel took the call: {error}"

    PROBES[name] = attack


NEW_USER = 0x10000000
system_call("ptrace_traceme", 101, 117, 0, 0, 0, 0)
system_call("process_vm_readv", 310, 270, os.getpid(), 0, 0, 0, 0, 0)
system_call("bpf", 321, 280, 0, 0, 0)
system_call("mount", 165, 40, 0, 0, 0, 0, 0)
system_call("open_tree", 428, 428, -100, b".", 1)
system_call("chroot", 161, 51, b".")
system_call("unshare_user", 272, 97, NEW_USER)
system_call("unshare_network", 272, 97, 0x40000000)
system_call("setns", 308, 268, 0, 0)
system_call("clone_user", 56, 220, NEW_USER | 17, 0, 0, 0, 0)
system_call("clone3", 435, 435, 0, 0)
system_call("keyctl", 250, 219, 0, -3, 0)
system_call("perf_event_open", 298, 241, 0, 0, -1, -1, 0)
system_call("userfaultfd", 323, 282, 1)
system_call("io_uring_setup", 425, 425, 1, 0)
system_call("open_by_handle_at", 304, 265, -100, 0, 0)
system_call("kexec_load", 246, 104, 0, 0, 0, 0)
system_call("inject_into_terminal", 16, 29, 0, 0x5412, b"x")


@probe
def socket_of_32_bit_programs(world: World) -> object:
    code = bytes.fromhex("53 89f8 89f3 89d1 31d2 cd80 5b c3")  # eax, ebx, ecx = arguments; int 0x80
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    function = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int)(address)
    result = function(359, socket.AF_INET, socket.SOCK_STREAM)
    if result < 0:
        raise Held(os.strerror(-result))
    return result


@probe
def socket_of_x32_programs(world: World) -> object:
    return call(0x40000000 | 41, socket.AF_INET, socket.SOCK_STREAM, 0)


@probe
def fork_bomb(world: World) -> object:
    children = 0
    reader, writer = os.pipe()
    try:
        while children < world["processes"]:
            if os.fork() == 0:
                os.close(writer)
                os.read(reader, 1)
                os._exit(0)
            children += 1
    except OSError as error:
        raise Held(f"after {children}: {error}") from None
    return children


@probe
def allocate(world: World) -> object:
    try:
        return len(bytearray(world["memory"]))
    except MemoryError:
        raise Held("no memory") from None


@probe
def huge_file(world: World) -> object:
    with open("huge", "wb") as file:
        file.truncate(world["file"])
    return os.path.getsize("huge")


def main() -> None:
    world = json.loads(sys.argv[2])
    for name in sys.argv[1].split(","):
        try:
            print(name, "ESCAPED", PROBES[name](world), flush=True)
        except (Held, OSError) as error:
            print(name, "HELD", error, flush=True)


if __name__ == "__main__":
    main()
