"""A signed archive of three small packages, in a folder that serves as a mirror."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bundler.debian import archive, debs
from tests.bundler.debian.debs import File
from tests.bundler.elf_builder import Spec, build

OS_RELEASE = b"ID=debian\nVERSION_ID=12\n"
COPYRIGHT = b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
#: In the programs, so that the store of an earlier run has none of these packages.
NONCE = os.urandom(8)


@dataclass(frozen=True)
class Package:
    name: str
    files: Sequence[File]
    version: str = "1.0"
    depends: str = ""

    @property
    def path(self) -> str:
        return f"pool/main/{self.name[0]}/{self.name}/{self.name}_{self.version}_amd64.deb"

    def deb(self) -> bytes:
        fields = {"Depends": self.depends} if self.depends else {}
        text = debs.stanza(self.name, self.version, Maintainer="Nobody <n@example.org>", **fields)
        return debs.deb(text, debs.tar(debs.parents(self.files)))

    def stanza(self) -> str:
        content = self.deb()
        return archive.stanza(
            self.name,
            self.version,
            Filename=self.path,
            Size=str(len(content)),
            SHA256=hashlib.sha256(content).hexdigest(),
            Depends=self.depends,
        )


def program(text: bytes = b"") -> bytes:
    """A static program."""
    return build(Spec(dynamic=False, e_type=2, payload=NONCE + text))


def tool(version: str = "1.0") -> Package:
    files = (
        File("./usr/bin/tool", program(version.encode()), mode=0o755),
        File("./usr/share/doc/tool/copyright", COPYRIGHT),
        File("./usr/share/tool/unused", b"not in the image\n"),
    )
    return Package("tool", files, version)


def packages() -> list[Package]:
    return [
        Package("base-files", (File("./usr/lib/os-release", OS_RELEASE),), "12.4"),
        tool(),
        Package("other", (File("./usr/bin/other", program(b"other"), mode=0o755),)),
    ]


@dataclass
class Archive:
    folder: Path
    key: archive.Key
    packages: list[Package] = field(default_factory=packages)

    @property
    def url(self) -> str:
        return f"file://{self.folder}"

    def write(self) -> None:
        """The folder becomes what the archive is now; packages that left it stay in the pool."""
        index = archive.index(*(package.stanza() for package in self.packages))
        files = archive.suite(self.key, {"amd64": index})
        files.update({package.path: package.deb() for package in self.packages})
        for path, content in files.items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
