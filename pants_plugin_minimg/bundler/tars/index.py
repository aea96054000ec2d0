"""What is in a tar and where in it: paths checked, ready to be read in place.

A package's tar must be as dpkg makes it: no path or link leaves the root, no device, no path twice.
A layer of an image is taken as it comes, as long as its paths stay inside.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.tars.reader import DIR, HARDLINK, LINK, OTHER, Member, Tape
from pants_plugin_minimg.bundler.text import path_bytes, text

VERSION = 1
#: Linux' PATH_MAX, and a depth that no file system tree has.
_PATH_MAX, _MAX_DEPTH = 4096, 256


class Entry(NamedTuple):
    """One path. `kind` is "file", "dir", "link", "hardlink" or "other".

    `offset` and `size` say where a file's bytes are in the uncompressed tar; a hard link has those
    of its file. `target` is a link's text, or the absolute path that a hard link names.
    """

    path: bytes
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    offset: int
    target: bytes


def to_json(entries: Iterable[Entry]) -> dict[str, Any]:
    return {
        "version": VERSION,
        "entries": [[text(entry[0]), *entry[1:7], text(entry[7])] for entry in entries],
    }


def from_json(raw: dict[str, Any]) -> list[Entry]:
    """Raises LookupError, TypeError or ValueError for what `to_json` does not write."""
    if raw["version"] != VERSION:
        raise ValueError(f"version {raw['version']!r} of an index, where {VERSION} is understood")
    return [
        Entry(
            path_bytes(path),
            kind,
            mode,
            uid,
            gid,
            size,
            offset,
            path_bytes(target) if target else b"",
        )
        for path, kind, mode, uid, gid, size, offset, target in raw["entries"]
    ]


def package_index(members: Iterable[Member], tape: Tape) -> list[Entry]:
    """The index of a package's data, in the order of the tar. Raises MINIMG-E027."""
    found: dict[bytes, Entry] = {}
    for member in members:
        if member.name[:1] == b"/":
            raise _refused(tape, member.name, "is an absolute path")
        entry = _package_entry(tape, member, inside(tape, member.name), found)
        known = found.get(entry.path)
        if known is None:
            found[entry.path] = entry
        elif known != entry:  # two files differ by where their bytes are
            raise _refused(tape, member.name, "is in it twice")
    _check_parents(tape, found)
    return list(found.values())


def _package_entry(tape: Tape, member: Member, path: bytes, found: dict[bytes, Entry]) -> Entry:
    target = member.target
    if member.xattrs:
        raise _refused(tape, member.name, f"has extended attributes ({member.xattrs[0]})")
    if member.kind == OTHER:
        raise _refused(tape, member.name, "is a device or a pipe")
    if path == b"/" and member.kind != DIR:
        raise _refused(tape, member.name, "takes the place of the root")
    if member.kind == HARDLINK:
        if target[:1] == b"/":
            raise _refused(tape, member.name, f"is a hard link to {text(target)}, outside of it")
        target = inside(tape, target)
        first = found.get(target)
        if first is None or first.kind == DIR:
            raise _refused(
                tape, member.name, f"is a hard link to {text(target)}, which is no file before it"
            )
        if first.kind == HARDLINK:
            target = first.target
        if first.kind != LINK:
            return first._replace(path=path, kind=HARDLINK, target=target)
        return first._replace(path=path)
    if member.kind == LINK and _climbs_out(path, target):
        raise _refused(tape, member.name, f"is a link that leaves the root ({text(target)})")
    return Entry(
        path, member.kind, member.mode, member.uid, member.gid, member.size, member.offset, target
    )


def inside(tape: Tape, name: bytes) -> bytes:
    """The absolute path that a member's name stands for. MINIMG-E027 for one that none should."""
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if not name:
        raise _refused(tape, name, "has no name")
    if b"\0" in name or len(name) >= _PATH_MAX or len(parts) > _MAX_DEPTH:
        raise _refused(tape, name[:80], "has a name that no file can have")
    if b".." in parts:
        raise _refused(tape, name, "leaves the root by `..`")
    return b"/" + b"/".join(parts)


def _climbs_out(path: bytes, target: bytes) -> bool:
    """Whether a link's text has more `..` than there are folders above it, or is no path at all."""
    if not target or b"\0" in target or len(target) >= _PATH_MAX:
        return True
    depth = 0 if target[:1] == b"/" else path.count(b"/") - 1
    for part in target.split(b"/"):
        if part == b"..":
            depth -= 1
            if depth < 0:
                return True
        elif part not in (b"", b"."):
            depth += 1
    return False


def _check_parents(tape: Tape, found: dict[bytes, Entry]) -> None:
    fine = {b""}
    for path in found:
        parent = path.rpartition(b"/")[0]
        while parent not in fine:
            above = found.get(parent)
            if above is not None and above.kind != DIR:
                raise _refused(tape, path, f"lies below {text(parent)}, which is no directory")
            fine.add(parent)
            parent = parent.rpartition(b"/")[0]


def _refused(tape: Tape, name: bytes, problem: str) -> MinimgError:
    return tape.error(f"its member {text(name)} {problem}", "It is not used.")
