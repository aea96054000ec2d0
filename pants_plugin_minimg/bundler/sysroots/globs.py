"""Globs over a sysroot: `*`, `?` and `[…]` inside a component, `**` for any number of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import Pattern

from pants_plugin_minimg.bundler.sysroots.sysroot import Sysroot

_MAGIC = re.compile(rb"[*?\[]")
_TOKEN = re.compile(rb"\*+|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)


def _components(pattern: bytes) -> list[bytes]:
    return [part for part in pattern.split(b"/") if part not in (b"", b".")]


def _component_expression(component: bytes) -> bytes:
    out = bytearray()
    for token in _TOKEN.findall(component):
        if token[:1] == b"*":
            out += b"[^/]*"
        elif token == b"?":
            out += b"[^/]"
        elif token[:1] == b"[" and len(token) > 2:
            negated = token[1:2] == b"!"
            members = token[2:-1] if negated else token[1:-1]
            escaped = members.replace(b"\\", rb"\\").replace(b"]", rb"\]").replace(b"^", rb"\^")
            out += b"[" + (b"^/" if negated else b"") + escaped.replace(b"[", rb"\[") + b"]"
        else:
            out += re.escape(token)
    return bytes(out)


def compile_glob(pattern: bytes) -> Pattern[bytes]:
    """Matches a path that the pattern names, and everything below such a path.

    Raises re.error for a range that runs backwards, such as `[z-a]`.
    """
    out = bytearray()
    for component in _components(pattern):
        if component == b"**":
            out += b"(?:/[^/]+)*"
        else:
            out += b"/" + _component_expression(component)
    return re.compile(bytes(out) + rb"(?:/.*)?\Z", re.DOTALL)


def expand(sysroot: Sysroot, pattern: bytes) -> Iterator[bytes]:
    """The paths that a pattern names, as named, sorted within a directory; may repeat a path."""
    yield from _expand(sysroot, b"/", _components(pattern))


def _expand(sysroot: Sysroot, base: bytes, rest: list[bytes]) -> Iterator[bytes]:
    if not rest:
        yield base
        return
    head, tail = rest[0], rest[1:]
    if head == b"**":
        yield from _expand_any_depth(sysroot, base, tail)
    elif _MAGIC.search(head):
        matcher = re.compile(_component_expression(head), re.DOTALL)
        for name in _names(sysroot, base):
            if matcher.fullmatch(name):
                yield from _expand(sysroot, join(base, name), tail)
    else:
        path = join(base, head)
        if sysroot.walk(path, follow_last=bool(tail)).error is None:
            yield from _expand(sysroot, path, tail)


def _expand_any_depth(sysroot: Sysroot, base: bytes, tail: list[bytes]) -> Iterator[bytes]:
    if tail:
        yield from _expand(sysroot, base, tail)
    for name in _names(sysroot, base):
        path = join(base, name)
        if not tail:
            yield path
        stat = sysroot.walk(path, follow_last=False).stat
        if stat is not None and stat.kind == "dir":  # a link to a folder could lead round for ever
            yield from _expand_any_depth(sysroot, path, tail)


def _names(sysroot: Sysroot, path: bytes) -> list[bytes]:
    walk = sysroot.walk(path)
    if walk.error is not None or walk.stat is None or walk.stat.kind != "dir":
        return []
    return sysroot.scandir(walk.real)


def matches(pattern: Pattern[bytes], path: bytes) -> bool:
    return pattern.match(path) is not None


def join(base: bytes, name: bytes) -> bytes:
    return base + name if base == b"/" else base + b"/" + name
