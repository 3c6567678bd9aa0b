"""Reaching somebody. Whether anything arrived is seen by the listeners."""

from __future__ import annotations

import platform
import socket

from registry import Held, World, call, probe

SECONDS = 2


@probe
def tcp_to_local_service(world: World) -> object:
    return socket.create_connection(("127.0.0.1", world["tcp_port"]), SECONDS)


@probe
def tcp_to_outside(world: World) -> object:
    return socket.create_connection((world["outside"], world["outside_port"]), SECONDS)


@probe
def tcp_to_loopback_6(world: World) -> object:
    return socket.create_connection(("::1", world["tcp6_port"]), SECONDS)


@probe
def tcp_fast_open(world: World) -> object:
    """sendto() connects, without connect()."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.settimeout(SECONDS)
    return opened.sendto(b"x", 0x20000000, ("127.0.0.1", world["fast_port"]))


@probe
def udp(world: World) -> object:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", world["udp_port"]))


@probe
def abstract_socket(world: World) -> object:
    return socket.socket(socket.AF_UNIX).connect("\0" + world["abstract"])


@probe
def named_socket(world: World) -> object:
    return socket.socket(socket.AF_UNIX).connect(world["named"])


@probe
def other_socket_families(world: World) -> object:
    opened = []
    for family, kind in ((16, 3), (17, 3), (40, 1), (38, 5), (2, 3), (10, 2), (30, 2)):
        try:
            opened.append((family, socket.socket(family, kind)))
        except OSError:
            continue
    if not opened:
        raise Held("no family")
    return [family for family, _ in opened]


@probe
def sockets_of_32_bit_programs(world: World) -> object:
    import ctypes
    import mmap
    import os

    if platform.machine() != "x86_64":
        raise Held("not this processor")
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
def sockets_of_x32_programs(world: World) -> object:
    if platform.machine() != "x86_64":
        raise Held("not this processor")
    return call(0x40000000 | 41, socket.AF_INET, socket.SOCK_STREAM, 0)
