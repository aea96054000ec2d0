"""A few small packages: a C library, programs, and libraries of theirs."""

from __future__ import annotations

from pathlib import Path

from tests.bundler.debian import archive
from tests.bundler.debian.debs import File
from tests.bundler.debian.mirror import Archive, Package
from tests.bundler.elf_builder import GLIBC, Spec, build
from tests.bundler.rootfs import loader_file
from tests.bundler.versions import versioned

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


def mirror(folder: Path, key: archive.Key, nonce: bytes) -> Archive:
    """The packages in `folder`. `nonce` is in every program and library."""
    made = Archive(folder, key, packages(nonce))
    made.write()
    return made
