"""A few small packages: a C library, programs, and libraries of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bundler.debian import archive
from tests.bundler.debian.debs import File
from tests.bundler.debian.mirror import Archive, Package
from tests.bundler.elf_builder import GLIBC, Spec, build
from tests.bundler.rootfs import loader_file
from tests.bundler.versions import versioned
from tests.integration.pants_runs import Repository, Run

LIBRARIES = "./usr/lib/tri"


def library(version: str, nonce: bytes) -> Package:
    content = build(Spec(soname=b"liba.so.1", payload=version.encode() + nonce))
    return Package("liba1", version, (File(f"{LIBRARIES}/liba.so.1", content),), "libc6")


def packages(nonce: bytes) -> list[Package]:
    """A C library, two programs, the library of one, and one with the symbol version V1 alone."""
    libc = build(Spec(soname=b"libc.so.6", payload=nonce))
    libv = versioned(Spec(soname=b"libv.so.1", payload=nonce), defines=(b"libv.so.1", b"V1"))

    def tool(name: str, *needed: bytes) -> tuple[File, ...]:
        spec = Spec(interp=GLIBC, needed=(*needed, b"libc.so.6"), payload=nonce)
        return (File(f"./usr/bin/{name}", build(spec), mode=0o755),)

    loader = File(f".{GLIBC.decode()}", loader_file(), mode=0o755)
    release = File("./usr/lib/os-release", b"ID=debian\nVERSION_ID=12\n")
    return [
        Package("libc6", "2.36-9", (loader, File(f"{LIBRARIES}/libc.so.6", libc))),
        Package("base-files", "12", (release,)),
        library("1", nonce),
        Package("tool-a", "1", tool("a", b"liba.so.1"), "liba1"),
        Package("tool-b", "1", tool("b"), "libc6"),
        Package("libv1", "1", (File(f"{LIBRARIES}/libv.so.1", libv),), "libc6"),
    ]


@dataclass
class Mirror(Archive):
    """An archive that a local server has, which tells what was asked of it."""

    server: archive.Server

    @property
    def url(self) -> str:
        return self.server.base

    def write(self) -> None:
        super().write()
        self.server.files = {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }

    def fetched(self) -> list[str]:
        """The packages that were asked for since the last call, by file name."""
        names = [path.rpartition("/")[2] for path in self.server.asked if path.startswith("pool/")]
        self.server.asked.clear()
        return sorted(names)


@contextmanager
def mirror(folder: Path, key: archive.Key, nonce: bytes) -> Iterator[Mirror]:
    """The packages, served from `folder`. `nonce` is in every program and library."""
    with archive.serving() as server:
        made = Mirror(folder, key, packages(nonce), server)
        made.write()
        yield made


class Small(Repository):
    """A repository over a mirror, with a pantsd that lives as long as the tests of a module."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.env.update(PANTS_PANTSD="true", no_proxy="127.0.0.1", NO_PROXY="127.0.0.1")
        self.mirrors: tuple[str, ...] = ()
        self.keyring = ""

    def pants(self, *arguments: str, level: str = "debug") -> Run:
        """With another level than the last time it would be another pantsd."""
        options = (
            f"--minimg-debian-mirrors={list(self.mirrors)}",
            f"--minimg-debian-keyrings=['{self.keyring}']",
        )
        return super().pants(*options, *arguments, level=level)

    def refused(self, *arguments: str) -> str:
        """What a command that must fail says."""
        run = self.pants(*arguments)
        assert run.exit_code == 1
        said = [line for line in run.stderr.splitlines() if "[DEBUG]" not in line]
        assert not any("Traceback" in line for line in said), said
        return "\n".join(said)

    def lock(self) -> Run:
        return self.pants("generate-lockfiles", "--resolve=small").succeeded()
