"""Which package's file is at a path when all are unpacked: the rules of dpkg.

Debian Policy 7.6.1 (Replaces), dpkg's src/main/archives.c (`tarobject`), dpkg-divert(1). Where the
order of installation matters to dpkg, packages count as installed in the order of their names.
"""

from __future__ import annotations

from collections.abc import Sequence

from pants_plugin_minimg.bundler import pieces
from pants_plugin_minimg.bundler.debian.dirlinks import DirectoryLinks, merged_usr
from pants_plugin_minimg.bundler.debian.maintscripts import Diversion
from pants_plugin_minimg.bundler.debian.package import fields
from pants_plugin_minimg.bundler.debian.unpacked import Unpacked
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.tars.sysroot import Node
from pants_plugin_minimg.bundler.tars.window import Handle, Window
from pants_plugin_minimg.bundler.text import text


class Merge:
    """All packages over each other.

    `nodes` by canonical path; `owners`: of what is no directory, the number of the package.
    `problems` were all found.
    """

    def __init__(self, packages: Sequence[Unpacked]) -> None:
        self.packages = packages
        self.nodes: dict[bytes, Node] = {}
        self.owners: dict[bytes, int] = {}
        self.problems: list[MinimgError] = []
        self._diversions = _diversions(packages)
        self._disputed: set[bytes] = set()
        self._replaced: dict[tuple[int, int], bool] = {}
        merged = self._merged_usr()
        self._links = DirectoryLinks(merged, self._package_links())
        self._folders: dict[bytes, bytes] = {}  # as listed -> canonical
        self._users: dict[bytes, int] = {}  # who came first with something in it
        self._next_ino = 1
        self.add(b"/", Node("dir"))
        for path, target in merged.items():
            self.add(path, Node("link", target=target))
        for number, package in enumerate(packages):
            self._add_package(number, package)

    def add(self, path: bytes, node: Node) -> None:
        """A canonical path that is nobody's."""
        self.nodes[path] = node._replace(ino=self._next_ino)
        self._next_ino += 1

    def canonical(self, path: bytes) -> bytes:
        """Where a path is whose last component is not followed."""
        parent, _, name = path.rpartition(b"/")
        return self._links.folder(parent) + b"/" + name

    def listed(self, path: bytes, number: int) -> bytes:
        """Where a package's own path is, diversions included."""
        return self.canonical(self._diverted(path, number))

    def finish(self) -> None:
        """Adds the directories that nobody lists, and the last problems."""
        self.problems.extend(self._links.problems)
        for path in list(self.nodes):
            parent = path.rpartition(b"/")[0]
            while parent and parent not in self.nodes:
                self.add(parent, Node("dir"))
                parent = parent.rpartition(b"/")[0]
        for folder, number in self._users.items():
            node = self.nodes.get(folder or b"/")
            if node is not None and node.kind != "dir" and folder not in self._disputed:
                owner = self.owners.get(folder)
                holder = "a merged /usr" if owner is None else self.packages[owner].label
                self._conflict(
                    folder,
                    f"it is a {node.kind} of {holder}, and {self.packages[number].label} has "
                    "something below it",
                )

    def _merged_usr(self) -> dict[bytes, bytes]:
        folders = {
            entry.path.rpartition(b"/")[0] or entry.path
            for package in self.packages
            for entry in package.entries
        }
        return merged_usr(folders - {b"/"})

    def _package_links(self) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for number, package in enumerate(self.packages):
            for entry in package.entries:
                if entry.kind == "link":
                    found.setdefault(self._diverted(entry.path, number), entry.target)
        return found

    def _diverted(self, path: bytes, number: int) -> bytes:
        diversion = self._diversions.get(path)
        if diversion is None or diversion.package == self.packages[number].about.name:
            return path
        return diversion.target

    def _add_package(self, number: int, package: Unpacked) -> None:
        nodes, owners, folders = self.nodes, self.owners, self._folders
        inos: dict[bytes, int] = {}
        ino = self._next_ino
        for path, kind, mode, uid, gid, size, offset, target in package.entries:
            listed = path
            if kind == "dir":
                if path == b"/":
                    continue
                place = self._links.folder(path) or b"/"
            else:
                if path in self._diversions:
                    path = self._diverted(path, number)
                parent, _, name = path.rpartition(b"/")
                folder = folders.get(parent)
                if folder is None:
                    folder = folders[parent] = self._links.folder(parent)
                    self._users.setdefault(folder, number)
                place = folder + b"/" + name
            if kind == "hardlink":
                own = inos[target]
                node = Node("file", mode, uid, gid, size, offset, b"", number, own)
            else:
                ino += 1
                if kind == "file":
                    inos[listed] = ino
                node = Node(kind, mode, uid, gid, size, offset, target, number, ino)
            if place in nodes and not self._wins(place, node, number):
                continue
            nodes[place] = node
            if kind != "dir":
                owners[place] = number
        self._next_ino = ino + 1

    def _wins(self, place: bytes, new: Node, number: int) -> bool:
        """Whether what a package has at a taken path replaces what is there."""
        old = self.nodes[place]
        if old.kind == "dir" and new.kind == "dir":
            return False
        owner = self.owners.get(place)
        if old.kind == "link" and new.kind == "link":
            if old.target == new.target:
                return owner is None  # a link of the merged /usr, now with an owner
            if owner is None and new.target == b"/" + old.target:
                return False
        if owner is None:
            holder = "a directory of another package" if old.kind == "dir" else "a merged /usr's"
            self._conflict(place, f"{self.packages[number].label} has a {new.kind} there, {holder}")
            return False
        if new.kind != "dir" and owner != number:
            if self._replaces(number, owner):
                return True
            if self._replaces(owner, number) or self._is_same(old, new, owner, number):
                return False
        one, other = self.packages[owner].label, self.packages[number].label
        if one == other:
            self._conflict(place, f"{one} has it twice, once by a path through a link")
        else:
            self._conflict(place, f"{one} has a {old.kind} there, {other} a {new.kind}")
        return False

    def _replaces(self, one: int, other: int) -> bool:
        key = (one, other)
        if key not in self._replaced:
            self._replaced[key] = _replaces(self.packages[one], self.packages[other])
        return self._replaced[key]

    def _is_same(self, old: Node, new: Node, owner: int, number: int) -> bool:
        """Multi-Arch: same: one package for two architectures may share files that are equal."""
        one, other = self.packages[owner], self.packages[number]
        if one.about.name != other.about.name or old.kind != "file" or new.kind != "file":
            return False
        return old.size == new.size and _equal(one.tar, old, other.tar, new)

    def _conflict(self, place: bytes, problem: str) -> None:
        self._disputed.add(place)
        self.problems.append(
            MinimgError("MINIMG-E028", text(place), problem, "Leave one of them out.")
        )


def _diversions(packages: Sequence[Unpacked]) -> dict[bytes, Diversion]:
    """By the path that packages list; dpkg compares these letter by letter."""
    found: dict[bytes, Diversion] = {}
    for package in packages:
        for diversion in package.diversions:
            found.setdefault(diversion.path, diversion)
    return found


def _replaces(one: Unpacked, other: Unpacked) -> bool:
    field = fields(one.about.control).get("replaces")
    if not field:
        return False
    from pants_plugin_minimg.bundler.debian import relations

    try:
        listed = relations.flat(field, one.about.architecture)
        return any(
            relation.name == other.about.name and relation.accepts(other.about.version)
            for relation in listed
        )
    except ValueError as error:
        raise MinimgError(
            "MINIMG-E027", one.label, f"its field `Replaces` cannot be read: {error}"
        ) from None


def _equal(one_tar: str, one: Node, other_tar: str, other: Node) -> bool:
    first = Window(Handle(one_tar), one.offset, one.size)
    second = Window(Handle(other_tar), other.offset, other.size)
    while True:
        chunk = first.read(pieces.SIZE)
        if chunk != second.read(pieces.SIZE):
            return False
        if not chunk:
            return True
