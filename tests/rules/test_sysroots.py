"""From what an image says of its sysroot to what its plan reads."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pants.core.target_types import FileTarget
from pants.engine.addresses import Address, UnparsedAddressInputs
from pants.engine.process import Process, ProcessCacheScope
from pants.engine.target import Target
from pants.testutil.option_util import create_subsystem

from pants_plugin_minimg.bundler.commands import scope as cli_scope
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.subsystems.bundler import BundlerError
from pants_plugin_minimg.subsystems.debian import DebianSubsystem
from pants_plugin_minimg.sysroot_targets import RootfsSysrootTarget
from pants_plugin_minimg.util_rules import sysroots
from pants_plugin_minimg.util_rules.closure import Sysroot
from pants_plugin_minimg.util_rules.host import HostAccess, UnusableSysroot
from pants_plugin_minimg.util_rules.sysroots import Wanted
from tests.rules import debian_lock
from tests.rules.debian_lock import MIRROR, package
from tests.rules.fake_engine import (
    BUNDLER,
    SWEPT,
    Failed,
    FakeEngine,
    Tree,
    arguments,
    install,
)

IMAGE = "a:image"
HERE = HostAccess(None)
NOT_HERE = HostAccess("it rains", local=False)
ROOTFS = RootfsSysrootTarget({"source": ":tar"}, Address("s", target_name="alpine"))


def wanted(
    sysroot: str | None,
    packages: Sequence[str] = (),
    architecture: str | None = None,
    alternatives: Mapping[str, str] | None = None,
) -> Wanted:
    inputs = (
        None
        if sysroot is None
        else UnparsedAddressInputs(
            (sysroot,), owning_address=None, description_of_origin="the `sysroot` field"
        )
    )
    return Wanted(IMAGE, inputs, packages, architecture, alternatives or {})


class Sandbox:
    """The commands that make sysroots; `scope` is the real one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, argv: tuple[str, ...], inputs: Tree) -> Tree:
        out = argv[-1].partition("=")[2]
        if argv[0] == "scope":
            return {out: self._scope(argv[1].partition("=")[2], inputs)}
        if argv[0] == "rootfs":
            return {f"{out}/0.tar": inputs["source"]}
        if argv[0] == "list-index":
            return {out: b"indexed"}
        assert argv[0] == "unpack"
        (package,) = inputs.values()
        return {f"{out}/data.tar": package}

    def _scope(self, lock: str, inputs: Tree) -> bytes:
        paths = {}
        for name in (lock, "request.json"):
            paths[name] = self.folder / Path(name).name
            paths[name].write_bytes(inputs[name])
        found = self.folder / "scope.json"
        options = argparse.Namespace(
            lock=str(paths[lock]), request=str(paths["request.json"]), out=str(found)
        )
        try:
            cli_scope.run_scope(options)
        except MinimgError as error:
            raise Failed(2, str(error)) from None
        return found.read_bytes()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeEngine:
    return install(monkeypatch, Sandbox(tmp_path))


def prepare(fake: FakeEngine, asked: Wanted, access: HostAccess = HERE) -> Sysroot:
    options = create_subsystem(DebianSubsystem, mirrors=[MIRROR], keyrings=[], timestamp=None)
    return fake.run(sysroots.prepare(BUNDLER, asked, access, options))


def refusal(fake: FakeEngine, asked: Wanted, access: HostAccess = HERE) -> str:
    with pytest.raises(BundlerError) as caught:
        prepare(fake, asked, access)
    return str(caught.value)


def repository(fake: FakeEngine, *packages: Any, **values: Any) -> None:
    """A sysroot with these packages, all of them on the mirror."""
    target = debian_lock.sysroot(**values)
    fake.add(target, debian_lock.lock(target, *packages))
    fake.targets[":bookworm"] = target
    fake.served.update(debian_lock.served(*packages))


# -- This machine ----------------------------------------------------------------------------------


def test_without_a_sysroot_it_is_this_machine(fake: FakeEngine) -> None:
    sysroot = prepare(fake, wanted(None))
    assert (sysroot.request, sysroot.of_host) == ({"kind": "host", "lists": None}, True)
    assert [fake.tree(digest) for digest in sysroot.digests] == [{"sweep.json": SWEPT.encode()}]
    assert fake.commands() == []


def test_what_its_packages_list_is_indexed_once(fake: FakeEngine) -> None:
    swept = json.dumps({"folders": ["/usr/bin", "/var/lib/dpkg/info"]})
    fake.machine = lambda consulted: swept
    scope = ProcessCacheScope.PER_SESSION
    sysroot = prepare(fake, wanted(None), HostAccess(None, scope=scope))
    assert sysroot.request == {"kind": "host", "lists": "lists.index"}
    (index,) = fake.processes
    assert arguments(index) == ("list-index", "--sweep=sweep.json", "--out=lists.index")
    assert index.cache_scope == scope
    assert fake.tree(index.input_digest) == {"sweep.json": swept.encode()}
    (digest,) = sysroot.digests
    assert fake.tree(digest) == {"sweep.json": swept.encode(), "lists.index": b"indexed"}


def test_this_machine_is_refused_before_it_is_looked_at(fake: FakeEngine) -> None:
    with pytest.raises(UnusableSysroot, match="^MINIMG-E019 a:image: .*it rains"):
        prepare(fake, wanted(None), NOT_HERE)
    assert fake.processes == []


# -- Packages --------------------------------------------------------------------------------------

BASE, GIT, LIBC = package("base-files"), package("git", ["libc6"]), package("libc6")


def test_of_packages(fake: FakeEngine) -> None:
    repository(fake, BASE, GIT, LIBC)
    asked = wanted(":bookworm", alternatives={"/usr/bin/awk": "/usr/bin/mawk"})
    sysroot = prepare(fake, asked, NOT_HERE)
    assert sysroot == Sysroot(
        {
            "kind": "debian",
            "packages": ("packages/base-files", "packages/git", "packages/libc6"),
            "alternatives": {"/usr/bin/awk": "/usr/bin/mawk"},
            "architecture": "amd64",
        },
        sysroot.digests,
        of_host=False,
    )
    json.dumps(sysroot.request)
    assert [fake.tree(digest) for digest in sysroot.digests] == [
        {f"packages/{name}/data.tar": debian_lock.deb(name)}
        for name in ("base-files", "git", "libc6")
    ]
    assert fake.commands() == ["scope", "unpack", "unpack", "unpack"]
    assert len(fake.downloads) == 1


def test_an_image_takes_what_its_packages_reach_and_base_files(fake: FakeEngine) -> None:
    repository(fake, BASE, GIT, LIBC, package("emacs"), packages=["git", "emacs"])
    sysroot = prepare(fake, wanted(":bookworm", packages=["git"]))
    assert sysroot.request["packages"] == (
        "packages/base-files",
        "packages/git",
        "packages/libc6",
    )
    assert not [url for url in fake.downloads[0] if "emacs" in url]


@pytest.mark.parametrize("architecture", [None, "arm64"])
def test_the_architecture_is_the_images_or_the_first(
    fake: FakeEngine, architecture: str | None
) -> None:
    every = [
        package(name, version=version, architecture=name_of)
        for name_of, version in (("s390x", "1"), ("arm64", "2"))
        for name in ("base-files", "git")
    ]
    repository(fake, *every, architectures=["s390x", "arm64"])
    sysroot = prepare(fake, wanted(":bookworm", architecture=architecture))
    assert sysroot.request["architecture"] == (architecture or "s390x")
    version = "1" if architecture is None else "2"
    assert [url.rpartition("_")[2] for url in fake.downloads[0]] == [f"{version}.deb"] * 2


def test_a_package_that_is_not_locked_is_told_with_the_command(fake: FakeEngine) -> None:
    repository(fake, BASE, GIT, LIBC)
    line = refusal(fake, wanted(":bookworm", packages=["emacs"]))
    assert line.startswith("MINIMG-E023 s:bookworm: ") and "emacs" in line
    assert fake.downloads == []


def test_a_lock_of_other_fields_is_told_with_the_command(fake: FakeEngine) -> None:
    repository(fake, BASE, GIT, LIBC)
    fake.targets[":bookworm"] = debian_lock.sysroot(packages=["git", "less"])
    line = refusal(fake, wanted(":bookworm"))
    assert "MINIMG-E023 s:bookworm: " in line and "less added" in line
    assert "generate-lockfiles --resolve=bookworm`" in line


def test_no_mirror_has_a_package(fake: FakeEngine) -> None:
    repository(fake, BASE, GIT, LIBC)
    del fake.served[f"{MIRROR}/{GIT.path}"]
    line = refusal(fake, wanted(":bookworm"))
    assert line.startswith(f"MINIMG-E024 s:bookworm: no mirror has {GIT.path}: ")
    assert fake.commands() == ["scope"]


def _built(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *packages: Any, **values: Any
) -> tuple[Sysroot, list[Process]]:
    """An image of the package git; without `scope`, which is no part of what is made."""
    fake = install(monkeypatch, Sandbox(folder))
    repository(fake, *packages, **values)
    sysroot = prepare(fake, wanted(":bookworm", packages=["git"]))
    return sysroot, [process for process in fake.processes if arguments(process)[0] != "scope"]


def test_a_package_that_the_image_does_not_reach_changes_no_process_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = _built(monkeypatch, tmp_path, BASE, GIT, LIBC)
    more = [package("emacs", ["libx11"]), package("libx11")]
    after = _built(monkeypatch, tmp_path, BASE, GIT, LIBC, *more, packages=["git", "emacs"])
    assert after == before
    assert [arguments(process)[0] for process in after[1]] == ["unpack"] * 3


def test_a_newer_package_is_the_only_one_that_is_unpacked_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, before = _built(monkeypatch, tmp_path, BASE, GIT, LIBC)
    _, after = _built(monkeypatch, tmp_path, BASE, GIT, package("libc6", version="2"))
    assert [one == other for one, other in zip(before, after)] == [True, True, False]


# -- A root file system ----------------------------------------------------------------------------


def add_rootfs(fake: FakeEngine) -> None:
    tar = FileTarget({"source": "alpine.tar"}, Address("s", target_name="tar"))
    fake.add(tar, {"s/alpine.tar": b"a tar"})
    fake.add(ROOTFS)
    fake.targets.update({":tar": tar, ":alpine": ROOTFS})


@pytest.mark.parametrize(
    "architecture,argument",
    [(None, None), ("amd64", "amd64"), ("armhf", "arm"), ("ppc64el", "ppc64le"), ("i386", "386")],
)
def test_of_a_root_file_system(
    fake: FakeEngine, architecture: str | None, argument: str | None
) -> None:
    add_rootfs(fake)
    sysroot = prepare(fake, wanted(":alpine", architecture=architecture), NOT_HERE)
    assert sysroot.request == {
        "kind": "rootfs",
        "root": "rootfs",
        "architecture": architecture,
        "lists": "rootfs/lists.index",
    }
    assert not sysroot.of_host
    assert [fake.tree(digest) for digest in sysroot.digests] == [{"rootfs/0.tar": b"a tar"}]
    (process,) = fake.processes
    chosen = [word for word in arguments(process) if word.startswith("--architecture")]
    assert chosen == ([] if argument is None else [f"--architecture={argument}"])


@pytest.mark.parametrize(
    "asked",
    [
        wanted(":alpine", packages=["git"]),
        wanted(":alpine", alternatives={"/usr/bin/awk": "/usr/bin/mawk"}),
    ],
)
def test_a_root_file_system_has_no_packages(fake: FakeEngine, asked: Wanted) -> None:
    add_rootfs(fake)
    line = refusal(fake, asked)
    assert line.startswith("MINIMG-E018 a:image: `packages` and `alternatives` are for packages, ")
    assert "s:alpine" in line and fake.processes == []


# -- Neither ---------------------------------------------------------------------------------------


def test_another_target_is_no_sysroot(fake: FakeEngine) -> None:
    other: Target = FileTarget({"source": "x"}, Address("s", target_name="x"))
    fake.add(other)
    fake.targets[":x"] = other
    assert refusal(fake, wanted(":x")) == (
        "MINIMG-E020 a:image: its sysroot s:x is a `file`. "
        "Name a `debian_sysroot` or a `rootfs_sysroot`."
    )
    assert fake.processes == []
