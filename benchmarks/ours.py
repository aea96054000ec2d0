"""Our own side: the repository's launcher in a copy of the repository, its caches in a folder."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure

FOLDER = "benchmark"
ARCHIVE = f"//{FOLDER}:archive"
TRIVIAL = f"//{FOLDER}:trivial"
PLAIN, UPX, RECORDS = (f"//{FOLDER}:{name}" for name in ("plain", "upx", "records"))
# `archive` is Pants' own start and one process; `trivial` shares no file with hlint's image, so
# that after it the sandbox tool is built and nothing else of the measured image is cached. The
# others are the examples' image of hlint and git from this machine's own packages, without records
# of packages but for one: the peers' images hold none.
HLINT_AND_GIT = """\
HLINT_AND_GIT = {
    "executables": ["/usr/bin/hlint", "/usr/bin/git"],
    "entrypoint": ["/usr/bin/hlint"],
    "workdir": "/work",
    "env": {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    },
}
"""
BUILD = """\
file(name="page", source="page.txt")
archive(name="archive", format="tar", files=[":page"])
file(name="static", source="static")
minimal_docker_image(
    name="trivial", binary=":static", repository="minimg-benchmark/trivial"
)

for name, fields in {
    "plain": {"package_records": False},
    "upx": {"package_records": False, "upx": True},
    "records": {},
}.items():
    minimal_docker_image(
        name=name, repository=f"minimg-benchmark/{name}", **fields, **HLINT_AND_GIT
    )
"""
# The examples name a sysroot of packages for UPX; a benchmark of this machine's takes its own.
HOST_UPX = "--minimg-upx-sysroot="
SKIPPED = (".git", "dist", ".pants.d", ".pids", "__pycache__", ".mypy_cache", ".ruff_cache")
# Code that ends the process with status 0: (e_machine, instructions).
EXITS = {
    "x86_64": (62, bytes.fromhex("31ffb83c0000000f05")),
    "aarch64": (183, struct.pack("<III", 0xD2800000, 0xD2800BA8, 0xD4000001)),
}


class CannotMeasure(Exception):
    """Our side cannot run here; the text says why."""


def static_program(machine: str) -> bytes:
    """The smallest static ELF program. Raises CannotMeasure for a machine not in EXITS."""
    if machine not in EXITS:
        raise CannotMeasure(f"the trivial program is not known for {machine}")
    e_machine, code = EXITS[machine]
    base, start = 0x400000, 64 + 56
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", ident, 2, e_machine, 1, base + start, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    size = start + len(code)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x10000)
    return header + segment + code


@dataclass(frozen=True)
class Caches:
    """Where one run of Pants keeps what it remembers."""

    store: Path
    named: Path

    def copied(self, store: Path) -> Caches:
        """The same with a copy of the store, made without filling its holes."""
        shutil.rmtree(store, ignore_errors=True)
        subprocess.run(["cp", "-a", "--", str(self.store), str(store)], check=True)
        return Caches(store, self.named)


class Ours:
    """Packages targets of `examples/` by `./pants`, in a copy of the repository."""

    def __init__(self, repository: Path, scratch: Path) -> None:
        if not os.access(repository / "pants", os.X_OK):
            raise CannotMeasure("there is no ./pants in the repository")
        self.copy = scratch / "repository"
        shutil.copytree(
            repository, self.copy, symlinks=True, ignore=shutil.ignore_patterns(*SKIPPED)
        )
        self.root = self.copy / "examples"
        folder = self.root / FOLDER
        folder.mkdir()
        (folder / "BUILD").write_text(HLINT_AND_GIT + BUILD)
        (folder / "page.txt").write_text("a page\n")
        program = folder / "static"
        program.write_bytes(static_program(platform.machine()))
        program.chmod(0o755)

    def version(self) -> str:
        """Pants' version. The launcher's first start, which installs Pants, happens here."""
        command = ["../pants", "--no-pantsd", "--version"]
        measure.run(command, self.root)
        return "Pants " + (measure.first_line(command, self.root) or "?")

    def command(
        self, target: str, caches: Caches, pantsd: bool, options: Sequence[str] = ()
    ) -> list[str]:
        """`../pants package TARGET`, to be run in `root`."""
        return [
            "../pants",
            "--pantsd" if pantsd else "--no-pantsd",
            f"--local-store-dir={caches.store}",
            f"--named-caches-dir={caches.named}",
            *options,
            "package",
            target,
        ]

    def package(
        self, target: str, caches: Caches, pantsd: bool, options: Sequence[str] = ()
    ) -> float:
        """Seconds of `../pants package TARGET`. Raises measure.CommandFailed."""
        return measure.run(self.command(target, caches, pantsd, options), self.root)

    def product(self, target: str) -> Path:
        name = target.rpartition(":")[2]
        found = sorted((self.root / "dist").rglob(f"{name}.tar"))
        if len(found) != 1:
            raise CannotMeasure(f"{target}: not one {name}.tar below dist/ but {len(found)}")
        return found[0]

    def forget_product(self) -> None:
        shutil.rmtree(self.root / "dist", ignore_errors=True)

    def stop(self) -> None:
        """Ends the daemon of the copy, and no other."""
        for file in self.root.glob(".pids/**/pantsd/pid"):
            try:
                os.kill(int(file.read_text()), signal.SIGTERM)
            except (OSError, ValueError):
                continue
