"""The entries of an image while they are collected: each path once, with every reason for it."""

from __future__ import annotations

from collections.abc import Callable
from re import Pattern

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.plan import FIRST_PARTY, SYSTEM, Entry, parents
from pants_plugin_minimg.bundler.planning.placement import Placed, file_mode
from pants_plugin_minimg.bundler.planning.request import Owned
from pants_plugin_minimg.bundler.sysroots import globs
from pants_plugin_minimg.bundler.sysroots.sysroot import Stat, Sysroot, Walk
from pants_plugin_minimg.bundler.text import text

#: Extended attributes that a program needs to do its work (capabilities(7), acl(5)): a layer holds
#: none. Labels such as security.selinux belong to a machine, not to a file.
_NEEDED_XATTRS = ("security.capability", "system.posix_acl_access")
_BY_ROOT = Owned(None, 0, 0)


class Assembly:
    """Collects entries. `sysroot` is the image's own view: the build's files over the sysroot."""

    def __init__(
        self,
        sysroot: Sysroot,
        placed: dict[bytes, Placed],
        exclude: tuple[Pattern[bytes], ...],
        describe: Callable[[bytes], str],
    ) -> None:
        self.sysroot = sysroot
        self.entries: dict[bytes, Entry] = {}
        self.stats: dict[bytes, Stat] = {}
        self.generated: dict[bytes, bytes] = {}
        self.problems: list[MinimgError] = []
        self.log: list[str] = []
        self._left: dict[bytes, str] = {}
        self._placed = placed
        self._exclude = exclude
        self._describe = describe

    def is_of_sysroot(self, path: bytes) -> bool:
        """Whether an entry is a file or link that is neither built nor generated."""
        made = path in self._placed or path in self.generated
        return not made and self.entries[path].kind != "dir"

    def excluded(self, *names: bytes) -> bool:
        return any(globs.matches(pattern, name) for pattern in self._exclude for name in names)

    def need(self, walk: Walk, reason: str) -> None:
        """Put in the file that a walk ended at, and every link on the way to it."""
        assert walk.stat is not None
        if self.excluded(walk.real):
            self.problems.append(
                MinimgError(
                    "MINIMG-E010",
                    text(walk.real),
                    f"`exclude` takes it away, and it is needed: {reason}",
                    "Narrow `exclude`; a library that is never used can be named in "
                    "`allowed_missing`.",
                )
            )
        self.links(walk.links, walk.real)
        for folder in walk.left:
            self._left.setdefault(folder, f"the path to {text(walk.real)} leads through it")
        self._add(walk.real, walk.stat, reason)

    def links(self, links: tuple[tuple[bytes, bytes], ...], goal: bytes) -> None:
        for path, target in links:
            entry = self._entry(path, "link", f"link on the way to {text(goal)}")
            entry.target = target
            entry.mode = 0o777

    def link(self, path: bytes, target: bytes, reason: str) -> None:
        entry = self._entry(path, "link", reason)
        entry.target, entry.mode = target, 0o777

    def directory(self, path: bytes, owned: Owned, reason: str) -> None:
        entry = self._entry(path, "dir", reason)
        entry.mode = 0o755 if owned.mode is None else owned.mode
        entry.uid, entry.gid = owned.uid, owned.gid

    def generate(self, path: bytes, content: bytes, mode: int, owned: Owned, reason: str) -> None:
        """Put in a file that no sysroot and no target has, at a canonical path."""
        if path in self.entries:
            self.problems.append(
                MinimgError(
                    "MINIMG-E011",
                    text(path),
                    f"{reason} generates it, and it is there already "
                    f"({'; '.join(self.entries[path].reasons)})",
                    "Leave one of them out.",
                )
            )
            return
        self.entries[path] = Entry(
            path,
            "file",
            mode,
            owned.uid,
            owned.gid,
            layer=FIRST_PARTY,
            origin="generated",
            reasons=[reason],
        )
        self.generated[path] = content

    def keep_left_directories(self) -> None:
        """Put in the directories that only a `..` on the way to something passes through."""
        implied = {parent for path in self.entries for parent in parents(path)}
        for path, reason in self._left.items():
            if path != b"/" and path not in implied and path not in self.entries:
                self.directory(path, _BY_ROOT, reason)

    def _add(self, path: bytes, stat: Stat, reason: str) -> None:
        if stat.kind == "dir":
            self.directory(path, _BY_ROOT, reason)
            return
        if stat.kind != "file":
            self.problems.append(
                MinimgError(
                    "MINIMG-E013",
                    text(path),
                    "it is a device, a pipe or a socket",
                    "Leave it out with `exclude`.",
                )
            )
            return
        entry = self._entry(path, "file", reason)
        self.stats[path] = stat
        placed = self._placed.get(path)
        entry.mode = 0o755 if stat.mode & 0o111 else 0o644
        if placed is not None:
            entry.mode = file_mode(placed)
            entry.uid, entry.gid = placed.owned.uid, placed.owned.gid
            return
        lost = [name for name in self.sysroot.xattrs(path) if name in _NEEDED_XATTRS]
        if lost:
            self.problems.append(
                MinimgError(
                    "MINIMG-E013",
                    text(path),
                    f"it has extended attributes ({', '.join(lost)}), which the image would lose",
                    "Give the container the capability instead, as in `docker run --cap-add`.",
                )
            )
        if stat.mode & 0o6000:
            self.problems.append(
                MinimgError(
                    "MINIMG-E013",
                    text(path),
                    f"it is set-uid or set-gid (mode {stat.mode:04o}), which an image would "
                    "lose or give to everyone",
                    "Run the container as the user that it needs instead.",
                )
            )

    def _entry(self, path: bytes, kind: str, reason: str) -> Entry:
        entry = self.entries.get(path)
        if entry is None:
            placed = self._placed.get(path)
            entry = Entry(
                path,
                kind,
                layer=SYSTEM if placed is None else FIRST_PARTY,
                origin=self._describe(path) if placed is None else placed.origin,
            )
            self.entries[path] = entry
        elif entry.kind != kind:
            self.problems.append(
                MinimgError(
                    "MINIMG-E011",
                    text(path),
                    f"it is a {entry.kind} ({'; '.join(entry.reasons)}) and a {kind} ({reason})",
                    "Give one of them another place.",
                )
            )
        if reason not in entry.reasons:
            entry.reasons.append(reason)
        return entry
