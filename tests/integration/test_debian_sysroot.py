"""Locks, mirrors and images of a small Debian archive, by the real Pants."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.binaries.elf import EM_AARCH64
from tests.bundler.debian import archive
from tests.bundler.elf_builder import GLIBC, Spec, build
from tests.bundler.versions import versioned
from tests.integration import images, small_archive
from tests.integration.small_archive import Mirror, Small

#: In every program and library: no earlier run can have cached what is made of them.
NONCE = os.urandom(8)
LOCK = "small.lock"
TOOL_B = "tool-b_1_amd64.deb"
#: A mirror where no server is.
NOBODY = "http://127.0.0.1:9"
SYSROOT = """
debian_sysroot(
    name="small", suites=["bookworm"], packages=[{packages}], lockfile="small.lock"
)
minimal_docker_image(name="a", sysroot=":small", packages=["tool-a"], executables=["/usr/bin/a"])
minimal_docker_image(name="b", sysroot=":small", packages=["tool-b"], executables=["/usr/bin/b"])
minimal_docker_image(name="wide", sysroot=":small", executables=["/usr/bin/b"])
file(name="newer_file", source="newer")
minimal_docker_image(name="newer", sysroot=":small", binary=":newer_file")
file(name="arm_file", source="arm")
minimal_docker_image(name="arm", sysroot=":small", binary=":arm_file")
"""


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[archive.Key]:
    made = archive.key(tmp_path_factory.mktemp("key"))
    yield made
    archive.forget(made.home)


@pytest.fixture
def mirror(tmp_path: Path, key: archive.Key) -> Iterator[Mirror]:
    with small_archive.mirror(tmp_path / "mirror", key, NONCE + os.fsencode(tmp_path)) as made:
        yield made


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    made = Small(tmp_path_factory.mktemp("small") / "repo")
    binary = Spec(interp=GLIBC, needed=(b"libv.so.1", b"libc.so.6"))
    newer = versioned(binary, needs={b"libv.so.1": (b"V1", b"V2")})
    arm = build(Spec(interp=GLIBC, needed=(b"libc.so.6",), machine=EM_AARCH64))
    for name, content in (("newer", newer), ("arm", arm)):
        made.write(name, "", 0o755).write_bytes(content)
    yield made
    made.stop_daemon()


@pytest.fixture
def repository(small: Small, mirror: Mirror) -> Small:
    """As new for each test: no lock, nothing built, packages that nobody has seen."""
    (small.root / LOCK).unlink(missing_ok=True)
    shutil.rmtree(small.root / "dist", ignore_errors=True)
    small.mirrors, small.keyring = (mirror.url,), mirror.key.ring
    _ask(small, "tool-a", "tool-b", "libv1")
    return small


def _ask(repository: Small, *packages: str) -> None:
    listed = ", ".join(f'"{name}"' for name in packages)
    repository.write("BUILD", SYSROOT.replace("{packages}", listed))


def _layers(repository: Small, name: str) -> list[str]:
    manifest = images.read(repository.dist(f"{name}.tar")).manifest
    return [layer["digest"] for layer in manifest["layers"]]


def test_a_lock_and_two_images_that_share_the_c_library(repository: Small) -> None:
    assert "small: tool-a: 1 added (amd64)" in repository.lock().stderr
    lock = (repository.root / LOCK).read_text()
    assert "mirror" not in lock and "://" not in lock

    run = repository.pants("package", "//:a", "//:b").succeeded()
    assert run.ours().count("layer") == 5  # 3 of each, and one of them is the same process
    assert _layers(repository, "a")[0] == _layers(repository, "b")[0]
    a = images.read(repository.dist("a.tar"))
    assert sorted(a.paths()) == [
        "lib",
        "lib64",
        "usr/bin/a",
        "usr/lib/os-release",
        "usr/lib/tri/liba.so.1",
        "usr/lib/tri/libc.so.6",
        "usr/lib64/ld-linux-x86-64.so.2",
        *sorted(
            f"var/lib/dpkg/status.d/{name}{end}"
            for name in ("base-files", "liba1", "libc6", "tool-a")
            for end in ("", ".md5sums")
        ),
    ]
    bill = json.loads((repository.root / "dist/a.cdx.json").read_text())
    named = {item["name"]: item.get("purl") for item in bill["components"]}
    assert named["liba1"] == "pkg:deb/debian/liba1@1?arch=amd64&distro=debian-12"

    # With no memory but the store's.
    again = repository.pants("--no-pantsd", "package", "//:a", "//:b").succeeded()
    assert again.ours() == []


def test_a_package_more_rebuilds_only_what_reaches_it(repository: Small, mirror: Mirror) -> None:
    _ask(repository, "tool-b")
    repository.lock()
    repository.pants("package", "//:b").succeeded()
    before = _layers(repository, "b")
    assert TOOL_B in mirror.fetched()

    _ask(repository, "tool-a", "tool-b")
    stale = repository.refused("package", "//:b")
    assert "MINIMG-E023 //:small: " in stale and "tool-a added" in stale
    assert "generate-lockfiles --resolve=small" in stale

    assert "small: liba1: 1 added (amd64)" in repository.lock().stderr
    run = repository.pants("--no-pantsd", "package", "//:b").succeeded()
    assert run.ours() == [] and mirror.fetched() == []
    assert not [process for process in run.processes if process.startswith("Unpack")]
    assert _layers(repository, "b") == before

    run = repository.pants("package", "//:a").succeeded()
    unpacked = [process for process in run.processes if process.startswith("Unpack")]
    assert sorted(process.partition(" (")[0] for process in unpacked) == [
        "Unpack liba1 1", "Unpack tool-a 1"
    ]  # fmt: skip
    assert mirror.fetched() == ["liba1_1_amd64.deb", "tool-a_1_amd64.deb"]


def test_a_newer_library_makes_new_layers_of_the_images_that_hold_it(
    repository: Small, mirror: Mirror, tmp_path: Path
) -> None:
    names = ("a", "b", "wide")
    every = [f"//:{name}" for name in names]
    repository.lock()
    repository.pants("package", *every).succeeded()
    before = {name: _layers(repository, name) for name in names}
    mirror.replace(small_archive.library("2", NONCE + os.fsencode(tmp_path)))
    assert "small: liba1: 1 -> 2 (amd64)" in repository.lock().stderr
    run = repository.pants("package", *every).succeeded()
    after = {name: _layers(repository, name) for name in names}
    assert after["a"][0] == before["a"][0] and after["a"][1] != before["a"][1]
    assert (after["b"], after["wide"]) == (before["b"], before["wide"])
    # What may use the library is looked at again. That is all but for the one that does: new are
    # the layer with the library, and the one with the record of its package.
    assert run.ours() == ["image", "layer", "layer", "plan", "plan"]


def test_a_comment_in_a_build_file_changes_nothing(repository: Small) -> None:
    repository.lock()
    repository.pants("package", "//:a", "//:wide").succeeded()
    with (repository.root / "BUILD").open("a") as file:
        file.write("# A comment.\n")
    for option in ("--pantsd", "--no-pantsd"):
        assert repository.pants(option, "package", "//:a", "//:wide").succeeded().processes == []


def test_a_package_that_left_the_pool(repository: Small, mirror: Mirror, tmp_path: Path) -> None:
    repository.lock()
    lock = (repository.root / LOCK).read_text()
    (timestamp,) = [
        line.partition('"')[2].rstrip('"')
        for line in lock.splitlines()
        if line.startswith("timestamp")
    ]
    kept = tmp_path / "snapshots" / timestamp
    shutil.copytree(mirror.folder, kept)
    mirror.replace(small_archive.library("2", NONCE + os.fsencode(tmp_path)))

    gone = repository.refused("package", "//:a")
    assert gone.count("MINIMG-E") == 1
    assert "MINIMG-E024 //:small: no mirror has pool/main/l/liba1/liba1_1_amd64.deb" in gone
    assert "generate-lockfiles --resolve=small" in gone
    assert not repository.dist("a.tar").exists()

    repository.mirrors = (mirror.url, f"file://{tmp_path}/snapshots/{{timestamp}}")
    repository.pants("package", "//:a").succeeded()
    assert repository.dist("a.tar").exists()


def test_mirrors_are_tried_in_their_order(repository: Small, mirror: Mirror) -> None:
    repository.mirrors = (NOBODY, mirror.url, f"{mirror.url}/after")
    repository.lock()
    mirror.fetched()
    repository.pants("package", "//:b").succeeded()
    # base-files has the same bytes in every test, and is there already.
    assert set(mirror.fetched()) - {"base-files_12_amd64.deb"} == {"libc6_2.36-9_amd64.deb", TOOL_B}
    repository.mirrors = (f"{mirror.url}/before", f"{mirror.url}/after")
    nowhere = repository.refused("package", "//:a")
    # Those that are there too: Pants knows a download again by the path of its URL.
    assert nowhere.count("MINIMG-E024 //:small: no mirror has pool/") == 4
    assert "liba1_1_amd64.deb" in nowhere and "tool-a_1_amd64.deb" in nowhere


def test_binaries_that_do_not_fit_the_sysroot(repository: Small) -> None:
    repository.lock()
    newer = repository.refused("package", "//:newer")
    assert newer.count("MINIMG-E") == 1
    assert "MINIMG-E029 //:newer: /newer: " in newer and "V2" in newer

    other = repository.refused("package", "//:arm")
    assert (
        "MINIMG-E008 //:arm: /arm: it is linux/arm64/v8, and the sysroot is taken for amd64"
        in other
    )


def test_an_archive_that_somebody_else_signed(
    repository: Small, mirror: Mirror, tmp_path: Path
) -> None:
    other = archive.key(tmp_path, "other")
    try:
        repository.keyring = other.ring
        said = repository.refused("generate-lockfiles", "--resolve=small")
    finally:
        archive.forget(other.home)
    assert "MINIMG-E025" in said
    assert not (repository.root / LOCK).exists()
