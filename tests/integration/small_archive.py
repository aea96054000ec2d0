"""A Debian archive of a few small packages, in a folder that serves as a mirror."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from tests.bundler.debian import archive, debs
from tests.bundler.debian.debs import File
from tests.bundler.elf_builder import GLIBC, Spec, build
from tests.bundler.rootfs import loader_file
from tests.bundler.versions import versioned

LIBRARIES = "./usr/lib/tri"


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    files: tuple[File, ...]
    depends: str = ""

    @property
    def path(self) -> str:
        return f"pool/main/{self.name[0]}/{self.name}/{self.name}_{self.version}_amd64.deb"

    def deb(self) -> bytes:
        more = {"Depends": self.depends} if self.depends else {}
        text = debs.stanza(self.name, self.version, Maintainer="Nobody <n@example.org>", **more)
        return debs.deb(text, debs.tar(debs.parents(self.files)))

    def stanza(self) -> str:
        content = self.deb()
        return archive.stanza(
            self.name,
            self.version,
            Depends=self.depends,
            Filename=self.path,
            Size=str(len(content)),
            SHA256=hashlib.sha256(content).hexdigest(),
        )


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
class Archive:
    """Packages can be replaced; `write` makes the folder what the archive is then."""

    folder: Path
    key: archive.Key
    #: In every program and library: no earlier run of a test can have cached what is made of them.
    nonce: bytes = field(default_factory=lambda: os.urandom(8))
    packages: list[Package] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.packages = self.packages or packages(self.nonce)

    @property
    def url(self) -> str:
        return f"file://{self.folder}"

    def write(self) -> None:
        files = archive.suite(
            self.key, {"amd64": archive.index(*(package.stanza() for package in self.packages))}
        )
        files.update({package.path: package.deb() for package in self.packages})
        for path, content in files.items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    def replace(self, package: Package) -> None:
        """A newer version comes, and the older one leaves the pool."""
        for old in [old for old in self.packages if old.name == package.name]:
            self.packages.remove(old)
            (self.folder / old.path).unlink(missing_ok=True)
        self.packages.append(package)
        self.write()
