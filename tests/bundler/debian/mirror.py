"""A signed archive of generated packages, in a folder that serves as a mirror."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bundler.debian import archive, debs
from tests.bundler.debian.debs import File


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    files: Sequence[File]
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
            Depends=self.depends,
            Filename=self.path,
            Size=str(len(content)),
            SHA256=hashlib.sha256(content).hexdigest(),
        )


@dataclass
class Archive:
    """`write` makes the folder what the archive is then; what has left it stays in the pool."""

    folder: Path
    key: archive.Key
    packages: list[Package]

    @property
    def url(self) -> str:
        return f"file://{self.folder}"

    def write(self) -> None:
        index = archive.index(*(package.stanza() for package in self.packages))
        files = archive.suite(self.key, {"amd64": index})
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
