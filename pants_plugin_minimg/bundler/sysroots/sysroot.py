"""Where files come from: a folder that stands for a whole file system, or files in memory.

Paths are absolute bytes inside the root. A sysroot answers for single canonical paths; `walk` finds
the canonical path as the kernel would with that root as its `/`.
"""

from __future__ import annotations

import abc
import errno
import io
import os
import stat as stat_module

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.text import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

#: Links that one look-up may pass through (Linux, MAXSYMLINKS).
MAX_LINKS = 40
#: The longest path and the longest name that a system call takes (PATH_MAX counts the NUL).
_PATH_MAX, _NAME_MAX = 4096, 255


class Stat(NamedTuple):
    """What a file is. `kind` is "file", "dir", "link" or "other"; `size` is in bytes."""

    kind: str
    mode: int
    size: int
    dev: int
    ino: int
    uid: int
    gid: int
    mtime_ns: int
    ctime_ns: int


class Walk(NamedTuple):
    """Where a path leads.

    `real` is the canonical path, or with an error the one that could not be passed. `links` holds
    each link passed through: its canonical path and its text; `left` each directory that a `..`
    left again, which must be there too for the path to lead on. `error` is None, "ENOENT",
    "ENOTDIR", "ELOOP", "EACCES" or "ENAMETOOLONG".
    """

    real: bytes
    stat: Stat | None
    links: tuple[tuple[bytes, bytes], ...]
    error: str | None
    left: tuple[bytes, ...] = ()


_ROOT = Walk(b"/", None, (), None)


class Sysroot(abc.ABC):
    """A file system to read from.

    The primitives take a path whose components before the last are no links. `derived` is for
    others: what they made of its answers, and is to go with it.
    """

    def __init__(self) -> None:
        self.derived: dict[type, Any] = {}
        self._changes = 0
        self._forgotten_at = 0
        self._stats: dict[bytes, Stat | None] = {}
        self._texts: dict[bytes, bytes] = {}
        self._walks: dict[tuple[bytes, bool], Walk] = {}

    @abc.abstractmethod
    def lstat(self, path: bytes) -> Stat | None:
        """None where nothing is, or where it may not be looked (see `denied`)."""

    @abc.abstractmethod
    def readlink(self, path: bytes) -> bytes:
        """The text of the link. MinimgError when there is no link."""

    @abc.abstractmethod
    def open(self, path: bytes) -> BinaryIO:
        """A regular file, seekable. MinimgError (MINIMG-E001) for anything else."""

    @abc.abstractmethod
    def scandir(self, path: bytes) -> list[bytes]:
        """The names in a directory, sorted. MinimgError when it cannot be listed."""

    def denied(self, path: bytes) -> bool:
        """Whether `lstat` answered None because of permissions."""
        return False

    def xattrs(self, path: bytes) -> tuple[str, ...]:
        """The names of a file's extended attributes, as Linux writes them (xattr(7))."""
        return ()

    def on_this_machine(self, path: bytes) -> bytes | None:
        """The path of a file that is this machine's own, and will be there for others to read."""
        return None

    @property
    def generation(self) -> int:
        """Changes whenever answers may; what was derived from older answers is stale then."""
        return self._changes

    def forget(self) -> None:
        """Drops what `walk` remembers: to be called after the files changed."""
        self._changes += 1

    def walk(self, path: bytes, *, follow_last: bool = True) -> Walk:
        """Follows `path` component by component, `..` and links included, clamped at the root."""
        if self._forgotten_at != self.generation:
            self._stats.clear()
            self._texts.clear()
            self._walks.clear()
            self._forgotten_at = self.generation
        key = (path, follow_last)
        found = self._walks.get(key)
        if found is None:
            found = self._walks[key] = self._walk(path, follow_last)
        return found

    def _walk(self, path: bytes, follow_last: bool) -> Walk:
        if len(path) >= _PATH_MAX:
            return Walk(path, None, (), "ENAMETOOLONG")
        parent, _, name = path.rpartition(b"/")
        if not parent.strip(b"/"):
            return self._follow(_ROOT, path, follow_last)
        # The folder's own walk is shared by all names in it.
        above = self._walks.get((parent, True))
        if above is None:
            if parent.count(b"/") > 64:  # no deep recursion
                return self._follow(_ROOT, path, follow_last)
            above = self._walks[(parent, True)] = self._walk(parent, True)
        if above.error is not None:
            return above
        if above.stat is None or above.stat.kind != "dir":
            return Walk(above.real, None, above.links, "ENOTDIR")
        if name not in (b"", b".", b"..") and len(name) <= _NAME_MAX:
            real = above.real + b"/" + name if above.real != b"/" else b"/" + name
            stat = self._stat(real)
            if stat is not None and stat.kind != "link":  # as nearly always
                return Walk(real, stat, above.links, None, above.left)
        return self._follow(above, name, follow_last)

    def _follow(self, base: Walk, rest: bytes, follow_last: bool) -> Walk:
        """From the directory that `base` leads to along `rest`."""
        real = base.real
        passed = list(base.links)
        left = list(base.left)
        pending = _components(rest)  # reversed: the next component is the last item
        stat = self._stat(real)
        must_be_dir = rest.endswith(b"/")
        while pending:
            name = pending.pop()
            if stat is None or stat.kind != "dir":
                return Walk(real, None, tuple(passed), "ENOTDIR")
            if name == b".":
                continue
            if name == b"..":
                left.append(real)
                real = real.rpartition(b"/")[0] or b"/"
                stat = self._stat(real)
                continue
            path = real + name if real == b"/" else real + b"/" + name
            if len(name) > _NAME_MAX:
                return Walk(path, None, tuple(passed), "ENAMETOOLONG")
            stat = self._stat(path)
            if stat is None:
                return Walk(path, None, tuple(passed), self._why_not(path))
            if stat.kind != "link" or not (follow_last or pending or must_be_dir):
                real = path
                continue
            if len(passed) >= MAX_LINKS:
                return Walk(path, None, tuple(passed), "ELOOP")
            target = self._text(path)
            passed.append((path, target))
            if target[:1] == b"/":
                real = b"/"
            stat = self._stat(real)
            must_be_dir = must_be_dir or (not pending and target.endswith(b"/"))
            pending.extend(_components(target))
        if must_be_dir and (stat is None or stat.kind != "dir"):
            return Walk(real, None, tuple(passed), "ENOTDIR")
        return Walk(real, stat, tuple(passed), None, tuple(left))

    def _stat(self, path: bytes) -> Stat | None:
        try:
            return self._stats[path]
        except KeyError:
            stat = self._stats[path] = self.lstat(path)
            return stat

    def _text(self, path: bytes) -> bytes:
        if path not in self._texts:
            self._texts[path] = self.readlink(path)
        return self._texts[path]

    def _why_not(self, path: bytes) -> str:
        return "EACCES" if self.denied(path) else "ENOENT"


def _components(path: bytes) -> list[bytes]:
    return [part for part in reversed(path.split(b"/")) if part]


def _unusable(path: bytes, problem: str) -> MinimgError:
    return MinimgError("MINIMG-E001", text(path), problem)


_KINDS = {
    stat_module.S_IFREG: "file",
    stat_module.S_IFDIR: "dir",
    stat_module.S_IFLNK: "link",
}


class DirSysroot(Sysroot):
    """The files below a folder of this machine; `/` is the machine itself."""

    def __init__(self, root: bytes) -> None:
        super().__init__()
        self.root = os.path.abspath(root)
        self._prefix = self.root.rstrip(b"/")
        self._denied: set[bytes] = set()

    def _on_disk(self, path: bytes) -> bytes:
        return self._prefix + path if path != b"/" else self._prefix or b"/"

    def lstat(self, path: bytes) -> Stat | None:
        try:
            # The root itself may be named through a link.
            follow = path == b"/"
            raw = os.stat(self._on_disk(path), follow_symlinks=follow)
        except PermissionError:
            self._denied.add(path)
            return None
        except (OSError, ValueError):  # ValueError: a NUL in the name
            return None
        return Stat(
            _KINDS.get(stat_module.S_IFMT(raw.st_mode), "other"),
            stat_module.S_IMODE(raw.st_mode),
            raw.st_size,
            raw.st_dev,
            raw.st_ino,
            raw.st_uid,
            raw.st_gid,
            raw.st_mtime_ns,
            raw.st_ctime_ns,
        )

    def denied(self, path: bytes) -> bool:
        return path in self._denied

    def xattrs(self, path: bytes) -> tuple[str, ...]:
        try:
            return tuple(os.listxattr(self._on_disk(path), follow_symlinks=False))
        except (OSError, AttributeError):  # AttributeError: not Linux
            return ()

    def readlink(self, path: bytes) -> bytes:
        try:
            return os.readlink(self._on_disk(path))
        except (OSError, ValueError) as err:
            raise _unusable(path, f"not a readable link ({_reason(err)})") from err

    def open(self, path: bytes) -> BinaryIO:
        return _open_regular(self._on_disk(path), path)

    def scandir(self, path: bytes) -> list[bytes]:
        try:
            return sorted(os.listdir(self._on_disk(path)))
        except (OSError, ValueError) as err:
            raise _unusable(path, f"cannot be listed ({_reason(err)})") from err


def _open_regular(on_disk: bytes, path: bytes) -> BinaryIO:
    # O_NONBLOCK: opening a FIFO or a device must not wait for anybody.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(on_disk, flags)
    except (OSError, ValueError) as err:
        raise _unusable(path, f"cannot be read ({_reason(err)})") from err
    try:
        if not stat_module.S_ISREG(os.fstat(fd).st_mode):
            raise _unusable(path, "not a regular file")
        return io.FileIO(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def _reason(err: Exception) -> str:
    if isinstance(err, OSError) and err.errno is not None:
        return errno.errorcode.get(err.errno, str(err.errno))
    return str(err)


class _Node(NamedTuple):
    stat: Stat
    source: bytes = b""  # the file on disk, or the link's text


class TreeSysroot(Sysroot):
    """Files by canonical path, each with its bytes in some file on disk."""

    def __init__(self) -> None:
        super().__init__()
        self._nodes: dict[bytes, _Node] = {}
        self._children: dict[bytes, set[bytes]] = {}
        self._next = 1
        self.add_dir(b"/")

    def _add(self, path: bytes, kind: str, mode: int, size: int, source: bytes) -> None:
        known = self._nodes.get(path)
        if kind == "dir" and known is not None and known.stat.kind == "dir":
            ino = known.stat.ino
        else:  # a number of its own for each, so that equal sources stay distinct files
            ino = self._next
            self._next += 1
        stat = Stat(kind, mode, size, -1, ino, 0, 0, 0, 0)
        self._nodes[path] = _Node(stat, source)
        if kind == "dir":
            self._children.setdefault(path, set())
        if path != b"/":
            parent, _, name = path.rpartition(b"/")
            parent = parent or b"/"
            if parent not in self._nodes:
                self.add_dir(parent)
            self._children.setdefault(parent, set()).add(name)
        self.forget()

    def add_file(self, path: bytes, source: bytes, mode: int) -> None:
        """`source`: a file of this machine. MinimgError when it is no readable regular file."""
        with _open_regular(source, source) as file:
            size = os.fstat(file.fileno()).st_size
        self._add(path, "file", mode, size, os.path.abspath(source))

    def add_link(self, path: bytes, target: bytes) -> None:
        self._add(path, "link", 0o777, len(target), target)

    def add_dir(self, path: bytes, mode: int = 0o755) -> None:
        self._add(path, "dir", mode, 0, b"")

    def lstat(self, path: bytes) -> Stat | None:
        node = self._nodes.get(path)
        return None if node is None else node.stat

    def readlink(self, path: bytes) -> bytes:
        node = self._nodes.get(path)
        if node is None or node.stat.kind != "link":
            raise _unusable(path, "not a link")
        return node.source

    def open(self, path: bytes) -> BinaryIO:
        node = self._nodes.get(path)
        if node is None or node.stat.kind != "file":
            raise _unusable(path, "not a regular file")
        return _open_regular(node.source, path)

    def scandir(self, path: bytes) -> list[bytes]:
        if path not in self._children:
            raise _unusable(path, "not a directory")
        return sorted(self._children[path])


class OverlaySysroot(Sysroot):
    """`upper` over `lower`: what is in both is taken from `upper`, directories are merged."""

    def __init__(self, upper: Sysroot, lower: Sysroot) -> None:
        super().__init__()
        self.upper = upper
        self.lower = lower

    @property
    def generation(self) -> int:
        return self._changes + self.upper.generation + self.lower.generation

    def _side(self, path: bytes) -> Sysroot:
        return self.lower if self.upper.lstat(path) is None else self.upper

    def _below(self, path: bytes) -> bool:
        """Whether the lower side shows at `path`: no parent of it is hidden by a non-directory."""
        parent = path.rpartition(b"/")[0]
        while parent:
            stat = self.upper.lstat(parent)
            if stat is not None:
                return stat.kind == "dir"
            parent = parent.rpartition(b"/")[0]
        return True

    def lstat(self, path: bytes) -> Stat | None:
        stat = self.upper.lstat(path)
        if stat is None and self._below(path):
            stat = self.lower.lstat(path)
        return stat

    def denied(self, path: bytes) -> bool:
        return self._side(path).denied(path)

    def xattrs(self, path: bytes) -> tuple[str, ...]:
        return self._side(path).xattrs(path)

    def readlink(self, path: bytes) -> bytes:
        return self._side(path).readlink(path)

    def open(self, path: bytes) -> BinaryIO:
        return self._side(path).open(path)

    def on_this_machine(self, path: bytes) -> bytes | None:
        return self._side(path).on_this_machine(path)

    def scandir(self, path: bytes) -> list[bytes]:
        names: set[bytes] = set()
        sides = [side for side in (self.upper, self.lower) if _is_dir(side.lstat(path))]
        upper = self.upper.lstat(path)
        if upper is not None and upper.kind != "dir":
            sides = []
        if not sides:
            raise _unusable(path, "not a directory")
        for side in sides:
            names.update(side.scandir(path))
        return sorted(names)


def _is_dir(stat: Stat | None) -> bool:
    return stat is not None and stat.kind == "dir"
