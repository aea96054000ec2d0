"""With a declared sysroot no command reads the machine: every path that it asks for is traced."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests import requirements
from tests.bundler.debian import debs
from tests.bundler.debian.debs import File
from tests.bundler.elf_builder import GLIBC, Spec, build
from tests.bundler.rootfs import loader_file

#: The first path of a system call: `openat(AT_FDCWD, "path", …`.
_PATH = re.compile(r'^[^"]*\b\w+\([^"]*"((?:[^"\\]|\\.)*)"')
#: What an interpreter asks for on its way up: its shared libraries, the locale, entropy, itself.
_START = (
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/dev/null",
    "/dev/urandom",
    "/dev/shm",
    "/proc/",
    "/sys/",
    "/usr/lib/locale",
    "/usr/share/locale",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/usr/lib/ssl/openssl.cnf",  # of the library behind hashlib
    "/etc/ssl/openssl.cnf",
)
#: A folder of shared libraries, or one of them: the interpreter's, looked for by its loader.
_LIBRARY = re.compile(
    r"(/usr)?/(lib|lib64|local/lib)(/[a-z0-9_]+-linux-[a-z]+)?(/[\w.+-]+\.so[.\d]*)?/?\Z"
)


def strangers(trace: str, allowed: Iterable[str], folder: str) -> list[str]:
    """The paths in a trace that belong neither to the sandbox nor to the interpreter."""
    out = []
    for line in trace.splitlines():
        match = _PATH.search(line)
        if match is None:
            continue
        path = os.path.normpath(os.path.join(folder, match.group(1)))
        if _LIBRARY.match(path) or any(path == a or path.startswith(a) for a in allowed):
            continue
        if any(f"{start}/".startswith(f"{path.rstrip('/')}/") for start in (folder, *allowed)):
            continue  # a folder on the way to what is allowed
        out.append(path)
    return list(dict.fromkeys(out))


class Sandbox:
    """A folder with inputs; commands run in it under strace."""

    def __init__(self, folder: Path) -> None:
        requirements.working(["strace", "-f", "-o", "/dev/null", "true"])
        self.folder = folder
        source = str(Path(__file__).resolve().parents[2])
        prefixes = {sys.prefix, sys.base_prefix, os.path.realpath(sys.executable), source}
        prefixes |= {entry for entry in sys.path if entry}
        self.allowed = (str(folder), *_START, *sorted(map(os.path.realpath, prefixes)), *prefixes)
        self.path = os.pathsep.join(dict.fromkeys([source, *filter(None, sys.path)]))

    def run(self, *arguments: str, python: tuple[str, ...] = ()) -> list[str]:
        """What is outside. The command must do its work."""
        trace = self.folder.parent / "trace"
        command = python or (sys.executable, "-m", "pants_plugin_minimg.bundler", *arguments)
        done = subprocess.run(
            ["strace", "-f", "-qq", "-e", "trace=%file", "-s", "4096", "-o", trace, *command],
            cwd=self.folder,
            # HOME: without it the interpreter looks it up as it starts, and then ignores it.
            env={"PYTHONPATH": self.path, "HOME": str(self.folder), "LC_ALL": "C", "TZ": "UTC"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return strangers(trace.read_text(errors="replace"), self.allowed, str(self.folder))

    def write(self, name: str, content: Any) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    (tmp_path / "sandbox").mkdir()
    return Sandbox(tmp_path / "sandbox")


def test_the_check_finds_what_is_read_of_the_machine(sandbox: Sandbox) -> None:
    code = "open('/etc/passwd'); import os; os.path.exists('/var/lib/dpkg/status')"
    found = sandbox.run(python=(sys.executable, "-c", code))
    assert found == ["/etc/passwd", "/var/lib/dpkg/status"]


def _package() -> bytes:
    program = build(Spec(interp=GLIBC, needed=(b"libc.so.6",)))
    files = [
        File(f".{GLIBC.decode()}", loader_file(), mode=0o755),
        File("./usr/lib/tri/libc.so.6", build(Spec(soname=b"libc.so.6"))),
        File("./usr/bin/tool", program, mode=0o755),
        File("./usr/lib/os-release", b"ID=debian\nVERSION_ID=12\n"),
        File("./usr/share/doc/tool/copyright", b"Format: x\nLicense: MIT\n"),
        File("./usr/share/ca-certificates/a.crt", _CERTIFICATE),
    ]
    return debs.deb(
        debs.stanza("tool", Maintainer="N <n@example.org>"), debs.tar(debs.parents(files))
    )


_CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"


def test_every_step_from_a_package_to_an_image(sandbox: Sandbox) -> None:
    content = _package()
    sandbox.write("package.deb", content)
    sha = hashlib.sha256(content).hexdigest()
    assert not sandbox.run(
        "unpack", "--deb=package.deb", f"--sha256={sha}", f"--size={len(content)}",
        "--limit=10000000", "--out=packages/tool",
    )  # fmt: skip
    sandbox.write(
        "request.json",
        {
            "version": 1,
            "address": "//a:image",
            "sysroot": {"kind": "debian", "packages": ["packages/tool"], "architecture": "amd64"},
            "executables": ["/usr/bin/tool"],
            "presets": ["ca-certificates", "passwd"],
            "package_records": True,
            "env": {"LD_LIBRARY_PATH": "/opt/lib"},
        },
    )
    assert not sandbox.run("plan", "--request=request.json", "--out=out")
    assert not sandbox.run(
        "layer", "--projection=out/layers/2.json", "--blobs=out/blobs", "--out=layer"
    )
    assert not sandbox.run("sbom", "--plan=out/plan.json", "--blobs=out/blobs", "--out=bom.json")
    config: dict[str, Any] = {"entrypoint": [], "cmd": [], "env": {}, "user": "1:1", "labels": {}}
    config.update(ports=[], volumes=[], workdir=None, stop_signal=None)
    sandbox.write(
        "image.json", {"version": 1, "artifact": "a.tar", "names": [_NAME], "config": config}
    )
    assert not sandbox.run(
        "image", "--request=image.json", "--layer", "layer/layer.json", "--plan=out/plan.json",
        "--layers=layer", "--tar=out.tar", "--out=image",
    )  # fmt: skip


_NAME = {"repository": "a", "tag": "latest", "name": "a:latest", "template": "latest"}


def test_a_root_file_system_and_a_lock(sandbox: Sandbox) -> None:
    program = build(Spec(interp=GLIBC, needed=(b"libc.so.6",)))
    sandbox.write(
        "source",
        debs.tar(
            [
                File(f".{GLIBC.decode()}", loader_file(), mode=0o755),
                File("./usr/lib/tri/libc.so.6", build(Spec(soname=b"libc.so.6"))),
                File("./bin/tool", program, mode=0o755),
            ]
        ),
    )
    assert not sandbox.run("rootfs", "--in=source", "--limit=10000000", "--out=rootfs")
    sysroot = {"kind": "rootfs", "root": "rootfs"}
    sandbox.write(
        "request.json",
        {"version": 1, "address": "//a:i", "sysroot": sysroot, "executables": ["/bin/tool"]},
    )
    assert not sandbox.run("plan", "--request=request.json", "--out=out")
