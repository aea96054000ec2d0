"""Locks, mirrors and images of a small Debian archive, by the real Pants."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.elf import EM_AARCH64
from tests.bundler.debian import archive
from tests.bundler.debian.mirror import Archive
from tests.bundler.elf_builder import GLIBC, Spec, build
from tests.bundler.versions import versioned
from tests.integration import images, small_archive
from tests.integration.pants_runs import Repository, Run

#: In every program and library: no earlier run can have cached what is made of them.
NONCE = os.urandom(8)
SYSROOT = """
debian_sysroot(
    name="small", suites=["bookworm"], packages=[{packages}], lockfile="small.lock"
)
minimal_docker_image(name="a", sysroot=":small", packages=["tool-a"], executables=["/usr/bin/a"])
minimal_docker_image(name="b", sysroot=":small", packages=["tool-b"], executables=["/usr/bin/b"])
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
def mirror(tmp_path: Path, key: archive.Key) -> Archive:
    return small_archive.mirror(tmp_path / "mirror", key, NONCE + os.fsencode(tmp_path))


class Small(Repository):
    """A repository with images of the small archive."""

    def ask(self, *packages: str) -> None:
        listed = ", ".join(f'"{name}"' for name in packages)
        self.write("BUILD", SYSROOT.replace("{packages}", listed))

    def lock(self) -> Run:
        return self.pants("generate-lockfiles", "--resolve=small").succeeded()


@pytest.fixture
def repository(tmp_path: Path, mirror: Archive) -> Small:
    made = Small(
        tmp_path / "repo",
        options=f"""
        [minimg-debian]
        mirrors = ["{mirror.url}"]
        keyrings = ["{mirror.key.ring}"]
        """,
    )
    made.ask("tool-a", "tool-b", "libv1")
    made.write("newer", "").write_bytes(
        versioned(
            Spec(interp=GLIBC, needed=(b"libv.so.1", b"libc.so.6")),
            needs={b"libv.so.1": (b"V1", b"V2")},
        )
    )
    (made.root / "newer").chmod(0o755)
    arm = build(Spec(interp=GLIBC, needed=(b"libc.so.6",), machine=EM_AARCH64))
    made.write("arm", "").write_bytes(arm)
    (made.root / "arm").chmod(0o755)
    return made


def _layers(repository: Repository, name: str) -> list[str]:
    manifest = images.read(repository.dist(f"{name}.tar")).manifest
    return [layer["digest"] for layer in manifest["layers"]]


def test_a_lock_and_two_images_that_share_the_c_library(repository: Small) -> None:
    assert "small: tool-a: 1 added (amd64)" in repository.lock().stderr
    lock = (repository.root / "small.lock").read_text()
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

    again = repository.pants("package", "//:a", "//:b").succeeded()
    assert again.ours() == []


def test_a_package_more_rebuilds_only_what_reaches_it(repository: Small, mirror: Archive) -> None:
    repository.ask("tool-b")
    repository.lock()
    repository.pants("package", "//:b").succeeded()
    before = _layers(repository, "b")

    repository.ask("tool-a", "tool-b")
    stale = repository.pants("package", "//:b", level="error")
    assert stale.exit_code == 1 and "MINIMG-E023 //:small: " in stale.stderr
    assert "tool-a added" in stale.stderr and "generate-lockfiles --resolve=small" in stale.stderr

    assert "small: liba1: 1 added (amd64)" in repository.lock().stderr
    run = repository.pants("package", "//:b").succeeded()
    assert run.ours() == []
    assert not [process for process in run.processes if process.startswith("Unpack")]
    assert _layers(repository, "b") == before

    run = repository.pants("package", "//:a").succeeded()
    unpacked = sorted(process for process in run.processes if process.startswith("Unpack"))
    assert unpacked == ["Unpack liba1 1", "Unpack tool-a 1"]


def test_a_newer_library_is_seen_when_the_lock_is_written_again(
    repository: Small, mirror: Archive, tmp_path: Path
) -> None:
    repository.lock()
    repository.pants("package", "//:a", "//:b").succeeded()
    before = _layers(repository, "a")
    mirror.replace(small_archive.library("2", NONCE + os.fsencode(tmp_path)))
    assert "small: liba1: 1 -> 2 (amd64)" in repository.lock().stderr
    run = repository.pants("package", "//:a", "//:b").succeeded()
    after = _layers(repository, "a")
    assert after[0] == before[0] and after[1] != before[1]
    assert run.ours().count("plan") == 1


def test_a_package_that_left_the_pool(repository: Small, mirror: Archive, tmp_path: Path) -> None:
    repository.lock()
    lock = (repository.root / "small.lock").read_text()
    (timestamp,) = [
        line.partition('"')[2].rstrip('"')
        for line in lock.splitlines()
        if line.startswith("timestamp")
    ]
    kept = tmp_path / "snapshots" / timestamp
    shutil.copytree(mirror.folder, kept)
    mirror.replace(small_archive.library("2", NONCE + os.fsencode(tmp_path)))

    gone = repository.pants("package", "//:a", level="error")
    assert gone.exit_code == 1
    assert gone.stderr.count("MINIMG-E") == 1
    assert "MINIMG-E024 //:small: no mirror has pool/main/l/liba1/liba1_1_amd64.deb" in gone.stderr
    assert "generate-lockfiles --resolve=small" in gone.stderr
    assert not repository.dist("a.tar").exists()

    snapshots = f"file://{tmp_path}/snapshots/{{timestamp}}"
    mirrors = f"--minimg-debian-mirrors=['file:///nowhere', '{mirror.url}', '{snapshots}']"
    repository.pants(mirrors, "package", "//:a").succeeded()
    assert repository.dist("a.tar").exists()


def test_binaries_that_do_not_fit_the_sysroot(repository: Small) -> None:
    repository.lock()
    newer = repository.pants("package", "//:newer", level="error")
    assert newer.exit_code == 1
    assert newer.stderr.count("MINIMG-E") == 1
    assert "MINIMG-E029 /newer: " in newer.stderr and "V2" in newer.stderr

    other = repository.pants("package", "//:arm", level="error")
    assert other.exit_code == 1
    assert "MINIMG-E008 /arm: it is linux/arm64/v8, and the sysroot is taken for amd64" in (
        other.stderr
    )


def test_an_archive_that_somebody_else_signed(
    repository: Small, mirror: Archive, tmp_path: Path
) -> None:
    other = archive.key(tmp_path, "other")
    try:
        keyrings = f"--minimg-debian-keyrings=['{other.ring}']"
        run = repository.pants(keyrings, "generate-lockfiles", "--resolve=small", level="error")
    finally:
        archive.forget(other.home)
    assert run.exit_code == 1
    assert "MINIMG-E025" in run.stderr and "Traceback" not in run.stderr
    assert not (repository.root / "small.lock").exists()
