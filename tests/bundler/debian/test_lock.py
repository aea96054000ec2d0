"""The lock file: what it holds, what is refused, what of it an image takes."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler import tomlfile
from pants_plugin_minimg.bundler.debian import lockfile
from pants_plugin_minimg.bundler.debian.lockchanges import changes
from pants_plugin_minimg.bundler.debian.lockfile import Lock, Package
from pants_plugin_minimg.bundler.errors import MinimgError


def package(name: str, sysroot: str = "amd64", *depends: str, **fields: Any) -> Package:
    known: dict[str, Any] = {
        "version": "1.0",
        "architecture": sysroot,
        "suite": "bookworm",
        "path": f"pool/main/{name[0]}/{name}/{name}_1.0_{sysroot}.deb",
        "sha256": "a" * 64,
        "size": 1000,
        "installed": 10,
        "source": f"{name} 1.0",
        "because": "asked for",
    }
    return Package(name=name, sysroot=sysroot, depends=depends, **{**known, **fields})


def lock(*locked: Package, **fields: Any) -> Lock:
    known: dict[str, Any] = {
        "origin": "Debian",
        "timestamp": "20251108T101500Z",
        "suites": ("bookworm",),
        "components": ("main",),
        "architectures": ("amd64", "arm64"),
        "packages": (),
    }
    return Lock(package=locked, **{**known, **fields})


SMALL = lock(
    package("git", "amd64", "libc6", "perl", version="1:2.39.5-0+deb12u2"),
    package("libc6", because="needed by git"),
    package("perl", "amd64", "libc6", architecture="all", because="needed by git"),
    package("upx-ucl", "amd64", "libc6"),
    architectures=("amd64",),
    packages=("git=1:2.39.5-0+deb12u2", "upx-ucl"),
)
WRITTEN = lockfile.render(SMALL, "bookworm")


def test_the_file_is_reviewable_text() -> None:
    assert WRITTEN.startswith(
        """\
# Written by `pants generate-lockfiles --resolve=bookworm`; do not edit.
version = 1
origin = "Debian"
timestamp = "20251108T101500Z"
suites = ["bookworm"]
components = ["main"]
architectures = ["amd64"]
packages = ["git=1:2.39.5-0+deb12u2", "upx-ucl"]

[[package]]
name = "git"
sysroot = "amd64"
version = "1:2.39.5-0+deb12u2"
architecture = "amd64"
suite = "bookworm"
path = "pool/main/g/git/git_1.0_amd64.deb"
sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
size = 1000
installed = 10
source = "git 1.0"
depends = ["libc6", "perl"]
because = "asked for"

[[package]]
name = "libc6"
"""
    )
    assert WRITTEN.endswith('because = "asked for"\n') and "\n\n\n" not in WRITTEN


def test_a_lock_comes_back_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "a.lock").write_text(WRITTEN)
    assert lockfile.load(str(tmp_path / "a.lock")) == SMALL
    assert lockfile.parse(WRITTEN.encode(), "a.lock") == SMALL


def test_a_long_list_has_one_item_a_line_and_comes_back() -> None:
    many = [f"library-number-{number}" for number in range(20)]
    whole = lock(
        package("tool", "amd64", *many), *(package(name) for name in many), architectures=("amd64",)
    )
    written = lockfile.render(whole, "r")
    assert max(map(len, written.splitlines())) <= 100
    assert '\ndepends = [\n  "library-number-0",\n' in written
    assert lockfile.parse(written.encode(), "x").by_name["tool", "amd64"].depends == tuple(many)


def test_packages_are_sorted_by_name_then_sysroot() -> None:
    packages = [package(name, arch) for name in ("bb", "aa") for arch in ("arm64", "amd64")]
    read = lockfile.parse(lockfile.render(lock(*packages), "r").encode(), "x")
    assert [(item.name, item.sysroot) for item in read.package] == [
        ("aa", "amd64"),
        ("aa", "arm64"),
        ("bb", "amd64"),
        ("bb", "arm64"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version = 1\n", "version = 2\n", "version 2"),
        ("version = 1\n", "version = true\n", "version True"),
        ("version = 1\n", "", "version None"),
        ('origin = "Debian"\n', "", "lacks origin"),
        ('origin = "Debian"\n', 'origin = "Debian"\nhost = "x"\n', "host"),
        ('origin = "Debian"\n', "origin = 1\n", "origin 1"),
        ('"20251108T101500Z"', '"2025-11-08"', "timestamp"),
        ('suites = ["bookworm"]', 'suites = "bookworm"', "suites is no list"),
        ('suites = ["bookworm"]', 'suites = ["trixie"]', "is from bookworm"),
        ('architectures = ["amd64"]', 'architectures = ["arm64"]', "is for amd64"),
        ('"upx-ucl"]', '"upx-ucl", "curl"]', "'curl' was asked for"),
        ('name = "libc6"\n', 'name = "LIBC"\n', "name 'LIBC'"),
        ('name = "libc6"\n', 'name = "libc7"\n', "depends on 'libc6'"),
        ('name = "libc6"\n', 'name = "git"\n', "there twice"),
        ('name = "libc6"\n', "", "lacks name"),
        ("size = 1000\n", "size = -1\n", "size -1"),
        ("size = 1000\n", 'size = "1000"\n', "size '1000'"),
        ("size = 1000\n", "size = 1000\nurl = 1\n", "url"),
        ("aaaa", "AAAA", "sha256"),
        ("aaaa", "aaa", "sha256"),
        ("pool/main/g/git/", "pool/../../git/", "path"),
        ("pool/main/g/git/", "/pool/", "path"),
        ("pool/main/g/git/", "http://host.test/", "path"),
        ("pool/main/g/git/", "pool//", "path"),
        ("_amd64.deb", "_amd64.tar", "path"),
        ('architecture = "amd64"\nsuite', 'architecture = "i386"\nsuite', "of i386"),
        ('depends = ["libc6", "perl"]', "depends = [1, 2]", "depends"),
        ('because = "asked for"', 'because = "a\\nb"', "because"),
        ("[[package]]", "[package]", ""),
        ("[[package]]", "<<<<<<< HEAD\n[[package]]", "no TOML"),
        ("origin = ", "origin = [", ""),
    ],
)
def test_a_damaged_lock_is_refused_with_what_to_do(old: str, new: str, said: str) -> None:
    assert old in WRITTEN
    with pytest.raises(MinimgError) as caught:
        lockfile.parse(WRITTEN.replace(old, new).encode(), "sysroots/bookworm.lock")
    error = caught.value
    assert (error.code, error.subject) == ("MINIMG-E023", "sysroots/bookworm.lock")
    assert said in error.problem and "pants generate-lockfiles" in error.remedy
    assert "\n" not in str(error)


def test_a_lock_that_is_not_there_is_refused() -> None:
    with pytest.raises(MinimgError, match="MINIMG-E023 nowhere.lock"):
        lockfile.load("nowhere.lock")


def test_no_damage_gives_anything_but_an_error() -> None:
    chance = random.Random(20261125)
    whole = WRITTEN.encode()
    for _ in range(1500):
        content = bytearray(whole)
        for _ in range(chance.choice([1, 1, 2, 5])):
            place = chance.randrange(len(content))
            if chance.random() < 0.3:
                del content[place : place + chance.randrange(1, 40)]
            else:
                content[place] = chance.choice(b"[]\"=\n#.{}'\\ \xff0a,")
        try:
            read = lockfile.parse(bytes(content), "x")
        except MinimgError as error:
            assert error.code == "MINIMG-E023"
        else:
            assert lockfile.parse(lockfile.render(read, "r").encode(), "x") is not None


def test_a_scope_is_what_the_roots_reach() -> None:
    def names(*roots: str) -> list[str]:
        return [item.name for item in SMALL.scope(roots, "amd64")]

    assert names("upx-ucl") == ["libc6", "upx-ucl"]
    assert names("git=1:2.39.5-0+deb12u2") == names("git") == ["git", "libc6", "perl"]
    assert names() == ["git", "libc6", "perl", "upx-ucl"]


def test_a_scope_ends_in_a_ring_and_keeps_to_its_architecture() -> None:
    ring = lock(
        package("aa", "amd64", "bb"),
        package("bb", "amd64", "aa"),
        package("aa", "arm64"),
    )
    assert [item.name for item in ring.scope(["bb"], "amd64")] == ["aa", "bb"]
    assert [item.sysroot for item in ring.scope(["aa"], "arm64")] == ["arm64"]


def test_a_scope_of_what_is_not_locked_is_refused() -> None:
    with pytest.raises(MinimgError, match="MINIMG-E023 curl: .* for amd64"):
        SMALL.scope(["curl"], "amd64")
    with pytest.raises(MinimgError, match="MINIMG-E023 arm64: the lock has only amd64"):
        SMALL.scope(["git"], "arm64")


def test_a_lock_fits_what_was_asked_for_in_any_order_but_of_suites() -> None:
    whole = replace(SMALL, suites=("one", "two"), packages=("git", "upx-ucl"))
    fits = whole.mismatch(["one", "two"], ["main"], ["amd64"], ["upx-ucl", "git"])
    assert fits is None
    assert whole.mismatch(["two", "one"], ["main"], ["amd64"], ["git", "upx-ucl"]) == (
        "suites are ['two', 'one'] and were ['one', 'two']"
    )
    assert whole.mismatch(["one", "two"], ["main"], ["amd64", "arm64"], ["git", "curl"]) == (
        "architectures: arm64 added; packages: curl added, upx-ucl removed"
    )


def test_changes_are_said_by_package_and_version() -> None:
    old = lock(
        *(package(name, arch) for name in ("git", "gone", "same") for arch in ("amd64", "arm64")),
        package("built"),
    )
    new = lock(
        *(package("git", arch, version="1:2.0") for arch in ("amd64", "arm64")),
        *(package("same", arch) for arch in ("amd64", "arm64")),
        package("built", sha256="b" * 64),
        package("more", "arm64"),
    )
    assert changes(old, new) == [
        "built: 1.0 with other content (amd64)",
        "git: 1.0 -> 1:2.0 (amd64, arm64)",
        "gone: 1.0 removed (amd64, arm64)",
        "more: 1.0 added (arm64)",
    ]
    assert changes(old, old) == []
    assert changes(None, lock(package("git"))) == ["git: 1.0 added (amd64)"]


def test_toml_that_is_no_utf_8_or_no_toml_is_refused() -> None:
    for content in (b"\xff", b"a = ", b"a = [1, 'x'", b"= 1", b"[a]\n[a]\n"):
        with pytest.raises(MinimgError, match="it is no TOML"):
            tomlfile.parse(content, "x.toml", "Mend it.")
