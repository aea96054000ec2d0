"""The loader's cache, in both formats, whole and broken."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Sequence

import pytest

from pants_plugin_minimg.bundler.loader import ldcache

from .rootfs import Root

X86_64 = 0x303
Entry = tuple[int, bytes, bytes, int]


def new_cache(entries: Sequence[Entry], order: str = "<", mark: int = 2) -> bytes:
    head = 48 + 24 * len(entries)
    table, strings = b"", b""
    for flags, name, path, hwcap in entries:
        key = head + len(strings)
        table += struct.pack(order + "iIIIQ", flags, key, key + len(name) + 1, 0, hwcap)
        strings += name + b"\0" + path + b"\0"
    fixed = struct.pack(order + "IIB", len(entries), len(strings), mark)
    return (b"glibc-ld.so.cache1.1" + fixed).ljust(48, b"\0") + table + strings


def old_cache(entries: Sequence[Entry], order: str = "<") -> bytes:
    table, strings = b"", b""
    for flags, name, path, _ in entries:
        key = len(strings)
        table += struct.pack(order + "iII", flags, key, key + len(name) + 1)
        strings += name + b"\0" + path + b"\0"
    return b"ld.so-1.7.0\0" + struct.pack(order + "I", len(entries)) + table + strings


def both(old: Sequence[Entry], new: Sequence[Entry]) -> bytes:
    """As ldconfig -c compat writes it: old entries, then the new cache, aligned."""
    head = b"ld.so-1.7.0\0" + struct.pack("<I", len(old)) + b"\0" * 12 * len(old)
    return head + b"\0" * (-len(head) % 8) + new_cache(new)


ONE: list[Entry] = [(X86_64, b"libz.so.1", b"/opt/libz.so.1", 0)]


def lookup(raw: bytes, name: bytes = b"libz.so.1") -> bytes | None:
    cache = ldcache.parse(raw)
    assert cache is not None
    return cache.lookup(name, frozenset([X86_64]))


@pytest.mark.parametrize(
    "raw",
    [
        new_cache(ONE),
        new_cache(ONE, mark=0),
        new_cache(ONE, ">", 3),
        old_cache(ONE),
        old_cache(ONE, ">"),
        both([], ONE),
        both(ONE, ONE),
    ],
)
def test_formats(raw: bytes) -> None:
    assert lookup(raw) == b"/opt/libz.so.1"
    assert lookup(raw, b"libz.so.2") is None


def test_other_kinds_and_better_processors_are_passed_over() -> None:
    entries = [
        (X86_64, b"libz.so.1", b"/v3/libz.so.1", 1 << 62 | 5),
        (X86_64, b"libz.so.1", b"/old/libz.so.1", 1 << 10),
        (3, b"libz.so.1", b"/i386/libz.so.1", 0),
        (X86_64, b"libz.so.1", b"/base/libz.so.1", 0),
        (X86_64, b"libz.so.1", b"/later/libz.so.1", 0),
    ]
    assert lookup(new_cache(entries)) == b"/base/libz.so.1"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"garbage",
        new_cache(ONE)[:40],
        new_cache(ONE, mark=1),
        b"glibc-ld.so.cache1.1" + b"\xff" * 100,
        b"ld.so-1.7.0\0\xff\xff\xff\xff",
        b"ld.so-1.7.0",
    ],
)
def test_a_broken_cache_is_no_cache(raw: bytes) -> None:
    assert ldcache.parse(raw) is None


def test_mutants() -> None:
    rng = random.Random(3)
    seeds = [new_cache(ONE * 3), old_cache(ONE * 2), both(ONE, ONE)]
    for _ in range(2000):
        raw = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 4)):
            raw[rng.randrange(len(raw))] = rng.choice([0, 255, rng.randrange(256)])
        cache = ldcache.parse(bytes(raw[: rng.randrange(len(raw)) if rng.random() < 0.3 else None]))
        if cache is not None:
            cache.lookup(b"libz.so.1", frozenset([X86_64]))


def test_live_entry_beats_the_system_directories(root: Root) -> None:
    root.glibc()
    root.program("/bin/main", b"libz.so.1")
    root.elf("/usr/lib/libz.so.1")
    root.elf("/opt/libz.so.1")
    root.file("/etc/ld.so.cache", new_cache(ONE))
    (item,) = root.resolve("/bin/main").loaded
    assert (item.path, item.via) == (b"/opt/libz.so.1", "cache")


def test_dead_entry_falls_through(root: Root) -> None:
    root.glibc()
    root.program("/bin/main", b"libz.so.1")
    root.elf("/usr/lib/libz.so.1")
    root.file("/etc/ld.so.cache", new_cache(ONE))
    (item,) = root.resolve("/bin/main").loaded
    assert (item.path, item.via) == (b"/usr/lib/libz.so.1", "system")


def test_entries_in_system_directories_are_not_for_nodeflib(root: Root) -> None:
    entries = [
        (X86_64, b"liba.so", b"/opt/liba.so", 0),
        (X86_64, b"libz.so.1", b"/usr/lib/tri/libz.so.1", 0),
    ]
    root.glibc()
    root.program("/bin/main", b"liba.so", b"libz.so.1", flags_1=0x800)
    root.elf("/opt/liba.so")
    root.elf("/usr/lib/tri/libz.so.1")
    root.file("/etc/ld.so.cache", new_cache(entries))
    closure = root.resolve("/bin/main")
    assert [item.path for item in closure.loaded] == [b"/opt/liba.so"]
    assert [item.name for item in closure.missing] == [b"libz.so.1"]


@pytest.mark.skipif(not os.path.exists("/etc/ld.so.cache"), reason="no /etc/ld.so.cache here")
def test_this_machines_cache() -> None:
    with open("/etc/ld.so.cache", "rb") as file:
        cache = ldcache.parse(file.read())
    assert cache is not None
    assert len(cache.entries) > 10
    paths = [
        cache.lookup(name, frozenset([flags]))
        for name, items in cache.entries.items()
        for flags, _ in items
    ]
    alive = [path is not None and os.path.exists(path) for path in paths]
    assert sum(alive) > len(alive) * 0.9
