"""Three small packages, and what is in them."""

from __future__ import annotations

import os
from pathlib import Path

from tests.bundler.debian import archive
from tests.bundler.debian.debs import File
from tests.bundler.debian.mirror import Archive, Package
from tests.bundler.elf_builder import Spec, build

OS_RELEASE = b"ID=debian\nVERSION_ID=12\n"
COPYRIGHT = b"Copyright: nobody\nLicense: CC0-1.0\n"
#: In the programs, so that the store of an earlier run has none of these packages.
NONCE = os.urandom(8)


def program(text: bytes = b"") -> bytes:
    """A static program."""
    return build(Spec(dynamic=False, e_type=2, payload=NONCE + text))


def tool(version: str = "1.0") -> Package:
    files = (
        File("./usr/bin/tool", program(version.encode()), mode=0o755),
        File("./usr/share/doc/tool/copyright", COPYRIGHT),
        File("./usr/share/tool/unused", b"not in the image\n"),
    )
    return Package("tool", version, files)


def packages() -> list[Package]:
    return [
        Package("base-files", "12.4", (File("./usr/lib/os-release", OS_RELEASE),)),
        tool(),
        Package("other", "1.0", (File("./usr/bin/other", program(b"other"), mode=0o755),)),
    ]


def archive_in(folder: Path, key: archive.Key) -> Archive:
    return Archive(folder, key, packages())
