"""Reading and changing what is not the job's. What is read is printed: the outside knows the secrets."""

from __future__ import annotations

import glob
import os
import subprocess
import sys

from registry import Held, World, probe


def _read(path: str) -> object:
    with open(path, "rb") as file:
        return file.read(400)


def _append(path: str) -> object:
    with open(path, "ab") as file:
        return file.write(b"x")


@probe
def read_other_job(world: World) -> object:
    return _read(world["job_file"])


@probe
def write_other_job(world: World) -> object:
    return _append(world["job_file_to_write"])


@probe
def list_other_jobs(world: World) -> object:
    return os.listdir(os.path.dirname(world["job_file"]))


@probe
def open_other_jobs_folder(world: World) -> object:
    """Its mode, that everybody may come in."""
    return os.chmod(os.path.dirname(world["job_file"]), 0o777)


@probe
def read_identities(world: World) -> object:
    return _read(world["identities"])


@probe
def read_master_key(world: World) -> object:
    return _read(world["master_key"])


@probe
def read_database(world: World) -> object:
    return _read(world["database"])


@probe
def write_database(world: World) -> object:
    return _append(world["database_to_write"])


@probe
def open_secrets_to_all(world: World) -> object:
    return os.chmod(world["mode_file"], 0o666)


@probe
def read_shadow(world: World) -> object:
    return len(str(_read("/etc/shadow")))


@probe
def read_home_key(world: World) -> object:
    return _read(world["home_key"])


@probe
def read_home_key_by_proc_root(world: World) -> object:
    return _read(f"/proc/{world['service']}/root{world['home_key']}")


@probe
def read_environ_of_service(world: World) -> object:
    return _read(f"/proc/{world['service']}/environ")


@probe
def read_environ_of_other_job(world: World) -> object:
    return _read(f"/proc/{world['neighbour']}/environ")


@probe
def read_every_environ(world: World) -> object:
    found = b""
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as file:
                found += b"".join(part for part in file.read().split(b"\0") if part.startswith(b"SECRET"))
        except OSError:
            continue
    return found


@probe
def read_command_line_of_service(world: World) -> object:
    return _read(f"/proc/{world['service']}/cmdline")


@probe
def read_inherited_descriptors(world: World) -> object:
    found = []
    for number in range(3, 4096):
        try:
            found.append(os.pread(number, 100, 0))
        except OSError:
            continue
    if not found:
        raise Held("none is open")
    return found


@probe
def write_machines_tmp(world: World) -> object:
    return _append(world["tmp_file"])


@probe
def write_machines_shm(world: World) -> object:
    return _append(world["shm_file"])


@probe
def write_packages(world: World) -> object:
    return _append(os.path.join(world["packages"], world["planted"]))


@probe
def write_interpreter(world: World) -> object:
    return _append(os.path.join(world["interpreter"], world["planted"]))


@probe
def link_secret_into_folder(world: World) -> object:
    os.link(world["identities"], "stolen")
    return _read("stolen")


@probe
def run_set_user_id_program(world: World) -> object:
    done = subprocess.run([world["suid"], world["root_file"]], capture_output=True, check=False)
    if done.returncode:
        raise Held(done.stderr.decode()[-80:])
    return done.stdout


@probe
def read_disk(world: World) -> object:
    for name in ("/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/mem", "/dev/kmem", "/dev/kmsg", "/dev/port"):
        try:
            return name, os.open(name, os.O_RDONLY)
        except OSError:
            continue
    raise Held("no device opens")


@probe
def make_device(world: World) -> object:
    os.mknod("memory", 0o600 | 0o020000, os.makedev(1, 5))
    return os.open("memory", os.O_RDONLY)


@probe
def read_kernel_memory_map(world: World) -> object:
    with open("/proc/kallsyms") as file:
        address = int(file.readline().split()[0], 16)
    if not address:
        raise Held("addresses are hidden")
    return address


@probe
def write_kernel_setting(world: World) -> object:
    return open("/proc/sys/kernel/core_pattern", "a").close() or "opened for writing"


@probe
def write_cgroup(world: World) -> object:
    """Leave the group, or raise its limit."""
    for place in [*glob.glob("/sys/fs/cgroup/*/cgroup.procs"), "/sys/fs/cgroup/cgroup.procs"]:
        try:
            open(place, "a").close()
            return place
        except OSError:
            continue
    raise Held("no group opens")


@probe
def import_from_folder_of_service(world: World) -> object:
    """A module of ours in the folder where the service's programs start."""
    return [path for path in sys.path if path in ("", ".", os.getcwd())] or _append(world["planted_module"])
