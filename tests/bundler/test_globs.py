from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.sysroots import globs
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot

FILES = (
    "usr/share/app/a.txt",
    "usr/share/app/b.txt",
    "usr/share/app/deep/er/c.txt",
    "usr/share/app/.hidden",
    "usr/lib/x86/libz.so.1",
    "usr/lib/x86/libz.so.1.2",
    "usr/lib/x86/libzz.so",
    "etc/[odd]",
)


@pytest.fixture
def sysroot(tmp_path: Path) -> DirSysroot:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "usr/lib/round").symlink_to("../lib")
    return DirSysroot(os.fsencode(tmp_path))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (b"/usr/share/app/*.txt", [b"/usr/share/app/a.txt", b"/usr/share/app/b.txt"]),
        (b"/usr/share/app/?.txt", [b"/usr/share/app/a.txt", b"/usr/share/app/b.txt"]),
        (b"/usr/share/app/[b-z].txt", [b"/usr/share/app/b.txt"]),
        (b"/usr/share/app/[!b].txt", [b"/usr/share/app/a.txt"]),
        (b"/usr/share/app", [b"/usr/share/app"]),
        (b"/usr/share/**/c.txt", [b"/usr/share/app/deep/er/c.txt"]),
        (b"/lib/*/libz.so.1", [b"/lib/x86/libz.so.1"]),
        (b"/usr/share/nothing*", []),
        (b"/usr/nowhere/x", []),
    ],
)
def test_a_glob_names_paths(sysroot: DirSysroot, pattern: bytes, expected: list[bytes]) -> None:
    assert list(dict.fromkeys(globs.expand(sysroot, pattern))) == expected


def test_two_stars_end_although_a_link_leads_round(sysroot: DirSysroot) -> None:
    found = list(globs.expand(sysroot, b"/usr/lib/**"))
    assert b"/usr/lib/round" in found
    assert b"/usr/lib/x86/libzz.so" in found
    assert not any(path.startswith(b"/usr/lib/round/") for path in found)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        (b"/usr/share/doc", b"/usr/share/doc", True),
        (b"/usr/share/doc", b"/usr/share/doc/x/y", True),
        (b"/usr/share/doc", b"/usr/share/docs", False),
        (b"/usr/*/doc", b"/usr/share/doc/x", True),
        (b"/usr/*/doc", b"/usr/a/b/doc", False),
        (b"/usr/**/doc", b"/usr/a/b/doc", True),
        (b"/usr/**/doc", b"/usr/doc", True),
        (b"/**/*.a", b"/usr/lib/libc.a", True),
        (b"/a.b", b"/axb", False),
        (b"/[^]x", b"/^x", True),
    ],
)
def test_a_compiled_glob_takes_what_is_below_too(
    pattern: bytes, path: bytes, expected: bool
) -> None:
    assert globs.matches(globs.compile_glob(pattern), path) is expected


def test_a_backward_range_is_an_error() -> None:
    with pytest.raises(re.error):
        globs.compile_glob(b"/[z-a]")
