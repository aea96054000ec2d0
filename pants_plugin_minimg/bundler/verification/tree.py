"""The file system of an image, from its layers: as we lay layers, and nothing else in them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from pants_plugin_minimg.bundler import pieces
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.plan import Entry
from pants_plugin_minimg.bundler.rendering import layers as ourlayers
from pants_plugin_minimg.bundler.tars.decompress import chunks
from pants_plugin_minimg.bundler.tars.reader import Member
from pants_plugin_minimg.bundler.tars.sysroot import Node, TarSysroot
from pants_plugin_minimg.bundler.tars.window import Handle, Window
from pants_plugin_minimg.bundler.text import text
from pants_plugin_minimg.bundler.verification import tars
from pants_plugin_minimg.bundler.verification.documents import Layer
from pants_plugin_minimg.bundler.verification.tars import finding


@dataclass
class Tree:
    """`layers` has the entries of each layer by path, `root` the whole as a file system."""

    root: TarSysroot
    layers: list[dict[bytes, Entry]] = field(default_factory=list)

    def entries(self) -> dict[bytes, Entry]:
        """By path; a directory that several layers hold is there once."""
        return {path: entry for layer in self.layers for path, entry in layer.items()}


def read(
    layers: Sequence[Layer], mtime: int, limit: int, scratch: str
) -> tuple[Tree, list[MinimgError]]:
    """The tree, its uncompressed layers in the folder `scratch`, and what is wrong with it.

    The layers may unpack to `limit` bytes altogether. Raises OSError.
    """
    problems: list[MinimgError] = []
    nodes: dict[bytes, Node] = {b"/": Node("dir")}
    paths: list[str] = []
    tree = Tree(TarSysroot(paths, nodes))
    for number, layer in enumerate(layers):
        path = os.path.join(scratch, f"{number}.tar")
        paths.append(path)
        unpacked = _unpack(layer, path, limit, problems)
        limit -= unpacked
        handle = Handle(path)
        members, found = tars.read(handle, layer.digest, mtime)
        problems += found
        entries = [_entry(member, handle, number) for member in members]
        problems += _wrong(entries, layer.digest)
        here: dict[bytes, Entry] = {}
        for member, entry in zip(members, entries):
            here[entry.path] = entry
            problems += _lay(member, entry, number, nodes, tree)
        tree.layers.append(here)
    return tree, problems


def _unpack(layer: Layer, path: str, limit: int, problems: list[MinimgError]) -> int:
    """The size of the tar, which is cut off where the compressed data is damaged."""
    state, size = hashlib.sha256(), 0
    with open(path, "wb") as out:
        try:
            for piece in chunks(cast(BinaryIO, layer.blob), layer.digest):
                state.update(piece)
                size += len(piece)
                if size > limit:
                    problems.append(finding(layer.digest, "it unpacks to more than the limit"))
                    return size
                out.write(piece)
        except MinimgError as error:
            problems.append(error)
            return size
    if f"sha256:{state.hexdigest()}" != layer.diff_id:
        problems.append(finding(layer.digest, f"the tar in it is not {layer.diff_id}"))
    return size


def _entry(member: Member, handle: Handle, number: int) -> Entry:
    path = b"/" + member.name.rstrip(b"/")
    entry = Entry(path, member.kind, member.mode, member.uid, member.gid, layer=number)
    if member.kind == "file":
        content = Window(handle, member.offset, member.size)
        entry.content, entry.size = pieces.digest(content, hashlib.sha256()), member.size
    elif member.kind == "hardlink":
        entry.target = b"/" + member.target
    elif member.kind == "link":
        entry.target = member.target
    return entry


def _wrong(entries: list[Entry], digest: str) -> list[MinimgError]:
    out = [finding(error.subject, error.problem) for error in ourlayers.problems(entries)]
    if entries != sorted(entries, key=ourlayers.position):
        out.append(finding(digest, "its members are not in the order that we write"))
    return out


def _lay(
    member: Member, entry: Entry, number: int, nodes: dict[bytes, Node], tree: Tree
) -> list[MinimgError]:
    """Put an entry over what the layers below have: only a directory may be there, and equal."""
    known = nodes.get(entry.path)
    if entry.kind == "hardlink":
        target = nodes.get(entry.target or b"")
        if target is None:
            return []  # told as a fault of the layer
        nodes[entry.path] = target
    elif entry.kind in ("file", "dir", "link"):
        owned = (entry.kind, entry.mode, entry.uid, entry.gid)
        nodes[entry.path] = Node(
            *owned, member.size, member.offset, member.target, number, len(nodes)
        )
    if known is None or entry.path == b"/":
        return []
    below = next((one[entry.path] for one in reversed(tree.layers) if entry.path in one), None)
    if below is not None and below.kind == entry.kind == "dir":
        if (below.mode, below.uid, below.gid) == (entry.mode, entry.uid, entry.gid):
            return []
    return [finding(text(entry.path), "two layers hold it, and not as the same directory")]
