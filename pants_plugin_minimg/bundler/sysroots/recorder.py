"""Which paths of the host a plan was made of, found or not, beyond those that the sweep covers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

from pants_plugin_minimg.bundler.sysroots.fingerprint import COPYRIGHT, State, settled, state
from pants_plugin_minimg.bundler.sysroots.sysroot import Stat, Sysroot
from pants_plugin_minimg.bundler.text import text


class Recorder(Sysroot):
    """Passes every question on to the host, and remembers those that no sweep answers.

    A sweep covers what is in `folders`, `files`, and the licences in the folders of `documents`.
    """

    def __init__(
        self,
        host: Sysroot,
        folders: Iterable[bytes],
        files: Iterable[bytes],
        documents: bytes | None = None,
    ) -> None:
        super().__init__()
        self._host = host
        self._folders = frozenset(folders)
        self._files = frozenset(files)
        self._documents = documents
        self._paths: dict[bytes, State] = {}
        self._listed: dict[bytes, State] = {}
        self._opened: dict[bytes, State] = {}

    def _record(self, path: bytes) -> None:
        if path in self._paths or path in self._files or path in self._folders:
            return
        folder, _, name = path.rpartition(b"/")
        if (folder or b"/") in self._folders:
            return
        if name == COPYRIGHT and folder.rpartition(b"/")[0] == self._documents:
            return
        self._paths[path] = state(path)[0]

    def lstat(self, path: bytes) -> Stat | None:
        self._record(path)
        return self._host.lstat(path)

    def denied(self, path: bytes) -> bool:
        return self._host.denied(path)

    def xattrs(self, path: bytes) -> tuple[str, ...]:
        return self._host.xattrs(path)

    def readlink(self, path: bytes) -> bytes:
        self._record(path)
        return self._host.readlink(path)

    def open(self, path: bytes) -> BinaryIO:
        self._record(path)
        if path not in self._opened:
            self._opened[path] = settled(lambda: state(path))
        return self._host.open(path)

    def on_this_machine(self, path: bytes) -> bytes | None:
        return path

    def scandir(self, path: bytes) -> list[bytes]:
        if path not in self._folders and path not in self._listed:
            self._listed[path] = state(path, listed=True)[0]
        return self._host.scandir(path)

    def untouched(self, path: bytes) -> bool:
        """Whether a file was opened, and is what it was before it was for the first time."""
        return path in self._opened and self._opened[path] == state(path)[0]

    def consulted(self) -> dict[str, Any]:
        """The paths outside the sweep and their state when they were first looked at."""
        return {
            "version": 1,
            "paths": {text(path): value for path, value in sorted(self._paths.items())},
            "listed": {text(path): value for path, value in sorted(self._listed.items())},
        }
