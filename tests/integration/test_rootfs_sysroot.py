"""Images from a root file system: one of musl, as Alpine is, and one that `docker save` wrote."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from tests import requirements
from tests.integration import images
from tests.integration.pants_runs import Repository

BUILD = """
file(name="tar", source="rootfs.tar.gz")
rootfs_sysroot(name="small", source=":tar")
minimal_docker_image(
    name="image", sysroot=":small", executables=["/bin/hello"], repository="from-rootfs"
)
file(name="saved", source="saved.tar")
rootfs_sysroot(name="of_an_image", source=":saved")
minimal_docker_image(
    name="again", sysroot=":of_an_image", executables=["/bin/hello"], repository="from-image"
)
minimal_docker_image(
    name="missing", sysroot=":of_an_image", executables=["/bin/goodbye"]
)
"""
HELLO = """
#include <stdio.h>
extern const char *word(void);
int main(void) { puts(word()); return 0; }
"""
LOADER = Path("/lib/ld-musl-x86_64.so.1")


def _compile(folder: Path) -> None:
    """`root/`: musl's loader, a library, and a program that needs both, as in Alpine."""
    compiler = requirements.program("musl-gcc")
    if not LOADER.exists():
        requirements.unavailable(f"there is no {LOADER}")
    for name in ("bin", "lib", "usr/lib"):
        (folder / "root" / name).mkdir(parents=True)
    (folder / "word.c").write_text('const char *word(void) { return "hello from musl"; }\n')
    (folder / "hello.c").write_text(HELLO)
    library = folder / "root/usr/lib/libword.so.1"
    subprocess.run(
        [
            compiler,
            "-shared",
            "-fPIC",
            "-Wl,-soname,libword.so.1",
            "-o",
            library,
            folder / "word.c",
        ],
        check=True,
    )
    subprocess.run(
        [compiler, "-o", folder / "root/bin/hello", folder / "hello.c", library], check=True
    )
    (folder / "root/lib/ld-musl-x86_64.so.1").write_bytes(LOADER.read_bytes())
    (folder / "root/lib/ld-musl-x86_64.so.1").chmod(0o755)
    (folder / "root/lib/libc.musl-x86_64.so.1").symlink_to("ld-musl-x86_64.so.1")
    (folder / "root/usr/lib/unused.so").write_bytes(b"no")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    _compile(tmp_path)
    repository = Repository(tmp_path / "repo")
    repository.write("BUILD", BUILD)
    with tarfile.open(tmp_path / "repo/rootfs.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "root", ".")
    return repository


def _says(tar: Path, name: str) -> str:
    docker = requirements.docker()
    subprocess.run([docker, "load", "-i", tar], check=True, capture_output=True)
    command = [docker, "run", "--rm", name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_musl_root_file_system_and_the_image_of_it_as_the_next_root(
    repository: Repository,
) -> None:
    repository.pants("package", "//:image").succeeded()
    tar = repository.dist("image.tar")
    paths = images.read(tar).paths()
    assert sorted(paths) == ["bin/hello", "lib/ld-musl-x86_64.so.1", "usr/lib/libword.so.1"]
    assert _says(tar, "from-rootfs") == "hello from musl\n"

    saved = repository.root / "saved.tar"
    subprocess.run([requirements.docker(), "save", "-o", saved, "from-rootfs"], check=True)
    repository.pants("package", "//:again").succeeded()
    again = repository.dist("again.tar")
    assert images.read(again).paths() == paths
    assert _says(again, "from-image") == "hello from musl\n"

    run = repository.pants("package", "//:missing", level="error")
    assert run.exit_code == 1
    assert (
        run.stderr.count("MINIMG-E") == 1 and "MINIMG-E002 //:missing: /bin/goodbye" in run.stderr
    )
