"""One file system from the layers of an image, the lowest first.

OCI image specification, layer.md, sections "Applying Changesets" and "Whiteouts". Paths go through
the links that are there, as in container engines; `..` stops at the root.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.sysroots.sysroot import MAX_LINKS
from pants_plugin_minimg.bundler.tars.index import inside
from pants_plugin_minimg.bundler.tars.reader import DIR, HARDLINK, LINK, Member, Tape
from pants_plugin_minimg.bundler.text import text

_WHITEOUT, _META, _OPAQUE = b".wh.", b".wh..wh.", b".wh..wh..opq"


class Inode:
    """A file, link, device or directory; hard links are one inode at several paths.

    `tar` is the number of the layer whose tar holds the bytes. `children` is None for all but
    directories.
    """

    __slots__ = (
        "kind", "mode", "uid", "gid", "size", "offset", "target", "tar", "xattrs", "children",
    )  # fmt: skip

    def __init__(self, member: Member | None, tar: int) -> None:
        """Without a member: a directory that only the path of something else names."""
        self.kind = DIR if member is None else member.kind
        self.mode = 0o755 if member is None else member.mode
        self.uid = 0 if member is None else member.uid
        self.gid = 0 if member is None else member.gid
        self.size = 0 if member is None else member.size
        self.offset = 0 if member is None else member.offset
        self.target = b"" if member is None else member.target
        self.xattrs = () if member is None else member.xattrs
        self.tar = tar
        self.children: dict[bytes, Inode] | None = {} if self.kind == DIR else None


class _Change(NamedTuple):
    """A member and its path, in components."""

    member: Member
    parts: tuple[bytes, ...]


class LayerTree:
    """Starts empty. `add` raises MinimgError MINIMG-E027 for what no file system can hold."""

    def __init__(self) -> None:
        self.root = Inode(None, 0)
        self._tar = -1

    def add(self, members: Sequence[Member], tape: Tape, *, whiteouts: bool) -> None:
        """The next layer. `whiteouts`: whether `.wh.` names say what is gone."""
        self._tar += 1
        self._tape = tape
        changes = [
            _Change(member, tuple(inside(tape, member.name).split(b"/")[1:])) for member in members
        ]
        removed: dict[tuple[bytes, ...], Inode] = {}
        if whiteouts:
            own = {change.parts for change in changes}
            for change in changes:
                if change.parts[-1].startswith(_WHITEOUT):
                    self._white_out(change.parts, own, removed)
            changes = [change for change in changes if not change.parts[-1].startswith(_WHITEOUT)]
        for change in changes:
            self._place(change, removed)

    def walk(self) -> Iterator[tuple[bytes, Inode]]:
        """Every path with its inode, directories before what is in them, sorted."""
        pending = [(b"", self.root)]
        while pending:
            path, inode = pending.pop()
            yield path or b"/", inode
            for name in sorted(inode.children or (), reverse=True):
                assert inode.children is not None
                pending.append((path + b"/" + name, inode.children[name]))

    def _white_out(
        self,
        parts: tuple[bytes, ...],
        own: set[tuple[bytes, ...]],
        removed: dict[tuple[bytes, ...], Inode],
    ) -> None:
        name = parts[-1]
        # What this layer has in place of a link is another directory than the link's.
        folder = self._lookup(parts[:-1], own)
        if folder is None or folder.children is None:
            return
        if name == _OPAQUE:
            gone = list(folder.children)
        elif name.startswith(_META):  # aufs' own records
            return
        else:
            gone = [name[len(_WHITEOUT) :]]
            if gone[0] in (b"", b".", b".."):
                raise self._refused(parts, "is a whiteout of nothing")
        for each in gone:
            inode = folder.children.pop(each, None)
            if inode is not None:
                removed[(*parts[:-1], each)] = inode

    def _place(self, change: _Change, removed: dict[tuple[bytes, ...], Inode]) -> None:
        member, parts = change
        if parts == (b"",):
            if member.kind != DIR:
                raise self._refused(parts, "takes the place of the root")
            self._own(self.root, member)
            return
        folder = self._folder(parts[:-1])
        assert folder.children is not None
        if member.kind == HARDLINK:
            inode = self._linked(member, parts, removed)
        else:
            if member.kind == LINK and (not member.target or b"\0" in member.target):
                raise self._refused(parts, "is a link to nothing")
            known = folder.children.get(parts[-1])
            if known is not None and known.kind == DIR and member.kind == DIR:
                self._own(known, member)
                return
            inode = Inode(member, self._tar)
        folder.children[parts[-1]] = inode

    def _own(self, inode: Inode, member: Member) -> None:
        inode.mode, inode.uid, inode.gid = member.mode, member.uid, member.gid
        inode.xattrs = member.xattrs

    def _linked(
        self, member: Member, parts: tuple[bytes, ...], removed: dict[tuple[bytes, ...], Inode]
    ) -> Inode:
        target = tuple(inside(self._tape, member.target).split(b"/")[1:])
        folder = self._lookup(target[:-1])
        found = None
        if folder is not None and folder.children is not None:
            found = folder.children.get(target[-1])
        for depth in range(len(target), 0, -1):
            if found is None and target[:depth] in removed:
                found = _below(removed[target[:depth]], target[depth:])
        if found is None or found.kind == DIR:
            raise self._refused(
                parts, f"is a hard link to {text(member.target)}, which is no file that is there"
            )
        return found

    def _folder(self, parts: tuple[bytes, ...]) -> Inode:
        """The directory at a path, made where it is missing."""
        found = self._follow(parts, make=True)
        if found is None or found.children is None:
            raise self._refused(parts, "is no directory, and something is below it")
        return found

    def _lookup(
        self, parts: tuple[bytes, ...], own: set[tuple[bytes, ...]] | None = None
    ) -> Inode | None:
        return self._follow(parts, own=own)

    def _follow(
        self,
        parts: tuple[bytes, ...],
        *,
        make: bool = False,
        own: set[tuple[bytes, ...]] | None = None,
    ) -> Inode | None:
        """Where a path leads; None when nothing is there, or the path passes through a file.

        With `own`, a link that stands for one of these paths is not followed.
        """
        trail = [self.root]
        pending = list(reversed(parts))
        passed, links = 0, 0
        while pending:
            name = pending.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                del trail[1 if len(trail) == 1 else -1 :]
                continue
            children = trail[-1].children
            if children is None:
                return None
            inode = children.get(name)
            passed += 1
            if inode is None:
                if not make:
                    return None
                inode = children[name] = Inode(None, self._tar)
            if inode.kind != LINK:
                trail.append(inode)
                continue
            links += 1
            if links > MAX_LINKS:
                raise self._refused(parts, "goes through a chain of links that does not end")
            if own is not None and links == 1 and parts[:passed] in own:
                return None
            if inode.target[:1] == b"/":
                del trail[1:]
            pending.extend(reversed(inode.target.split(b"/")))
        return trail[-1]

    def _refused(self, parts: tuple[bytes, ...], problem: str) -> MinimgError:
        return self._tape.error(f"its path {text(b'/' + b'/'.join(parts))} {problem}")


def _below(inode: Inode, parts: Sequence[bytes]) -> Inode | None:
    found: Inode | None = inode
    for name in parts:
        found = None if found is None or found.children is None else found.children.get(name)
    return found
