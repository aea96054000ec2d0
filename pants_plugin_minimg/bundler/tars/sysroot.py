"""A file system whose files lie in tars and are read there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import BinaryIO, NamedTuple, cast

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.sysroots.sysroot import Stat, Sysroot
from pants_plugin_minimg.bundler.tars.window import Handle, Window
from pants_plugin_minimg.bundler.text import text

#: The device number of all that is in tars; -1 is that of files from the build.
_DEVICE = -2
#: Tars that are open at once, well below the usual limit of 1024 files.
_MAX_OPEN = 200


class Node(NamedTuple):
    """What is at a path. `kind` is "file", "dir", "link" or "other"; hard links share `ino`.

    `tar` is the number of the tar that holds the bytes, from `offset` on; `target` a link's text.
    """

    kind: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    size: int = 0
    offset: int = 0
    target: bytes = b""
    tar: int = 0
    ino: int = 0


class TarSysroot(Sysroot):
    """`nodes` by canonical path, every parent directory among them; `tars` are uncompressed."""

    def __init__(
        self,
        tars: Sequence[str],
        nodes: Mapping[bytes, Node],
        xattrs: Mapping[bytes, tuple[str, ...]] | None = None,
    ) -> None:
        super().__init__()
        self._tars = tars
        self._nodes = nodes
        self._xattrs = xattrs or {}
        self._children: dict[bytes, list[bytes]] | None = None
        self._open: OrderedDict[int, Handle] = OrderedDict()

    def lstat(self, path: bytes) -> Stat | None:
        node = self._nodes.get(path)
        if node is None:
            return None
        kind, mode, uid, gid, size, _, target, _, ino = node
        if kind == "link":
            mode, size = 0o777, len(target)
        return Stat(kind, mode, size, _DEVICE, ino, uid, gid, 0, 0)

    def readlink(self, path: bytes) -> bytes:
        node = self._nodes.get(path)
        if node is None or node.kind != "link":
            raise MinimgError("MINIMG-E001", text(path), "not a link")
        return node.target

    def open(self, path: bytes) -> BinaryIO:
        node = self._nodes.get(path)
        if node is None or node.kind != "file":
            raise MinimgError("MINIMG-E001", text(path), "not a regular file")
        handle = self._handle(node.tar)
        if node.offset + node.size > handle.size:
            raise MinimgError("MINIMG-E027", self._tars[node.tar], "it is shorter than its index")
        return cast(BinaryIO, Window(handle, node.offset, node.size))

    def scandir(self, path: bytes) -> list[bytes]:
        if self._children is None:
            self._children = self._listing()
        if path not in self._children:
            raise MinimgError("MINIMG-E001", text(path), "not a directory")
        return list(self._children[path])

    def xattrs(self, path: bytes) -> tuple[str, ...]:
        """The names of the extended attributes that the tar gives a canonical path."""
        return self._xattrs.get(path, ())

    def _listing(self) -> dict[bytes, list[bytes]]:
        found: dict[bytes, list[bytes]] = {
            path: [] for path, node in self._nodes.items() if node.kind == "dir"
        }
        for path in self._nodes:
            parent, _, name = path.rpartition(b"/")
            if name:
                found[parent or b"/"].append(name)
        for names in found.values():
            names.sort()
        return found

    def _handle(self, tar: int) -> Handle:
        handle = self._open.get(tar)
        if handle is None:
            try:
                handle = self._open[tar] = Handle(self._tars[tar])
            except OSError as error:
                raise MinimgError(
                    "MINIMG-E001", self._tars[tar], f"it cannot be read: {error.strerror}"
                ) from None
            if len(self._open) > _MAX_OPEN:
                self._open.popitem(last=False)
        return handle
