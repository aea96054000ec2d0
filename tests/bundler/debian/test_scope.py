"""Which packages of a lock an image may use, and where they are fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler.commands import scope as cli_scope
from pants_plugin_minimg.bundler.debian.lockfile import Lock, Package, render
from pants_plugin_minimg.bundler.errors import MinimgError


def _package(name: str, *depends: str, installed: int = 100) -> Package:
    return Package(
        name=name,
        sysroot="amd64",
        version="1.0+1",
        architecture="amd64",
        suite="bookworm",
        path=f"pool/main/{name[0]}/{name}/{name}_1.0+1_amd64.deb",
        sha256="0" * 63 + "1",
        size=10,
        installed=installed,
        source=f"{name} 1.0",
        depends=depends,
        because="asked for",
    )


@pytest.fixture
def lock(tmp_path: Path) -> str:
    written = Lock(
        origin="Debian",
        timestamp="20260711T161637Z",
        suites=("bookworm",),
        components=("main",),
        architectures=("amd64",),
        packages=("big", "git"),
        package=(_package("big", installed=1 << 20), _package("git", "libc6"), _package("libc6")),
    )
    path = tmp_path / "bookworm.lock"
    path.write_text(render(written, "bookworm"))
    return str(path)


def _request(**fields: Any) -> dict[str, Any]:
    return {
        "sysroot": "//s:bookworm",
        "lockfile": "s/bookworm.lock",
        "command": "pants generate-lockfiles --resolve=bookworm",
        "suites": ["bookworm"],
        "components": ["main"],
        "architectures": ["amd64"],
        "packages": ["big", "git"],
        "roots": [],
        "architecture": "amd64",
        "mirrors": ["http://mirror.test/debian", "http://old.test/{timestamp}"],
        "apt": None,
        **fields,
    }


def test_a_root_reaches_what_it_depends_on(lock: str) -> None:
    found = cli_scope.scope(lock, _request(roots=["git"]))["packages"]
    assert [package["name"] for package in found] == ["git", "libc6"]
    assert found[0]["urls"] == [
        "http://mirror.test/debian/pool/main/g/git/git_1.0+1_amd64.deb",
        "http://old.test/20260711T161637Z/pool/main/g/git/git_1.0+1_amd64.deb",
    ]


def test_without_roots_it_is_all_of_the_lock(lock: str) -> None:
    found = cli_scope.scope(lock, _request())["packages"]
    assert [package["name"] for package in found] == ["big", "git", "libc6"]


def test_a_package_may_unpack_to_little_more_than_it_says(lock: str) -> None:
    limits = {p["name"]: p["limit"] for p in cli_scope.scope(lock, _request())["packages"]}
    assert limits == {
        "big": (2 << 30) + (16 << 20),
        "git": 64 << 20,
        "libc6": 64 << 20,
    }


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"packages": ["git"]}, "packages: big removed. Run `pants generate-lockfiles"),
        ({"suites": ["trixie"]}, "suites are ['trixie']"),
        ({"roots": ["emacs"]}, "emacs: no package of the lock"),
        ({"architecture": "arm64"}, "arm64: the lock has only amd64"),
    ],
)
def test_what_does_not_fit_names_the_sysroot(lock: str, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(MinimgError) as caught:
        cli_scope.scope(lock, _request(**fields))
    assert (caught.value.code, caught.value.subject) == ("MINIMG-E023", "//s:bookworm")
    assert words in str(caught.value)


def test_no_mirror_is_known(lock: str, tmp_path: Path) -> None:
    with pytest.raises(MinimgError, match="MINIMG-E024 //s:bookworm: .*minimg-debian..mirrors"):
        cli_scope.scope(lock, _request(mirrors=[], apt=str(tmp_path)))
