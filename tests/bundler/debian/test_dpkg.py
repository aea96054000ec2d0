"""Whose file it is, by a package database that the tests write."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.debian.dpkg import DpkgDatabase, list_index
from pants_plugin_minimg.bundler.debian.listindex import ListIndex
from pants_plugin_minimg.bundler.debian.package import Package
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.sysroots.recorder import Recorder
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot
from tests.bundler.rootfs import Root
from tests.requirements import program, unavailable

_INSTALLED = "install ok installed"


class Database:
    """A root with packages; names with an architecture (`libc6:amd64`) are Multi-Arch: same."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self._stanzas: list[str] = []

    def add(
        self,
        key: str,
        listed: Sequence[str],
        md5sums: Mapping[str, str] | None = None,
        status: str = _INSTALLED,
        **fields: str,
    ) -> None:
        name, _, architecture = key.partition(":")
        all_fields = {
            "Package": name,
            "Status": status,
            "Architecture": architecture or "amd64",
            "Version": "1.0-1",
            **fields,
            "Description": f"the package {name}\n Name: {name}\n .\n Status: none",
        }
        self._stanzas.append("".join(f"{name}: {value}\n" for name, value in all_fields.items()))
        info = "/var/lib/dpkg/info/"
        self.root.file(f"{info}{key}.list", "".join(f"{path}\n" for path in listed).encode())
        if md5sums is not None:
            lines = [f"{digest}  {path.lstrip('/')}\n" for path, digest in md5sums.items()]
            self.root.file(f"{info}{key}.md5sums", "".join(lines).encode())
        self.root.file("/var/lib/dpkg/status", "\n".join(self._stanzas).encode())

    def divert(self, *lines: str) -> None:
        self.root.file("/var/lib/dpkg/diversions", "".join(f"{line}\n" for line in lines).encode())

    def owners(self, *paths: str) -> dict[str, Package]:
        """The same with an index of the lists and without one."""
        asked = [path.encode() for path in paths]
        found = DpkgDatabase(self.root.sysroot()).owners(asked)
        index = ListIndex.parse(list_index(self.root.sysroot()))
        assert list(DpkgDatabase(self.root.sysroot(), index).owners(asked).items()) == list(
            found.items()
        )
        return {path.decode(): package for path, package in found.items()}

    def names(self, *paths: str) -> dict[str, str]:
        return {path: package.name for path, package in self.owners(*paths).items()}


@pytest.fixture
def database(root: Root) -> Database:
    for name in ("bin", "lib"):
        root.directory(f"/usr/{name}")
        root.link(f"/{name}", f"usr/{name}")
    return Database(root)


def test_without_a_database_nobody_owns_anything(root: Root) -> None:
    assert DpkgDatabase(root.sysroot()).owners([b"/usr/bin/git"]) == {}


def test_a_file_belongs_to_the_package_that_lists_it(database: Database) -> None:
    database.add("git", ["/.", "/usr", "/usr/bin", "/usr/bin/git"], Source="git-core (2:9)")
    database.add("less", ["/.", "/usr", "/usr/bin", "/usr/bin/less"])
    found = database.owners("/usr/bin/git", "/usr/bin/less", "/usr/bin/other", "/usr/bin")
    assert sorted(found) == ["/usr/bin/git", "/usr/bin/less"]
    git, less = found["/usr/bin/git"], found["/usr/bin/less"]
    assert (git.name, git.version, git.architecture) == ("git", "1.0-1", "amd64")
    assert (git.source_name, git.source_version) == ("git-core", "2:9")
    assert (less.source_name, less.source_version) == ("less", "1.0-1")
    assert git.control.startswith("Package: git\n") and git.control.endswith("none\n")


def test_lists_from_before_the_merge_of_usr_are_understood(database: Database) -> None:
    old = "/lib/tri/libc.so.6"
    database.add("libc6:amd64", [old], {old: "a" * 32})
    found = database.owners("/usr/lib/tri/libc.so.6")
    assert found["/usr/lib/tri/libc.so.6"].md5sums == {b"/usr/lib/tri/libc.so.6": "a" * 32}


def test_without_the_merge_both_places_stay_apart(root: Root) -> None:
    root.directory("/lib")
    root.directory("/usr/lib")
    database = Database(root)
    database.add("old", ["/lib/x"])
    database.add("new", ["/usr/lib/x"])
    assert database.names("/lib/x", "/usr/lib/x") == {"/lib/x": "old", "/usr/lib/x": "new"}


def test_a_diverted_file_is_where_the_diversion_put_it(database: Database) -> None:
    database.add("keeper", ["/usr/bin/tool"], {"/usr/bin/tool": "a" * 32})
    database.add("moved", ["/usr/bin/tool"], {"/usr/bin/tool": "b" * 32})
    database.divert("/usr/bin/tool", "/usr/bin/tool.moved", "keeper")
    expected = {"/usr/bin/tool": "keeper", "/usr/bin/tool.moved": "moved"}
    assert database.names(*expected) == expected
    assert database.names("/usr/bin/tool.moved") == {"/usr/bin/tool.moved": "moved"}
    assert database.names("/usr/bin/tool") == {"/usr/bin/tool": "keeper"}
    moved = database.owners("/usr/bin/tool.moved")["/usr/bin/tool.moved"]
    assert moved.md5sums == {b"/usr/bin/tool.moved": "b" * 32}


def test_a_diversion_by_the_administrator_moves_every_package(database: Database) -> None:
    database.add("moved", ["/bin/tool"])
    database.divert("/bin/tool", "/bin/tool.distrib", ":")
    assert database.names("/usr/bin/tool", "/usr/bin/tool.distrib") == {
        "/usr/bin/tool.distrib": "moved"
    }


def test_what_several_packages_list_is_shared(database: Database) -> None:
    database.add("one", ["/usr/share/tri"])
    database.add("two", ["/usr/share/tri"])
    assert database.names("/usr/share/tri") == {}


def test_one_package_for_two_architectures_owns_what_both_list(database: Database) -> None:
    common = "/usr/share/doc/libz/copyright"
    database.add("libz:i386", [common, "/usr/lib/i/libz.so"], Version="2")
    database.add("libz:amd64", [common, "/usr/lib/a/libz.so"], Version="2")
    found = database.owners(common, "/usr/lib/i/libz.so", "/usr/lib/a/libz.so")
    assert [found[path].architecture for path in sorted(found)] == ["amd64", "i386", "amd64"]


def test_the_stanza_of_another_architecture_is_not_taken(database: Database) -> None:
    database.add("libz:i386", ["/usr/lib/i/libz.so"], Version="1")
    database.add("libz:amd64", ["/usr/lib/a/libz.so"], Version="2")
    assert database.owners("/usr/lib/a/libz.so")["/usr/lib/a/libz.so"].version == "2"


def test_what_is_left_of_a_removed_package_owns_nothing(database: Database) -> None:
    database.add("gone", ["/etc/gone.conf"], status="deinstall ok config-files")
    database.add("half", ["/etc/half.conf"], status="install ok half-configured")
    assert database.names("/etc/gone.conf", "/etc/half.conf") == {"/etc/half.conf": "half"}


def test_a_stanza_without_a_usable_version_owns_nothing(database: Database) -> None:
    database.add("odd", ["/usr/bin/odd"], Version="no version")
    assert database.names("/usr/bin/odd") == {}


def test_a_list_that_is_no_file_is_an_error(database: Database) -> None:
    database.add("git", ["/usr/bin/git"])
    database.root.directory("/var/lib/dpkg/info/odd.list")
    with pytest.raises(MinimgError) as caught:
        DpkgDatabase(database.root.sysroot()).owners([b"/usr/bin/git"])
    assert caught.value.code == "MINIMG-E001"
    assert "odd.list" in caught.value.subject
    assert list_index(database.root.sysroot()) == b""


def test_with_an_index_no_list_is_read_in_vain(database: Database) -> None:
    database.add("git", ["/usr/bin/git"])
    database.add("less", ["/usr/bin/less"])
    index = DpkgDatabase(database.root.sysroot()).index()
    recorder = Recorder(database.root.sysroot(), [], [])
    assert list(DpkgDatabase(recorder, index).owners([b"/usr/bin/git"])) == [b"/usr/bin/git"]
    consulted = recorder.consulted()
    lists = [path for path in consulted["paths"] if path.endswith(".list")]
    assert (lists, consulted["listed"]) == (["/var/lib/dpkg/info/git.list"], {})


def test_all_that_is_read_of_the_host_is_recorded(tmp_path: Path) -> None:
    database = Database(Root(tmp_path / "root"))
    database.add("git", ["/usr/bin/git"], {"/usr/bin/git": "a" * 32})
    database.add("less", ["/usr/bin/less"])
    recorder = Recorder(database.root.sysroot(), [], [])
    assert DpkgDatabase(recorder).owners([b"/usr/bin/git"])
    consulted = recorder.consulted()
    info = "/var/lib/dpkg/info"
    assert list(consulted["listed"]) == [info]
    assert {
        f"{info}/git.list",
        f"{info}/less.list",
        f"{info}/git.md5sums",
        "/var/lib/dpkg/status",
        "/var/lib/dpkg/diversions",
    } <= set(consulted["paths"])


def test_the_machine_s_own_dpkg_agrees(host: DirSysroot) -> None:
    dpkg = program("dpkg-query")
    folder = os.path.realpath("/usr/bin")
    paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))][:200]
    paths = [path for path in paths if os.path.isfile(path) and not os.path.islink(path)]
    found = DpkgDatabase(host).owners(map(os.fsencode, paths))
    index = ListIndex.parse(list_index(host))
    assert DpkgDatabase(host, index).owners(map(os.fsencode, paths)) == found
    said = subprocess.run([dpkg, "-S", *paths], capture_output=True, text=True, check=False)
    expected: dict[bytes, set[str]] = {}
    diverted = set()
    for line in said.stdout.splitlines():
        names, _, path = line.partition(": ")
        if names.startswith("diversion by"):
            diverted.add(os.fsencode(path))
        else:
            expected.setdefault(os.fsencode(path), set()).update(names.split(", "))
    if not expected:
        unavailable("this machine has no packages")
    for name, owners in expected.items():
        if name not in diverted and len(owners) == 1:
            package = found[name]
            assert owners & {package.name, f"{package.name}:{package.architecture}"}
    for name, package in list(found.items())[:40]:
        if name in package.md5sums:
            with open(name, "rb") as file:
                assert hashlib.md5(file.read()).hexdigest() == package.md5sums[name]
