"""A file system in a folder, filled by tests."""

from __future__ import annotations

import os
from pathlib import Path

from pants_plugin_minimg.bundler import loader
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot

from .elf_builder import GLIBC, Spec, build

#: What the tests' own glibc loader says about itself, as in a real one's read-only data.
DIRECTORIES = (b"/lib/tri/", b"/usr/lib/tri/", b"/lib/", b"/usr/lib/")


def loader_file(version: bytes = b"2.36") -> bytes:
    payload = b"\0\0" + b"".join(item + b"\0" for item in DIRECTORIES)
    payload += b"\0ld.so (GNU libc) stable release version " + version + b".\n\0"
    return build(Spec(soname=b"ld-linux-x86-64.so.2", payload=payload))


class Root:
    """Paths are those inside the root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def on_disk(self, path: str) -> Path:
        return self.folder / path.lstrip("/")

    def file(self, path: str, content: bytes = b"", mode: int = 0o644) -> str:
        target = self.on_disk(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(mode)
        return path

    def link(self, path: str, target: str) -> None:
        self.on_disk(path).parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, self.on_disk(path))

    def hardlink(self, path: str, existing: str) -> None:
        self.on_disk(path).parent.mkdir(parents=True, exist_ok=True)
        os.link(self.on_disk(existing), self.on_disk(path))

    def directory(self, path: str) -> None:
        self.on_disk(path).mkdir(parents=True, exist_ok=True)

    def elf(self, path: str, *needed: bytes | tuple[int, bytes], **fields: object) -> str:
        spec = Spec(needed=needed)
        for name, value in fields.items():
            assert hasattr(spec, name), name
            setattr(spec, name, value)
        return self.file(path, build(spec), 0o755)

    def program(self, path: str, *needed: bytes | tuple[int, bytes], **fields: object) -> str:
        fields.setdefault("interp", GLIBC)
        return self.elf(path, *needed, **fields)

    def glibc(self, version: bytes = b"2.36") -> None:
        self.file(GLIBC.decode(), loader_file(version), 0o755)

    def sysroot(self) -> DirSysroot:
        return DirSysroot(os.fsencode(self.folder))

    def resolve(self, path: str, **options: object) -> loader.Closure:
        return loader.resolve(self.sysroot(), path.encode(), **options)  # type: ignore[arg-type]
