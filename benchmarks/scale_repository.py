"""A folder of generated images, each of a program of its own over libraries that all share."""

from __future__ import annotations

import os
import random
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.ours import CannotMeasure
from pants_plugin_minimg.bundler import loader
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot

FOLDER = "benchmark-scale"
_PROGRAMS = "/usr/bin"
_SMALLEST, _LARGEST = 20_000, 400_000
BUILD = """\
file(name="ballast", source="ballast")
file(name="root_tar", source="root.tar")
rootfs_sysroot(name="root", source=":root_tar")
for number in range({count}):
    file(name=f"program_{{number}}", source=f"program_{{number}}")
    minimal_docker_image(
        name=f"image_{{number}}",
        binary=f":program_{{number}}",
        repository=f"minimg-benchmark/image-{{number}}",
        package_records=False,
        format="{format}",
    )
    minimal_docker_image(
        name=f"declared_{{number}}",
        sysroot=":root",
        binary=f":program_{{number}}",
        repository=f"minimg-benchmark/declared-{{number}}",
        package_records=False,
        format="{format}",
    )
    archive(name=f"archive_{{number}}", format="tar", files=[f":program_{{number}}"])
    archive(name=f"large_{{number}}", format="tar", files=[f":program_{{number}}", ":ballast"])
"""


EMPTY = """\
for number, processes in enumerate({processes}):
    empty_processes(name=f"empty_{{number}}", processes=processes)
"""
#: What makes Pants know such targets.
EMPTY_OPTION = "--backend-packages=+['benchmarks.emptyprocesses']"


def empty_processes(root: Path, count: int, processes: int) -> list[str]:
    """`count` targets in a folder of `root` that run as many processes among them."""
    folder = root / f"{FOLDER}-empty-{count}"
    folder.mkdir()
    shares = [processes // count + (number < processes % count) for number in range(count)]
    (folder / "BUILD").write_text(EMPTY.format(processes=shares))
    return [f"//{folder.name}:empty_{number}" for number in range(count)]


def programs() -> Iterator[Path]:
    """Dynamic programs of this machine whose libraries are all there, by name."""
    sysroot = DirSysroot(b"/")
    for entry in sorted(os.scandir(_PROGRAMS), key=lambda entry: entry.name):
        if not entry.is_file(follow_symlinks=False):
            continue
        if not _SMALLEST < entry.stat().st_size < _LARGEST or entry.stat().st_mode & 0o7000:
            continue
        try:
            closure = loader.resolve(sysroot, os.fsencode(entry.path))
        except MinimgError:
            continue
        if closure.interpreter and not closure.missing and not closure.refused:
            yield Path(entry.path)


def write_root(tar: Path, programs: Iterable[Path]) -> None:
    """The libraries of `programs` as a root file system of their own, with the links to them."""
    files: set[bytes] = set()
    links: dict[bytes, bytes] = {}
    sysroot = DirSysroot(b"/")
    for program in programs:
        closure = loader.resolve(sysroot, os.fsencode(program))
        for walk in (closure.interp_walk, *(item.walk for item in closure.loaded)):
            if walk is not None:
                files.add(walk.real)
                links.update(walk.links)
    with tarfile.open(tar, "w") as out:
        for link, target in sorted(links.items()):
            member = tarfile.TarInfo(os.fsdecode(link).lstrip("/"))
            member.type, member.linkname = tarfile.SYMTYPE, os.fsdecode(target)
            out.addfile(member)
        for file in sorted(files):
            out.add(os.fsdecode(file))


class Images:
    """`count` images of a `format` in a folder of `root`: of this machine, and of a declared
    sysroot with the same libraries."""

    def __init__(self, root: Path, count: int, format: str = "tar") -> None:
        self.count = count
        self.name = f"{FOLDER}-{format}-{count}"
        self.folder = root / self.name
        self.folder.mkdir()
        found = list(programs())
        if not found:
            raise CannotMeasure(f"no program of {_PROGRAMS} can be in an image")
        for number in range(count):
            target = self.program(number)
            shutil.copyfile(found[number % len(found)], target)
            target.chmod(0o755)
            self.change(number, f"{count}")
        self.ballast(0)
        write_root(self.folder / "root.tar", found[:count])
        (self.folder / "BUILD").write_text(BUILD.format(count=count, format=format))

    def program(self, number: int) -> Path:
        return self.folder / f"program_{number}"

    def change(self, number: int, text: str) -> None:
        """Other bytes, the same program: what follows the last section is never read."""
        with open(self.program(number), "ab") as file:
            file.write(f"\n{number} {text}\n".encode())

    def ballast(self, size: int) -> None:
        """What the large archives hold beside a program, in bytes."""
        (self.folder / "ballast").write_bytes(random.Random(size).randbytes(size))

    def images(self) -> list[str]:
        return [f"//{self.name}:image_{number}" for number in range(self.count)]

    def declared(self) -> list[str]:
        return [f"//{self.name}:declared_{number}" for number in range(self.count)]

    def archives(self) -> list[str]:
        return [f"//{self.name}:archive_{number}" for number in range(self.count)]

    def large_archives(self) -> list[str]:
        return [f"//{self.name}:large_{number}" for number in range(self.count)]
