"""A root file system becomes a folder: its tars, uncompressed, and one index of the whole."""

from __future__ import annotations

import hashlib
import os
from typing import Any, BinaryIO

from pants_plugin_minimg.bundler import jsonfile, outputs, pieces
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot
from pants_plugin_minimg.bundler.tars.decompress import chunks
from pants_plugin_minimg.bundler.tars.imagesource import ImageSource
from pants_plugin_minimg.bundler.tars.layertree import Inode, LayerTree
from pants_plugin_minimg.bundler.tars.reader import Tape, members
from pants_plugin_minimg.bundler.tars.sysroot import Node, TarSysroot
from pants_plugin_minimg.bundler.text import path_bytes, text

INDEX = "index.json"
_WHOLE = "whole.tar"


def convert(source: str, architecture: str | None, limit: int, out: str) -> None:
    """Write `out`: 0.tar, 1.tar … and index.json, which `open_rootfs` reads.

    `source` is a tar of a file system, a `docker save` tar, or an OCI layout as a tar or as a
    folder; tars may be packed by gzip, xz or zstd. `architecture` chooses among several images.
    The layers may unpack to `limit` bytes altogether, and the tar around them too. Raises
    MinimgError: MINIMG-E027 for whatever is wrong with the source, MINIMG-E001 when it cannot be
    read or `out` not be written.
    """
    subject = os.path.basename(os.path.normpath(source))
    with outputs.whole(out) as folder:
        conversion = _Conversion(subject, architecture, limit, folder)
        if os.path.isdir(source):
            tree = DirSysroot(os.fsencode(source))
            if not ImageSource.is_layout(tree):
                raise MinimgError("MINIMG-E027", subject, "this folder is no OCI layout")
            conversion.image(ImageSource(tree, subject))
        else:
            conversion.tar(source)
        jsonfile.write(os.path.join(folder, INDEX), jsonfile.canonical(conversion.index()))


class _Conversion:
    def __init__(self, subject: str, architecture: str | None, limit: int, folder: str) -> None:
        self._subject = subject
        self._architecture = architecture
        self._limit = self._left = limit
        self._folder = folder
        self._tree = LayerTree()
        self._tars: list[str] = []
        self._platform: dict[str, str] | None = None

    def tar(self, source: str) -> None:
        """A tar is an image when it holds what images hold, else it is the file system itself."""
        whole = os.path.join(self._folder, _WHOLE)
        outer = LayerTree()
        with jsonfile.reading(source):
            file = open(source, "rb")
        with file:
            self._unpacked(file, whole, outer, self._limit, None)
        tree = _sysroot([whole], outer)
        if ImageSource.is_layout(tree) or ImageSource.is_docker(tree):
            self.image(ImageSource(tree, self._subject))
            os.unlink(whole)
        else:
            self._tree = outer
            os.rename(whole, self._next())

    def image(self, source: ImageSource) -> None:
        image = source.image(self._architecture)
        self._platform = image.platform
        for layer in image.layers:
            path = self._next()
            with source.open(layer) as file:
                self._unpacked(file, path, self._tree, self._left, layer.diff_id)
            self._left -= os.path.getsize(path)

    def _next(self) -> str:
        self._tars.append(f"{len(self._tars)}.tar")
        return os.path.join(self._folder, self._tars[-1])

    def _unpacked(
        self, file: BinaryIO, path: str, tree: LayerTree, limit: int, diff_id: str | None
    ) -> None:
        """Unpack one tar to `path` and lay it over the tree; with a digest it is an image's."""
        with open(path, "wb") as out:
            tape = Tape(chunks(file, self._subject), self._subject, limit, out)
            found = list(members(tape))
        if diff_id is not None and _digest(path, diff_id) != diff_id:
            raise tape.error(f"the layer {diff_id} has other bytes")
        tree.add(found, tape, whiteouts=diff_id is not None)

    def index(self) -> dict[str, Any]:
        return {
            "version": jsonfile.VERSION,
            "platform": self._platform,
            "tars": self._tars,
            **_entries(self._tree),
        }


def _digest(path: str, like: str) -> str:
    algorithm = like.partition(":")[0]
    with open(path, "rb") as file:
        return f"{algorithm}:{pieces.digest(file, hashlib.new(algorithm))}"


def _entries(tree: LayerTree) -> dict[str, Any]:
    """Rows as in a package's index, with the number of the tar at their end."""
    first: dict[int, bytes] = {}
    rows: list[list[Any]] = []
    xattrs: dict[str, list[str]] = {}
    for path, inode in tree.walk():
        kind, target = inode.kind, inode.target
        if inode.children is None:
            known = first.setdefault(id(inode), path)
            if known != path and kind == "file":
                kind, target = "hardlink", known
        numbers = [inode.mode, inode.uid, inode.gid, inode.size, inode.offset]
        rows.append([text(path), kind, *numbers, text(target), inode.tar])
        if inode.xattrs:
            xattrs[text(path)] = list(inode.xattrs)
    return {"entries": rows, "xattrs": xattrs}


def _sysroot(tars: list[str], tree: LayerTree) -> TarSysroot:
    """What is being converted, as a file system."""

    def node(inode: Inode) -> Node:
        return Node(inode.kind, size=inode.size, offset=inode.offset, target=inode.target)

    return TarSysroot(tars, {path: node(inode) for path, inode in tree.walk()})


class RootfsSysroot(TarSysroot):
    """`platform` is what the image says of itself, `os` and `architecture`; None for a bare tar."""

    platform: dict[str, str] | None = None


def open_rootfs(folder: str) -> RootfsSysroot:
    """What `convert` made. Raises MinimgError MINIMG-E001 for any other folder."""
    path = os.path.join(folder, INDEX)
    raw = jsonfile.load(path)
    nodes: dict[bytes, Node] = {}
    with jsonfile.reading(path):
        tars = [os.path.join(folder, name) for name in raw["tars"]]
        for number, row in enumerate(raw["entries"], 1):
            name, kind, mode, uid, gid, size, offset, target, tar = row
            place = path_bytes(name)
            if kind == "hardlink":
                nodes[place] = nodes[path_bytes(target)]
            else:
                nodes[place] = Node(
                    kind, mode, uid, gid, size, offset, path_bytes(target), tar, number
                )
        xattrs = {path_bytes(name): tuple(names) for name, names in raw["xattrs"].items()}
        sysroot = RootfsSysroot(tars, nodes, xattrs)
        sysroot.platform = raw["platform"]
    return sysroot
