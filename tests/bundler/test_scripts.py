"""`#!` lines as the kernel and `env` read them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.planning import scripts

from .rootfs import Root


@pytest.fixture
def tools(root: Root) -> Root:
    for name in ("/bin/sh", "/usr/bin/env", "/opt/bin/prog", "/opt/other/prog"):
        root.file(name, b"\x7fELF", 0o755)
    return root


def steps(root: Root, line: bytes, path: bytes = b"/none:/opt/bin:/bin") -> list[tuple[str, str]]:
    root.file("/s", line, 0o755)
    found = scripts.interpreters(root.sysroot(), b"/s", path)
    return [(step.path.decode(), step.named_by) for step in found]


ENV = ("/usr/bin/env", "#!")
PROG = [ENV, ("/opt/bin/prog", "env")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"text", []),
        (b"", []),
        (b"#!/bin/sh\n", [("/bin/sh", "#!")]),
        (b"#!/bin/sh", [("/bin/sh", "#!")]),
        (b"#!  /bin/sh\t-e -u \nrest", [("/bin/sh", "#!")]),
        (b"#!/bin/sh\0junk\n", [("/bin/sh", "#!")]),
        (b"#!/usr/bin/env prog\n", PROG),
        (b"#!/usr/bin/env -S prog -a b\n", PROG),
        (b"#!/usr/bin/env -Sprog\n", PROG),
        (b"#!/usr/bin/env --split-string=prog x\n", PROG),
        (b"#!/usr/bin/env -vS -i -u HOME A=1 'prog' x\n", PROG),
        (b"#!/usr/bin/env -S A='x y' pr\\\nog\n", None),
        (b"#!/usr/bin/env -S PATH=/opt/other prog\n", [ENV, ("/opt/other/prog", "env")]),
        (b"#!/usr/bin/env /opt/other/prog\n", [ENV, ("/opt/other/prog", "env")]),
        (b'#!/usr/bin/env -S "prog"#x\n', None),
        (b"#!/usr/bin/env prog -x\n", None),
        (b"#!/usr/bin/env -S $HOME/prog\n", None),
        (b"#!/usr/bin/env -S 'prog\n", None),
        (b"#!/usr/bin/env\n", None),
        (b"#!/usr/bin/env A=1\n", None),
        (b"#!/usr/bin/env bin/sh\n", None),
        (b"#!/usr/bin/env absent\n", None),
        (b"#!/bin/absent\n", None),
        (b"#!/bin\n", None),
        (b"#!bin/sh\n", None),
        (b"#!\n", None),
        (b"#!   \n", None),
        (b"#!/bin/sh\r\n", None),
        (b"#!/usr/bin/env prog\r\n", None),
        (b"#!/" + b"x" * 300 + b"\n", None),
        (b"#!/bin/sh " + b"x" * 300 + b"\n", [("/bin/sh", "#!")]),
    ],
)
def test_lines(tools: Root, line: bytes, expected: list[tuple[str, str]] | None) -> None:
    if expected is not None:
        assert steps(tools, line) == expected
        return
    with pytest.raises(MinimgError) as caught:
        steps(tools, line)
    assert caught.value.code == "MINIMG-E006"
    assert "\n" not in str(caught.value)


def test_the_carriage_return_is_named(tools: Root) -> None:
    for line in (b"#!/bin/sh\r\n", b"#!/usr/bin/env prog\r\n"):
        with pytest.raises(MinimgError, match="carriage return"):
            steps(tools, line)


def test_nesting(tools: Root) -> None:
    tools.file("/i0", b"#!/bin/sh\n", 0o755)
    for index in range(1, 6):
        tools.file(f"/i{index}", b"#!/i%d\n" % (index - 1), 0o755)
    assert [path for path, _ in steps(tools, b"#!/i3\n")] == ["/i3", "/i2", "/i1", "/i0", "/bin/sh"]
    with pytest.raises(MinimgError, match="more than 5"):
        steps(tools, b"#!/i4\n")


def test_an_interpreter_without_the_x_bit(tools: Root) -> None:
    tools.file("/bin/plain", b"\x7fELF", 0o644)
    with pytest.raises(MinimgError, match="executable"):
        steps(tools, b"#!/bin/plain\n")
    # env looks on in PATH.
    tools.file("/bin/prog", b"\x7fELF", 0o644)
    assert steps(tools, b"#!/usr/bin/env prog\n", b"/bin:/opt/bin") == PROG


def test_a_script_that_is_its_own_interpreter(tools: Root) -> None:
    tools.file("/opt/bin/me", b"#!/usr/bin/env me\n", 0o755)
    with pytest.raises(MinimgError, match="its own interpreter"):
        scripts.interpreters(tools.sysroot(), b"/opt/bin/me", b"/opt/bin")


def test_links_are_followed_and_kept_in_the_walk(tools: Root) -> None:
    tools.link("/usr/bin/shell", "../../bin/sh")
    tools.file("/s", b"#!/usr/bin/shell\n", 0o755)
    (step,) = scripts.interpreters(tools.sysroot(), b"/s", b"")
    assert (step.path, step.walk.real) == (b"/usr/bin/shell", b"/bin/sh")
    assert step.walk.links == ((b"/usr/bin/shell", b"../../bin/sh"),)


def test_no_such_script(tools: Root) -> None:
    with pytest.raises(MinimgError) as caught:
        scripts.interpreters(tools.sysroot(), b"/nothing", b"")
    assert caught.value.code == "MINIMG-E002"


@pytest.mark.skipif(not os.path.exists("/bin/sh"), reason="no /bin/sh here")
def test_the_kernel_agrees_on_lengths_and_depth(tmp_path: Path) -> None:
    from pants_plugin_minimg.bundler.sysroots.sysroot import DirSysroot

    for pad in range(230, 262):
        script = tmp_path / "s"
        for line in (
            b"#!" + b"/" * (pad - len("/bin/sh") - 2) + b"/bin/sh\n",
            b"#!" + b"/" * (pad - len("/bin/sh") - 2) + b"/bin/sh",
            b"#!" + b" " * (pad - len("/bin/sh") - 2) + b"/bin/sh\n",
        ):
            script.write_bytes(line)
            script.chmod(0o755)
            try:
                subprocess.run([script], check=True)
                started = True
            except (OSError, subprocess.CalledProcessError):
                started = False
            try:
                scripts.interpreters(DirSysroot(b"/"), os.fsencode(script), b"")
                ours = True
            except MinimgError:
                ours = False
            assert ours == started, (pad, line)
    script = tmp_path / "0"
    script.write_bytes(b"#!/bin/sh\n")
    script.chmod(0o755)
    for depth in range(1, 8):
        script = tmp_path / str(depth)
        script.write_bytes(b"#!" + os.fsencode(tmp_path / str(depth - 1)) + b"\n")
        script.chmod(0o755)
        try:
            started = subprocess.run([script]).returncode == 0
        except OSError:
            started = False
        try:
            scripts.interpreters(DirSysroot(b"/"), os.fsencode(script), b"")
            ours = True
        except MinimgError:
            ours = False
        assert ours == started, depth
