"""What a trace tells: paths that were missed, and files that nobody read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.isolation import tracing
from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot
from tests.bundler.elf_builder import Spec, build

START = """\
10 execve("/usr/bin/bwrap", ["bwrap"], 0x1 /* 1 var */) = 0
10 openat(AT_FDCWD</x>, "/etc/of-bubblewrap", O_RDONLY) = -1 ENOENT (No such file or directory)
11 openat(AT_FDCWD</x>, "/newroot", O_RDONLY) = 3</newroot>
12 execve("/bin/app", ["app"], 0x2 /* 1 var */) = 0
"""


def parse(trace: str, cwd: str = "/srv") -> tracing.Seen:
    return tracing.parse((START + trace).splitlines(keepends=True), cwd)


def test_what_bubblewrap_does_is_left_out() -> None:
    seen = parse('10 openat(AT_FDCWD</>, "/late", O_RDONLY) = -1 ENOENT (x)\n')
    assert (seen.found, seen.read, seen.missing) == ({b"/bin/app"}, {b"/bin/app"}, {})


@pytest.mark.parametrize(
    "line,path",
    [
        ('12 openat(AT_FDCWD</srv>, "a/../b", O_RDONLY) = 3</srv/b>', b"/srv/b"),
        ('12 open("c", O_RDONLY) = 3', b"/srv/c"),
        ('13 openat(7</etc>, "hosts", O_RDONLY|O_CLOEXEC) = 4</etc/hosts>', b"/etc/hosts"),
        (r'12 openat(AT_FDCWD</>, "/a\"b\\\303\244\n", 0) = 3', b'/a"b\\\xc3\xa4\n'),
        ('13 execve("/bin/x", ["x"], 0x1) = 0', b"/bin/x"),
    ],
)
def test_paths_are_absolute(line: str, path: bytes) -> None:
    assert parse(line + "\n").read == {b"/bin/app", path}


def test_looking_is_not_reading() -> None:
    seen = parse('12 newfstatat(AT_FDCWD</>, "/etc/a", {st_mode=S_IFREG|0644}, 0) = 0\n')
    assert b"/etc/a" in seen.found and b"/etc/a" not in seen.read


def test_calls_that_another_thread_cuts_off() -> None:
    seen = parse(
        '12 openat(AT_FDCWD</>, "/one", O_RDONLY <unfinished ...>\n'
        '13 openat(AT_FDCWD</>, "/two", O_RDONLY <unfinished ...>\n'
        "12 <... openat resumed>) = -1 ENOENT (No such file or directory)\n"
        "13 <... openat resumed>) = 5</two>\n"
    )
    assert seen.missing == {b"/one": 1} and b"/two" in seen.read


def test_a_start_that_another_process_cuts_off() -> None:
    start, end = START.rstrip().rpartition("12 ")[::2]
    trace = (
        f"{start}12 {end.replace(') = 0', ' <unfinished ...>')}\n"
        '11 openat(3</proc>, "self/fd", O_RDONLY <unfinished ...>\n'
        "12 <... execve resumed>)             = 0\n"
        "11 <... openat resumed>)             = 4</proc/11/fd>\n"
        '12 openat(AT_FDCWD</>, "/etc/none", O_RDONLY) = -1 ENOENT (No such file or directory)\n'
    )
    seen = tracing.parse(trace.splitlines(keepends=True), "/")
    assert (seen.read, seen.missing) == ({b"/bin/app"}, {b"/etc/none": 1})


@pytest.fixture
def tree(tmp_path: Path) -> DirSysroot:
    for name, content in {
        "bin/app": build(Spec(interp=b"/lib/ld.so")),
        "bin/script": b"#!/bin/sh -e\n",
        "bin/sh": b"x",
        "lib/ld-2.so": b"loader",
        "lib/big": b"b" * 3000,
        "lib/small": b"s",
        "usr/share/doc/x/copyright": b"c",
        "empty": b"",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    os.symlink("ld-2.so", tmp_path / "lib/ld.so")
    return DirSysroot(os.fsencode(tmp_path))


def test_what_no_run_read(tree: DirSysroot) -> None:
    seen = [parse(""), parse('12 execve("/bin/script", ["s"], 0x1) = 0\n')]
    lines = list(tracing.lines(seen, tree, tracing.files(tree)))
    assert lines[0].startswith("never read: 2 files, 3.00 kB of ")
    assert [line.split()[-1] for line in lines[1:]] == ["/lib/big", "/lib/small"]


def test_what_was_missed_has_the_line_to_add(tree: DirSysroot) -> None:
    missed = "= -1 ENOENT (No such file or directory)\n"
    trace = "".join(
        f'12 openat(AT_FDCWD</>, "{path}", O_RDONLY) {missed}'
        for path in (
            "/etc/app.conf", "/etc/app.conf", "/proc/none", "/etc/ld.so.preload", "/opt/small",
            "/lib/glibc-hwcaps/x/libz.so",
        )
    )  # fmt: skip
    trace += '12 openat(AT_FDCWD</>, "/lib/small", O_RDONLY) = 3</lib/small>\n'
    lines = list(tracing.lines([parse(trace)], tree, []))
    assert lines == [
        "looked for and not in the image:",
        '  /etc/app.conf: if it is needed, `include=["/etc/app.conf"]`',
    ]


def test_byte_code_that_python_looks_for_is_one_line(tree: DirSysroot) -> None:
    trace = "".join(
        f'12 openat(AT_FDCWD</>, "/lib/__pycache__{name}", O_RDONLY) = -1 ENOENT (x)\n'
        for name in ("/a.cpython-311.pyc", "/b.cpython-311.pyc", "/b.cpython-311.pyc.99", "")
    )
    assert list(tracing.lines([parse(trace)], tree, [])) == [
        "looked for and not in the image:",
        "  byte code of 2 modules, which Python compiles at each start: of a PEX, "
        "`python_bytecode=True`",
    ]


def test_nothing_to_tell(tree: DirSysroot) -> None:
    (line,) = tracing.lines([parse("")], tree, [(b"/bin/app", 9)])
    assert line == "every file was read, and nothing was looked for in vain"


def test_many_are_counted(tree: DirSysroot) -> None:
    trace = "".join(f'12 open("/n{n:03}", 0) = -1 ENOENT (x)\n' for n in range(50))
    lines = list(tracing.lines([parse(trace)], tree, []))
    assert len(lines) == 1 + tracing._MOST_SHOWN + 1 and lines[-1] == "  and 30 more"
