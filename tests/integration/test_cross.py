"""Packages of other architectures: every program resolves, and what a plan holds of one runs.

Locked, fetched and unpacked by the bundler's own commands from where this machine's apt takes its
packages. The programs run by qemu's emulators, in a root that holds only the plan's files.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler import loader
from pants_plugin_minimg.bundler.commands.closure import OK, answer
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.loader.starts import Starts
from pants_plugin_minimg.bundler.planning import planner, request
from pants_plugin_minimg.bundler.planning.opening import open_sysroot
from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot
from tests import requirements
from tests.bundler.implied import lay

APT = "/etc/apt"
PACKAGES = ["base-files", "bash", "coreutils", "curl", "file", "findutils", "gawk", "gzip"]
PACKAGES += ["libstdc++6", "mawk", "openssl", "sed", "tar", "xz-utils"]
#: Run in any case: much that is loaded, a link, a shell.
ALWAYS = (b"/usr/bin/curl", b"/usr/bin/openssl", b"/usr/bin/gawk", b"/bin/bash")
SAMPLE = 12
_FOLDERS = (b"/bin", b"/sbin", b"/usr/bin", b"/usr/sbin")


@dataclass(frozen=True)
class Machine:
    """`architecture` is Debian's name, `suite` one that has it."""

    architecture: str
    suite: str
    emulator: str


MACHINES = [
    Machine("arm64", "bookworm", "qemu-aarch64-static"),
    Machine("armhf", "bookworm", "qemu-arm-static"),
    Machine("riscv64", "trixie", "qemu-riscv64-static"),
]


def bundler(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pants_plugin_minimg.bundler", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def mirror(scratch: Path) -> str:
    """Of this machine's own release: an archive has all of its suites in one place.

    Debian 13 is the first that has riscv64.
    """
    requirements.debian_mirror("bookworm")
    listing = scratch / "sources.json"
    bundler("sources", f"--apt={APT}", f"--out={listing}")
    sources = json.loads(listing.read_text())["sources"]
    return next(str(item["uri"]) for item in sources if "bookworm" in item["suites"])


def locked(machine: Machine, scratch: Path) -> list[dict[str, Any]]:
    fields = {
        "version": 1,
        "suites": [machine.suite],
        "components": ["main"],
        "architectures": [machine.architecture],
        "packages": PACKAGES,
        "mirrors": [mirror(scratch)],
        "apt": APT,
        "lockfile": "cross.lock",
    }
    asked, listed = scratch / "request.json", scratch / "scope.json"
    own = {"resolve": "cross", "address": "//cross:sysroot", "keyrings": [], "previous": None}
    asked.write_text(json.dumps({**fields, **own, "gpgv": requirements.program("gpgv")}))
    bundler("lock", f"--request={asked}", f"--out={scratch / 'lock'}")
    scope = {"sysroot": "//cross:sysroot", "command": "lock", "roots": [], "apt_state": None}
    asked.write_text(json.dumps({**fields, **scope, "architecture": machine.architecture}))
    lock = scratch / "lock" / "lock.toml"
    bundler("scope", f"--lock={lock}", f"--request={asked}", f"--out={listed}")
    packages: list[dict[str, Any]] = json.loads(listed.read_text())["packages"]
    return packages


def unpacked(package: dict[str, Any], scratch: Path) -> str:
    """The folder that `unpack` makes of a package that is fetched first."""
    deb, folder = scratch / f"{package['name']}.deb", scratch / package["name"]
    content = b""
    for url in package["urls"]:
        with urllib.request.urlopen(url, timeout=120) as reply:
            content = reply.read()
        if hashlib.sha256(content).hexdigest() == package["sha256"]:
            break
    deb.write_bytes(content)
    facts = [f"--{name}={package[name]}" for name in ("sha256", "size", "limit")]
    bundler("unpack", f"--deb={deb}", *facts, f"--out={folder}")
    return str(folder)


@dataclass
class Cross:
    machine: Machine
    source: dict[str, Any]
    sysroot: Sysroot
    programs: list[bytes]


@pytest.fixture(scope="module", params=MACHINES, ids=lambda machine: machine.architecture)
def cross(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cross]:
    machine: Machine = request.param
    scratch = tmp_path_factory.mktemp(machine.architecture)
    packages = locked(machine, scratch)
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda package: unpacked(package, scratch), packages))
    source = {"kind": "debian", "packages": folders, "architecture": machine.architecture}
    sysroot = open_sysroot(_parse(source).sysroot)
    yield Cross(machine, source, sysroot, list(programs(sysroot)))
    shutil.rmtree(scratch)


def _parse(source: dict[str, Any], **fields: Any) -> request.Request:
    return request.parse({"version": 1, "address": "//t:image", "sysroot": source, **fields})


def programs(sysroot: Sysroot) -> Iterator[bytes]:
    """ELF programs, each by one name."""
    seen = set()
    for folder in _FOLDERS:
        if sysroot.walk(folder).error is not None:
            continue
        for name in sorted(sysroot.scandir(sysroot.walk(folder).real)):
            path = folder + b"/" + name
            walk = sysroot.walk(path)
            if walk.stat is None or walk.stat.kind != "file" or walk.real in seen:
                continue
            seen.add(walk.real)
            try:
                kind = loader.kind(sysroot, path)
            except MinimgError:
                continue
            if kind in ("dynamic", "static", "static-pie"):
                yield path


def test_every_program_resolves(cross: Cross) -> None:
    wrong = []
    starts = Starts(cross.sysroot)
    for path in cross.programs:
        found = answer(starts, path)
        if found.status != OK:
            wrong.append("\n".join(found.lines()))
    print(f"{cross.machine.architecture}: {len(cross.programs)} programs")
    assert not wrong, wrong
    assert len(cross.programs) > 100


def test_programs_run_with_nothing_but_the_files_of_their_plan(
    cross: Cross, tmp_path: Path
) -> None:
    emulator = requirements.program(cross.machine.emulator)
    chroot = requirements.working(["chroot", "/", "/bin/true"])
    others = [path for path in cross.programs if path not in ALWAYS and not _setuid(cross, path)]
    chosen = [*ALWAYS, *random.Random(7).sample(sorted(others), SAMPLE)]
    for number, path in enumerate(chosen):
        wanted = _parse(cross.source, executables=[os.fsdecode(path)])
        scratch, blobs = tmp_path / f"scratch{number}", tmp_path / f"blobs{number}"
        scratch.mkdir()
        plan = planner.build(wanted, cross.sysroot, str(scratch), str(blobs))
        tree = tmp_path / f"tree{number}"
        lay(plan, blobs, tree)
        shutil.copy(emulator, tree / "emulator")
        (tree / "dev").mkdir(exist_ok=True)
        (tree / "dev/null").touch()  # a container has one
        done = subprocess.run(
            [chroot, tree, "/emulator", path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
        )
        said = (done.stdout + done.stderr).decode(errors="replace")
        # Some know no --version and say so; what the loader has to say begins thus.
        assert "error while loading shared libraries" not in said, (path, said)
        assert "Could not open" not in said and "symbol lookup error" not in said, (path, said)
        if path in ALWAYS and not path.endswith(b"openssl"):
            assert done.returncode == 0 and said, (path, said)
        shutil.rmtree(tree)


RISCV64 = Path("/usr/riscv64-linux-gnu/lib")
LIBRARIES = "lib/riscv64-linux-gnu"
GREETING = """
#include <math.h>
#include <stdio.h>
double half(double x);
int main(int count, char **words) {
    printf("%.3f %d\\n", half(cos(count)), count);
    return 0;
}
"""


@pytest.fixture
def riscv64(tmp_path: Path) -> Path:
    """A root with Debian's riscv64 C library, and a program with a library of its own."""
    compiler = requirements.program("riscv64-linux-gnu-gcc")
    root = tmp_path / "root"
    (root / LIBRARIES).mkdir(parents=True)
    for file in RISCV64.glob("*.so.*"):
        shutil.copy(file, root / LIBRARIES, follow_symlinks=False)
    (loader_file,) = RISCV64.glob("ld-linux-riscv64-*.so.1")
    (root / "lib" / loader_file.name).symlink_to(f"riscv64-linux-gnu/{loader_file.name}")
    for folder in ("bin", "lib"):
        (root / "opt/app" / folder).mkdir(parents=True)
    library, program = root / "opt/app/lib/libhalf.so.1", root / "opt/app/bin/main"
    (tmp_path / "half.c").write_text("double half(double x) { return x / 2; }")
    (tmp_path / "main.c").write_text(GREETING)
    flags = ["-shared", "-fPIC", "-Wl,-soname,libhalf.so.1"]
    subprocess.run([compiler, *flags, tmp_path / "half.c", "-o", library], check=True)
    search = "-Wl,-rpath,$ORIGIN/../lib"
    subprocess.run(
        [compiler, tmp_path / "main.c", library, "-lm", search, "-o", program], check=True
    )
    return root


def test_riscv64_as_its_own_loader_has_it(riscv64: Path, tmp_path: Path) -> None:
    """In the order of its own loader, which the emulator runs too."""
    emulator = requirements.program("qemu-riscv64-static")
    chroot = requirements.working(["chroot", "/", "/bin/true"])
    source = {"kind": "dir", "root": str(riscv64), "architecture": "riscv64"}
    wanted = _parse(source, executables=["/opt/app/bin/main"])
    (tmp_path / "scratch").mkdir()
    sysroot = open_sysroot(wanted.sysroot)
    plan = planner.build(wanted, sysroot, str(tmp_path / "scratch"), str(tmp_path / "blobs"))
    assert plan.platform == {"os": "linux", "architecture": "riscv64"}
    tree = tmp_path / "tree"
    lay(plan, tmp_path / "blobs", tree)
    shutil.copy(emulator, tree / "emulator")

    def run_there(*command: str) -> str:
        return subprocess.check_output([chroot, tree, "/emulator", *command], text=True)

    assert run_there("/opt/app/bin/main", "x").split() == ["-0.208", "2"]
    closure = loader.resolve(sysroot, b"/opt/app/bin/main")
    assert closure.interpreter is not None
    listed = run_there(os.fsdecode(closure.interpreter), "--list", "/opt/app/bin/main")
    names = [line.split()[0] for line in listed.splitlines()]
    names = [name for name in names if not name.startswith(("linux-vdso", "/lib/ld-"))]
    assert names == [os.fsdecode(item.name) for item in closure.loaded if item.via != "interp"]


def _setuid(cross: Cross, path: bytes) -> bool:
    """An image refuses them (MINIMG-E013)."""
    stat = cross.sysroot.walk(path).stat
    return stat is not None and bool(stat.mode & 0o6000)
