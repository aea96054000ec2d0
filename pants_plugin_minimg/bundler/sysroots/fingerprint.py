"""Whether the host is still what it was: stat fingerprints, and which paths an answer came from.

An engine key knows nothing of the host, so every path that decided a closure, found or not, is
statted again in each session. The folders that programs and libraries come from are swept once for
all images of a run; what lies outside them is recorded image by image.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat as stat_module
import time
from collections.abc import Callable
from typing import Any, TypeVar

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.text import path_bytes, text

#: A file changed twice within one tick of the kernel's clock may show one time stamp. 20 ms is
#: twice the longest tick (CONFIG_HZ=100).
_TICK_NS = 20_000_000
_ATTEMPTS = 50

_FOLDERS = (
    b"/",
    b"/bin",
    b"/sbin",
    b"/lib",
    b"/lib32",
    b"/lib64",
    b"/libx32",
    b"/usr",
    b"/usr/bin",
    b"/usr/sbin",
    b"/usr/lib",
    b"/usr/lib32",
    b"/usr/lib64",
    b"/usr/libx32",
    b"/usr/local",
    b"/usr/local/bin",
    b"/usr/local/lib",
    b"/usr/local/lib64",
    b"/usr/local/sbin",
    b"/etc/alternatives",
)
#: What says of which package a file is, and under which licence (Debian Policy 12.5).
_DOCUMENTS = b"/usr/share/doc"
_PACKAGE_FOLDERS = (b"/var/lib/dpkg", b"/var/lib/dpkg/info", _DOCUMENTS)
COPYRIGHT = b"copyright"
_FILES = (
    b"/etc",
    b"/etc/ld.so.cache",
    b"/etc/ld.so.preload",
    b"/etc/nsswitch.conf",
    b"/etc/os-release",
    b"/var",
    b"/var/lib",
)

#: One path's state: None when it is not there.
State = Any

T = TypeVar("T")


def state(path: bytes, *, listed: bool = False) -> tuple[State, int]:
    """What identifies a path's content without reading it, and the newest time in it (ns).

    Of a folder that was only passed through, neither times nor size: they change with each file
    made or removed in it, and no answer depends on them.
    """
    try:
        status = os.lstat(path)
    except OSError as error:
        return (None if error.errno in (2, 20) else f"errno {error.errno}"), 0
    mode = status.st_mode
    if stat_module.S_ISDIR(mode) and not listed:
        return ["dir", status.st_dev, status.st_ino, mode], 0
    out: list[Any] = list(_identity(status))
    if stat_module.S_ISLNK(mode):
        try:
            out.append(text(os.readlink(path)))
        except OSError:
            out.append(None)
    return out, max(status.st_mtime_ns, status.st_ctime_ns)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Of a file, a link or a folder whose listing counts."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def settled(collect: Callable[[], tuple[T, int]]) -> T:
    """What `collect` says, repeated until nothing in it is younger than a tick of the clock.

    `collect` returns a value and the newest time stamp in it. Raises MINIMG-E022 when files keep
    changing.
    """
    for _ in range(_ATTEMPTS):
        now = time.time_ns()
        value, newest = collect()
        if not now - _TICK_NS < newest <= time.time_ns():
            return value
        time.sleep(_TICK_NS / 1e9)
    raise MinimgError(
        "MINIMG-E022",
        "/",
        "files of this machine keep changing",
        "Wait until the package manager or the copy that writes them is done.",
    )


def swept_folders() -> list[bytes]:
    """The canonical paths of the folders that the sweep lists, those that exist."""
    wanted = (*_FOLDERS, *_PACKAGE_FOLDERS)
    folders = dict.fromkeys(os.path.realpath(folder) for folder in wanted)
    for parent in (b"/lib", b"/usr/lib", b"/usr/local/lib"):
        parent = os.path.realpath(parent)
        if os.path.isdir(parent):
            for name in sorted(os.listdir(parent)):
                if b"-linux-" in name:  # a multiarch triplet
                    folders[os.path.realpath(os.path.join(parent, name))] = None
    return sorted(folder for folder in folders if os.path.isdir(folder))


def _licences(documents: bytes) -> list[bytes]:
    """Of all packages that have a folder, found or not."""
    names = sorted(os.listdir(documents)) if os.path.isdir(documents) else []
    return [os.path.join(documents, name, COPYRIGHT) for name in names]


def sweep() -> dict[str, Any]:
    """The fingerprint of the folders that programs and libraries of this machine come from, and of
    what tells which packages they are of: single files, and the COPYRIGHT of each folder in
    `documents`."""

    def collect() -> tuple[dict[str, Any], int]:
        digest, newest = hashlib.sha256(), 0
        folders, documents = swept_folders(), os.path.realpath(_DOCUMENTS)
        for folder in folders:
            try:
                names = sorted(os.listdir(folder))
            except OSError:
                names = []
            prefix = folder if folder == b"/" else folder + b"/"
            newest = max(newest, _update(digest, [folder, *(prefix + name for name in names)]))
        newest = max(newest, _update(digest, [*_FILES, *_licences(documents)]))
        return {
            "version": 1,
            "folders": [text(folder) for folder in folders],
            "files": [text(path) for path in _FILES],
            "documents": text(documents),
            "sha256": digest.hexdigest(),
        }, newest

    return settled(collect)


def _update(digest: Any, paths: list[bytes]) -> int:
    """The states of `paths` into `digest`; the newest time in them (ns).

    `state` written out: it is asked for thousands of paths in each run of Pants.
    """
    newest, rows = 0, []
    lstat, kind_of = os.lstat, stat_module.S_IFMT
    for path in paths:
        try:
            status = lstat(path)
        except OSError as error:
            rows.append(b"%s\0%d\n" % (path, -(error.errno or 1)))
            continue
        mode = status.st_mode
        kind = kind_of(mode)
        if kind == stat_module.S_IFDIR:
            rows.append(b"%s\0%d %d %d\n" % (path, status.st_dev, status.st_ino, mode))
            continue
        target = b""
        if kind == stat_module.S_IFLNK:
            try:
                target = os.readlink(path)
            except OSError:
                target = b"\0"
        identity = _identity(status)
        numbers = b"%d %d %d %d %d %d %d %d" % identity
        rows.append(b"%s\0%s %s\n" % (path, numbers, target))
        newest = max(newest, *identity[-2:])
    digest.update(b"".join(rows))
    return newest


def again(consulted: dict[str, Any]) -> dict[str, Any]:
    """The same paths as they are now: equal to `consulted` when none of them changed."""

    def collect() -> tuple[dict[str, Any], int]:
        newest = 0
        out: dict[str, Any] = {"version": 1, "paths": {}, "listed": {}}
        for key, listed in (("paths", False), ("listed", True)):
            for name in consulted[key]:
                value, time_ns = state(path_bytes(name), listed=listed)
                out[key][name] = value
                newest = max(newest, time_ns)
        return out, newest

    return settled(collect)


def has_paths(consulted: dict[str, Any]) -> bool:
    """Whether anything outside the sweep was looked at."""
    return bool(consulted["paths"] or consulted["listed"])


def look(consulted: str | None) -> str:
    """What `render` makes of `again` for a text that it made, and of `sweep` without one."""
    return render(sweep() if consulted is None else again(json.loads(consulted)))


def render(document: dict[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, indent=0) + "\n"
