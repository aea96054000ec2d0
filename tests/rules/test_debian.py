"""The packages of a `debian_sysroot`: asked of the lock, fetched from mirrors, unpacked."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pants.engine.fs import FileDigest
from pants.engine.process import ProcessCacheScope
from pants.testutil.option_util import create_subsystem

from pants_plugin_minimg.bundler.sizes import shown
from pants_plugin_minimg.subsystems.bundler import BundlerError
from pants_plugin_minimg.subsystems.debian import DebianSubsystem
from pants_plugin_minimg.util_rules import debian
from pants_plugin_minimg.util_rules.debian import Locked
from tests.rules import debian_lock
from tests.rules.debian_lock import MIRROR, PATH
from tests.rules.fake_engine import BUNDLER, FakeEngine, Tree, arguments, install

COMMAND = "pants generate-lockfiles --resolve=bookworm"
OLD = "http://old.test/{timestamp}"


def options(*mirrors: str) -> DebianSubsystem:
    return create_subsystem(DebianSubsystem, mirrors=list(mirrors), keyrings=[], timestamp=None)


# -- The lock --------------------------------------------------------------------------------------


class Scope:
    """Answers `scope` with one package; `request` is what it was asked."""

    def __init__(self) -> None:
        self.request: dict[str, Any] = {}

    def __call__(self, argv: tuple[str, ...], inputs: Tree) -> Tree:
        assert argv == (
            "scope",
            f"--lock={PATH}",
            "--request=request.json",
            "--out=scope.json",
        )
        assert sorted(inputs) == ["request.json", PATH]
        assert inputs[PATH] == b"the lock"
        self.request = json.loads(inputs["request.json"])
        answer = {
            "name": "git",
            "version": "1:2.39.5",
            "path": "pool/g/git.deb",
            "urls": ["http://a.test/git.deb", "http://b.test/git.deb"],
            "sha256": "ab" * 32,
            "size": 7,
            "limit": 99,
        }
        return {"scope.json": json.dumps({"version": 1, "packages": [answer]}).encode()}


def ask(
    monkeypatch: pytest.MonkeyPatch,
    roots: Sequence[str] = (),
    mirrors: Sequence[str] = (MIRROR, OLD),
    architecture: str = "amd64",
    **values: Any,
) -> tuple[dict[str, Any], tuple[Locked, ...], FakeEngine]:
    scope = Scope()
    fake = install(monkeypatch, scope)
    target = debian_lock.sysroot(**values)
    fake.add(target, {PATH: b"the lock"})
    found = fake.run(
        debian.locked_packages(BUNDLER, target, options(*mirrors), roots, architecture, COMMAND)
    )
    return scope.request, found, fake


def test_scope_is_told_what_the_target_says_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request, found, fake = ask(
        monkeypatch,
        roots=["git", "less"],
        architecture="arm64",
        suites=["bookworm", "bookworm-backports"],
        components=["main", "contrib"],
        architectures=["amd64", "arm64"],
        packages=["git/bookworm-backports", "less"],
    )
    assert request == {
        "version": 1,
        "sysroot": "s:bookworm",
        "lockfile": PATH,
        "command": COMMAND,
        "suites": ["bookworm", "bookworm-backports"],
        "components": ["main", "contrib"],
        "architectures": ["amd64", "arm64"],
        "packages": ["git/bookworm-backports", "less", "base-files"],
        "roots": ["git", "less", "base-files"],
        "architecture": "arm64",
        "mirrors": [MIRROR, OLD],
        "apt": None,
        "apt_state": None,
    }
    assert found == (
        Locked(
            "git",
            "1:2.39.5",
            "pool/g/git.deb",
            ("http://a.test/git.deb", "http://b.test/git.deb"),
            FileDigest("ab" * 32, 7),
            99,
        ),
    )
    assert fake.processes[0].cache_scope == ProcessCacheScope.SUCCESSFUL
    assert fake.processes[0].description == f"Read {PATH}"


def test_an_image_without_packages_asks_for_all_of_the_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ask(monkeypatch)[0]["roots"] == []


def test_without_mirrors_the_apt_sources_are_in_the_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(debian, "APT", str(tmp_path))
    (tmp_path / "sources.list").write_text("deb http://mirror.test/debian bookworm main\n")
    first, _, one = ask(monkeypatch, mirrors=())
    assert (first["mirrors"], first["apt"]) == ([], str(tmp_path))
    again, _, two = ask(monkeypatch, mirrors=())
    assert again == first and one.processes == two.processes
    (tmp_path / "sources.list").write_text("deb http://other.test/debian bookworm main\n")
    _, _, three = ask(monkeypatch, mirrors=())
    assert three.processes != one.processes


def test_apt_state_sees_every_file_that_says_a_source(tmp_path: Path) -> None:
    states = [debian.apt_state(str(tmp_path))]
    (tmp_path / "sources.list").write_text("deb a b c\n")
    states.append(debian.apt_state(str(tmp_path)))
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "debian.sources").write_text("Types: deb\n")
    states.append(debian.apt_state(str(tmp_path)))
    os.utime(parts / "debian.sources", ns=(1, 1))
    states.append(debian.apt_state(str(tmp_path)))
    (parts / "debian.sources").rename(parts / "other.sources")
    states.append(debian.apt_state(str(tmp_path)))
    (parts / "dangling.list").symlink_to("nowhere")
    assert len(set(states)) == 5
    assert debian.apt_state(str(tmp_path)) == states[-1]


def test_no_lock_names_the_command_and_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, Scope())
    target = debian_lock.sysroot(resolve="small")
    fake.add(target)
    command = debian.lock_command(target)
    assert command.endswith(" generate-lockfiles --resolve=small")
    with pytest.raises(BundlerError) as caught:
        fake.run(
            debian.locked_packages(BUNDLER, target, options(MIRROR), (), "amd64", command),
        )
    assert str(caught.value) == (
        f"MINIMG-E023 s:bookworm: there is no lock {PATH}. Run `{command}`."
    )
    assert fake.processes == []


# -- Fetching --------------------------------------------------------------------------------------


def locked(name: str, *bases: str) -> Locked:
    content = debian_lock.deb(name)
    digest = FileDigest(debian_lock.package(name).sha256, len(content))
    path = f"pool/{name}_1.0.deb"
    return Locked(name, "1.0", path, tuple(f"{base}/{path}" for base in bases), digest, 1 << 20)


A, B = "http://a.test", "http://b.test"


def fetch(
    monkeypatch: pytest.MonkeyPatch, packages: Sequence[Locked], served: dict[str, bytes]
) -> FakeEngine:
    fake = install(monkeypatch, lambda argv, inputs: {})
    fake.served = served
    try:
        fake.run(debian.fetch(packages, "s:bookworm", COMMAND))
    finally:
        assert fake.processes == []
    return fake


def test_one_call_fetches_all_from_the_first_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("git", "libc6")
    served = debian_lock.served(*map(debian_lock.package, names), base=A)
    fake = fetch(monkeypatch, [locked(name, A, B) for name in names], served)
    assert fake.downloads == [(f"{A}/pool/git_1.0.deb", f"{A}/pool/libc6_1.0.deb")]


def test_what_a_mirror_lacks_comes_from_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    served = {
        **debian_lock.served(debian_lock.package("git"), base=A),
        **debian_lock.served(debian_lock.package("libc6"), base=B),
    }
    fake = fetch(monkeypatch, [locked("git", A, B), locked("libc6", A, B)], served)
    assert fake.downloads[1:] == [
        (f"{A}/pool/git_1.0.deb", f"{A}/pool/libc6_1.0.deb"),
        (f"{B}/pool/libc6_1.0.deb",),
    ]


def test_a_dead_mirror_is_asked_once_for_all_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("git", "libc6", "zlib1g")
    served = debian_lock.served(*map(debian_lock.package, names), base=B)
    fake = fetch(monkeypatch, [locked(name, A, B) for name in names], served)
    assert [{url.partition("/pool")[0] for url in urls} for urls in fake.downloads] == [
        {A},
        {A},
        {B},
    ]
    assert all(len(urls) == len(names) for urls in fake.downloads)


def test_a_mirror_with_other_bytes_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    served = debian_lock.served(debian_lock.package("git"), base=B)
    served[f"{A}/pool/git_1.0.deb"] = b"something else"
    assert fetch(monkeypatch, [locked("git", A, B)], served).downloads[-1] == (
        f"{B}/pool/git_1.0.deb",
    )


def test_all_that_no_mirror_has_is_told_with_each_mirrors_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served = debian_lock.served(debian_lock.package("git"), base=B)
    packages = [locked("gone", A, B), locked("git", A, B), locked("lost", A)]
    with pytest.raises(BundlerError) as caught:
        fetch(monkeypatch, packages, served)
    found = str(caught.value).splitlines()
    assert [line.partition(": http")[0] for line in found] == [
        "MINIMG-E024 s:bookworm: no mirror has pool/gone_1.0.deb: Error downloading file",
        "MINIMG-E024 s:bookworm: no mirror has pool/lost_1.0.deb: Error downloading file",
    ]
    assert f"{A}/pool/gone_1.0.deb (404 Not Found); " in found[0]
    assert f"{B}/pool/gone_1.0.deb (404 Not Found). " in found[0]
    for line in found:
        assert f"`{COMMAND}`" in line and "`[minimg-debian].mirrors`" in line


# -- Unpacking -------------------------------------------------------------------------------------


def unpack_command(argv: tuple[str, ...], inputs: Tree) -> Tree:
    assert argv[0] == "unpack"
    folder = argv[-1].partition("=")[2]
    (package,) = inputs.values()
    return {f"{folder}/data.tar": b"unpacked " + package}


def unpack(
    monkeypatch: pytest.MonkeyPatch, packages: Sequence[Locked]
) -> tuple[debian.Packages, FakeEngine]:
    fake = install(monkeypatch, unpack_command)
    for package in packages:
        fake.file(debian_lock.deb(package.name))
    return fake.run(debian.unpack(BUNDLER, packages)), fake


def test_a_package_is_a_process_that_sees_its_own_bytes_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    git, libc = locked("git", A), locked("libc6", A)
    packages, fake = unpack(monkeypatch, [git, libc])
    assert packages.folders == ("packages/git", "packages/libc6")
    assert [arguments(process) for process in fake.processes] == [
        (
            "unpack",
            f"--deb={package.file}",
            f"--sha256={package.digest.fingerprint}",
            f"--size={len(debian_lock.deb(package.name))}",
            f"--limit={1 << 20}",
            f"--out=packages/{package.name}",
        )
        for package in (git, libc)
    ]
    assert [fake.tree(process.input_digest) for process in fake.processes] == [
        {git.file: debian_lock.deb("git")},
        {libc.file: debian_lock.deb("libc6")},
    ]
    assert [fake.tree(digest) for digest in packages.digests] == [
        {"packages/git/data.tar": b"unpacked the package git 1.0"},
        {"packages/libc6/data.tar": b"unpacked the package libc6 1.0"},
    ]
    size = shown(len(debian_lock.deb("git")))
    assert fake.processes[0].description == f"Unpack git 1.0 (1 of 2, {size})"


def test_where_a_package_came_from_is_in_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    _, one = unpack(monkeypatch, [locked("git", A, B)])
    _, two = unpack(monkeypatch, [locked("git", B)])
    assert one.processes == two.processes


def test_how_far_it_is_is_in_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    git, libc = locked("git", A), locked("libc6", A)
    _, alone = unpack(monkeypatch, [git])
    _, with_another = unpack(monkeypatch, [git, libc])
    assert alone.processes == with_another.processes[:1]
    assert alone.processes[0].description != with_another.processes[0].description
