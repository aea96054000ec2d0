"""Interpreters whose language's modules the image has not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.plan import Plan
from tests import requirements

from . import implied
from .elf_builder import GLIBC
from .implied import LIB, Bench, holding
from .rootfs import Root

BASE, SHARED = "/usr/lib/tri/perl-base", "/usr/share/perl/5.36"


@pytest.fixture
def bench(root: Root, tmp_path: Path) -> Bench:
    made = Bench(root, tmp_path)
    held = (b"/etc/perl", SHARED.encode(), BASE.encode() + b":/usr/share/perl5", b"perl/relative")
    made.file("/usr/bin/perl", holding(*held, interp=GLIBC, needed=[b"libc.so.6"]))
    for folder in (BASE, f"{SHARED}.0"):
        root.file(f"{folder}/strict.pm")
    root.link(SHARED, "5.36.0")
    return made


def said(plan: Plan) -> list[str]:
    return [line for line in plan.log if "its language's modules" in line]


def test_the_folders_that_can_be_used_are_told_with_the_line_to_add(bench: Bench) -> None:
    assert said(bench.plan(executables=["/usr/bin/perl"])) == [
        "/usr/bin/perl looks for its language's modules where the image has none: if a program "
        f'uses any, add `include=["{SHARED}", "{BASE}"]`.'
    ]


@pytest.mark.parametrize("kept", [BASE, SHARED, f"{SHARED}.0/strict.pm"])
def test_with_one_of_them_nothing_is_said(bench: Bench, kept: str) -> None:
    assert not said(bench.plan(executables=["/usr/bin/perl"], include=[kept]))


def test_that_of_a_script_is_meant_too(bench: Bench) -> None:
    bench.file("/usr/bin/script", b"#!/usr/bin/perl -w\n")
    assert len(said(bench.plan(executables=["/usr/bin/script"]))) == 1


@pytest.mark.parametrize(
    ("name", "lines"), [("perl5.36.0", 1), ("perldoc", 0), ("tool", 0), ("tclsh", 0)]
)
def test_an_interpreter_is_known_by_its_name(bench: Bench, name: str, lines: int) -> None:
    (bench.root.folder / "usr/bin/perl").rename(bench.root.folder / f"usr/bin/{name}")
    assert len(said(bench.plan(executables=[f"/usr/bin/{name}"]))) == lines


@pytest.mark.parametrize("name", ["tclsh", "wish"])
def test_its_library_may_know_the_folders(bench: Bench, name: str) -> None:
    bench.file(
        LIB + "libtcl8.6.so",
        holding(
            b"/usr/lib/tcltk /usr/share/tcltk/tcl8.6",
            needed=[b"libc.so.6"],
            soname=b"libtcl8.6.so",
        ),
    )
    bench.program(f"/usr/bin/{name}8.6", b"libtcl8.6.so")
    bench.root.link(f"/usr/bin/{name}", f"{name}8.6")
    assert not said(bench.plan(executables=[f"/usr/bin/{name}"]))
    bench.root.file("/usr/share/tcltk/tcl8.6/init.tcl")
    (line,) = said(bench.plan(executables=[f"/usr/bin/{name}"]))
    assert 'add `include=["/usr/share/tcltk/tcl8.6"]`' in line


def test_hints_can_be_turned_off(bench: Bench) -> None:
    assert not said(bench.plan(executables=["/usr/bin/perl"], hints=False))


@pytest.mark.parametrize(
    ("name", "script"),
    [("perl", "use strict; print 1"), ("tclsh", "puts [llength [info commands unknown]]")],
)
def test_this_machines_works_with_what_the_line_adds(
    tmp_path: Path, name: str, script: str
) -> None:
    program = requirements.program(f"/usr/bin/{name}")

    def plan(include: list[str]) -> Plan:
        return implied.plan(Path("/"), tmp_path, executables=[program], include=include)

    (line,) = said(plan([]))
    folders = line.partition("include=[")[2].partition("]")[0].replace('"', "").split(", ")
    outputs = [
        implied.run(plan(include), tmp_path, program=program, given=script)
        for include in ([], folders)
    ]
    assert outputs[0] != "1"
    assert outputs[1] == "1"
