"""With a declared sysroot no command reads the machine: every path that it asks for is traced."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler.debian.lockfile import Lock, Package, render
from pants_plugin_minimg.bundler.planning import planner
from pants_plugin_minimg.bundler.planning.request import parse
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot
from tests import requirements
from tests.bundler import implied, traces
from tests.bundler.debian import debs
from tests.bundler.debian.debs import File
from tests.bundler.elf_builder import GLIBC, Spec, build
from tests.bundler.implied import asks, holding, note, with_notes
from tests.bundler.python.pexes import pex
from tests.bundler.rootfs import loader_file
from tests.bundler.tools import tool_of


class Sandbox:
    """A folder with inputs; commands run in it under strace."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    def bundler(self, *arguments: str) -> list[str]:
        """What a command asks for outside. It must do its work."""
        return self.python("-m", "pants_plugin_minimg.bundler", *arguments)

    def python(self, *arguments: str) -> list[str]:
        return traces.strangers(traces.run([sys.executable, *arguments], self.folder), self.folder)

    def write(self, name: str, content: Any) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())

    def read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_bytes())


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path / "sandbox")


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("open('/etc/passwd')", ["/etc/passwd"]),
        ("os.path.exists('/var/lib/dpkg/status')", ["/var/lib/dpkg/status"]),
        ("os.listdir('/usr/lib')", ["/usr/lib"]),
        ("os.path.exists('/usr/lib/libfoo.so.1')", ["/usr/lib/libfoo.so.1"]),
        ("os.path.exists('../../../../../../../../etc/x')", ["/etc/x"]),
        ("os.symlink('/etc/passwd', 'link'); open('link')", ["/etc/passwd"]),
        ("subprocess.run(['/bin/cat', '/etc/hostname'])", ["/bin/cat", "/etc/hostname"]),
        ("open('inside', 'w'); os.path.exists('absent')", []),
    ],
)
def test_the_check_finds_what_is_read_of_the_machine(
    sandbox: Sandbox, code: str, found: list[str]
) -> None:
    assert sandbox.python("-c", f"import os, subprocess; {code}") == found


_CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"
_LIBRARIES = "./usr/lib/tri"


def _files() -> list[File]:
    """A program that asks at run time for what the machine has and the sysroot has not."""
    program = holding(
        b"libsqlite3.so.0",
        imports=(b"dlopen", b"getpwnam", b"iconv_open"),
        interp=GLIBC,
        needed=(b"libc.so.6", b"libstdc++.so.6"),
    )
    notes = note([asks("libpcre2-8.so.0", priority="recommended"), asks("libzstd.so.1")])
    return [
        File(f".{GLIBC.decode()}", loader_file(), mode=0o755),
        File(f"{_LIBRARIES}/libc.so.6", build(Spec(soname=b"libc.so.6"))),
        File(f"{_LIBRARIES}/libstdc++.so.6", build(Spec(soname=b"libstdc++.so.6"))),
        File(f"{_LIBRARIES}/libzstd.so.1", build(Spec(soname=b"libzstd.so.1"))),
        File("./usr/bin/tool", with_notes(program, notes), mode=0o755),
        File("./usr/bin/script", b"#! /usr/bin/tool -x\n", mode=0o755),
        File("./etc/nsswitch.conf", b"passwd: files systemd\n"),
        File("./usr/lib/os-release", b"ID=debian\nVERSION_ID=12\n"),
        File("./usr/share/doc/tool/copyright", b"Format: x\nLicense: MIT\n"),
        File("./usr/share/ca-certificates/a.crt", _CERTIFICATE),
    ]


def _wanted(**sysroot: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "address": "//a:image",
        "sysroot": sysroot,
        "executables": ["/usr/bin/script"],
        "include": ["/etc/*.conf", "/usr/share/ca-certificates"],
        "presets": ["ca-certificates", "passwd"],
        "package_records": True,
        "pack": True,
        "dlopen": ["required", "recommended"],
        "allowed_missing": ["libpcre2-8.so.0"],
        "env": {"LD_LIBRARY_PATH": "/opt/lib", "LANG": "C.UTF-8", "TZ": "Europe/Prague"},
    }


def _image(sandbox: Sandbox) -> None:
    """The steps from a plan in `out` to a tar and a bill of materials."""
    layers = sorted(path.name for path in (sandbox.folder / "out/layers").iterdir())
    assert len(layers) == 3
    for name in layers:
        assert not sandbox.bundler(
            "layer", f"--projection=out/layers/{name}", "--blobs=out/blobs", f"--out=layer-{name}"
        )
        shutil.copytree(
            sandbox.folder / f"layer-{name}", sandbox.folder / "layer", dirs_exist_ok=True
        )
    config: dict[str, Any] = {"entrypoint": [], "cmd": [], "env": {}, "user": "1:1", "labels": {}}
    config.update(ports=[], volumes=[], workdir=None, stop_signal=None)
    named = {"repository": "a", "tag": "latest", "name": "a:latest", "template": "latest"}
    image = {"version": 1, "artifact": "a.tar", "names": [named], "config": config}
    sandbox.write("image.json", image)
    assert not sandbox.bundler(
        "image", "--request=image.json", "--plan=out/plan.json", "--out=image",
        "--inventory=out/inventory.json",
        "--layer", *(f"layer-{name}/layer.json" for name in layers),
        "--layers=layer", "--tar=whole.tar",
    )  # fmt: skip
    assert sandbox.read("image/sbom.cdx.json")["metadata"]["component"]["name"] == "a:latest"
    blobs = Path("blobs/sha256")
    shutil.copytree(
        sandbox.folder / "layer" / blobs,
        sandbox.folder / "image/layout" / blobs,
        dirs_exist_ok=True,
    )
    assert not sandbox.bundler("tar", "--layout=image/layout", "--out=again.tar")
    again, whole = sandbox.folder / "again.tar", sandbox.folder / "whole.tar"
    assert again.read_bytes() == whole.read_bytes()


def test_every_step_from_packages_to_an_image(sandbox: Sandbox) -> None:
    files = debs.tar(debs.parents(_files()))
    content = debs.deb(debs.stanza("tool", Maintainer="N <n@example.org>"), files)
    sandbox.write("package.deb", content)
    sha = hashlib.sha256(content).hexdigest()
    assert not sandbox.bundler(
        "unpack", "--deb=package.deb", f"--sha256={sha}", f"--size={len(content)}",
        "--limit=10000000", "--out=packages/tool",
    )  # fmt: skip
    wanted = _wanted(kind="debian", packages=["packages/tool"], architecture="amd64")
    sandbox.write("request.json", wanted)
    assert not sandbox.bundler("plan", "--request=request.json", "--out=out")
    paths = {entry["path"] for entry in sandbox.read("out/plan.json")["entries"]}
    assert {"/usr/lib/tri/libstdc++.so.6", "/usr/lib/tri/libzstd.so.1"} <= paths
    assert not any("pcre2" in path or "sqlite" in path for path in paths)
    _image(sandbox)


def test_every_step_from_a_root_file_system_to_an_image(sandbox: Sandbox) -> None:
    stanza = debs.stanza("tool", Status="install ok installed").encode()
    database = [
        File("./var/lib/dpkg/status", stanza),
        File("./var/lib/dpkg/info/tool.list", b"/.\n/usr/bin/tool\n"),
    ]
    sandbox.write("source", debs.tar(debs.parents([*_files(), *database])))
    assert not sandbox.bundler("rootfs", "--in=source", "--limit=10000000", "--out=rootfs")
    plans = []
    for lists in ({}, {"lists": "rootfs/lists.index"}):
        sandbox.write("request.json", _wanted(kind="rootfs", root="rootfs", **lists))
        assert not sandbox.bundler("plan", "--request=request.json", "--out=out")
        plans.append(sandbox.read("out/plan.json"))
    assert plans[0] == plans[1]
    assert [package["name"] for package in plans[0]["packages"]] == ["tool"]
    _image(sandbox)


def test_the_scope_of_an_image_in_a_lock(sandbox: Sandbox) -> None:
    package = Package(
        name="git",
        sysroot="amd64",
        version="1",
        architecture="amd64",
        suite="bookworm",
        path="pool/main/g/git/git_1_amd64.deb",
        sha256="0" * 64,
        size=10,
        installed=10,
        source="git 1",
        depends=(),
        because="asked for",
    )
    lock = Lock(
        origin="Debian",
        timestamp="20260711T161637Z",
        suites=("bookworm",),
        components=("main",),
        architectures=("amd64",),
        packages=("git",),
        package=(package,),
    )
    sandbox.write("a.lock", render(lock, "a").encode())
    request: dict[str, Any] = {"version": 1}
    request.update(sysroot="//:a", lockfile="a.lock", command="x", architecture="amd64")
    request.update(suites=["bookworm"], components=["main"], architectures=["amd64"])
    request.update(packages=["git"], roots=["git"], mirrors=["http://mirror.test/debian"])
    sandbox.write("request.json", {**request, "apt": "/etc/apt"})
    assert not sandbox.bundler("scope", "--lock=a.lock", "--request=request.json", "--out=out.json")
    assert len(sandbox.read("out.json")["packages"]) == 1


def test_upx_and_what_it_runs_with(sandbox: Sandbox) -> None:
    tool_of(requirements.program("upx"), sandbox.folder / "tool")
    with open(requirements.program("git"), "rb") as file:
        content = file.read()
    sandbox.write("content", content)
    sha = hashlib.sha256(content).hexdigest()
    assert not sandbox.bundler(
        "pack", "--tool=tool", "--content=content", f"--sha={sha}", "--arg=-1", "--out=out"
    )
    assert sandbox.read(f"out/packed/{sha}.json")["outcome"] == "packed"


def test_the_python_of_a_sysroot(sandbox: Sandbox) -> None:
    """It runs while the image is planned, and sees its own library alone."""
    library = "/usr/lib/python3.*"
    parts = ("*.py", "encodings", "json", "logging", "importlib", "collections", "email", "html")
    request = {
        "version": 1,
        "address": "//a:image",
        "executables": [requirements.program("/usr/bin/python3")],
        "include": [f"{library}/{part}" for part in parts],
    }
    scratch = sandbox.folder.parent
    host = planner.build(
        parse(request), DirSysroot(b"/"), str(scratch), os.fspath(scratch / "blobs")
    )
    root = sandbox.folder / "root"
    implied.lay(host, scratch / "blobs", root)
    (sandbox.folder / "app").mkdir()
    pex(sandbox.folder / "app/app.pex", "zipapp", {"app.py": b"import json"}, entry_point="app")
    tree = {"root": "app", "origin": "//a:app", "role": "pex", "primary": True}
    wanted = {"version": 1, "address": "//a:image", "sysroot": {"kind": "dir", "root": "root"}}
    wanted.update(trees=[tree], python_bytecode=True, python_stdlib="reachable")
    sandbox.write("request.json", wanted)
    assert not sandbox.bundler("plan", "--request=request.json", "--out=out")
    paths = {entry["path"] for entry in sandbox.read("out/plan.json")["entries"]}
    assert any("/json/__pycache__/decoder.cpython-3" in path for path in paths)
    assert not any("/html/" in path for path in paths)
