"""Hints: what programs know by name and the image has not is said, and said sparingly."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.binaries import elf
from pants_plugin_minimg.bundler.binaries.elf import ElfError
from pants_plugin_minimg.bundler.implicit import strings

from . import implied
from .elf_builder import GLIBC, MUSL, Spec, build
from .implied import LIB, Bench, asks, holding, note, with_notes
from .rootfs import Root

PLUGINS = "/usr/lib/tool/plugins"


@pytest.fixture
def bench(root: Root, tmp_path: Path) -> Bench:
    return Bench(root, tmp_path)


def tool(bench: Bench, *held: bytes, **spec: object) -> None:
    """A program with strings among its constants, which can open libraries."""
    spec = {"interp": GLIBC, "needed": [b"libc.so.6"], **spec}
    bench.file("/usr/bin/tool", holding(*held, **spec))  # type: ignore[arg-type]


def read(content: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    return strings.read(io.BytesIO(content))


# Strings.


@pytest.mark.parametrize(
    "name",
    [b"libx.so", b"libx.so.1", b"libx-1.2.so.0.3", b"libc++.so.1", b"/opt/x/libx.so.2"],
)
def test_names_of_libraries_are_found(name: bytes) -> None:
    assert read(holding(b"before", name, b"after"))[0] == (name,)


@pytest.mark.parametrize(
    "other",
    [
        b"x.so",
        b"lib.so",
        b"libx.sort",
        b"libx.so.",
        b"libx.so.one",
        b"lib%s.so.1",
        b"dir/libx.so",
        b"cannot open libx.so",
        b"libx.so is missing",
        b"libx.so.1\xff",
        b"lib" + b"x" * 300 + b".so",
    ],
)
def test_what_only_resembles_one_is_not(other: bytes) -> None:
    assert read(holding(other)) == ((), ())


def test_folders_are_found_also_in_lists() -> None:
    held = (
        b"/usr/lib/a",
        b"/opt/b/lib:/usr/local/lib/c/",
        b"/lib/d",
        b"/var/lib/e",
        b"x/usr/lib/f",
    )
    assert read(holding(*held))[1] == (b"/usr/lib/a", b"/opt/b/lib", b"/usr/local/lib/c", b"/lib/d")


def test_each_is_told_once_in_the_order_of_the_file() -> None:
    assert read(holding(b"libb.so", b"liba.so", b"libb.so"))[0] == (b"libb.so", b"liba.so")


def test_without_section_headers_what_is_mapped_for_reading_is_searched() -> None:
    content = bytearray(build(Spec(payload=b"\0libx.so.1\0")))
    assert read(bytes(content)) == ((), ())  # one segment, which may be written to
    content[64 + 4] = 5  # p_flags of the first: read and execute
    assert read(bytes(content))[0] == (b"libx.so.1",)


def test_a_string_at_either_end_is_no_trouble() -> None:
    whole = holding(b"libx.so.1")
    assert read(whole[: whole.index(b"libx.so.1") + 7]) == ((), ())
    assert read(holding())[0] == ()


def test_of_a_file_full_of_names_so_many_are_read() -> None:
    held = b"".join(b"lib%d.so\0" % number for number in range(500_000))
    found, _ = read(holding(held))
    assert len(found) == 1 << 12


@pytest.mark.parametrize("seed", range(10))
def test_no_damage_raises(seed: int) -> None:
    chance = random.Random(seed)
    base = holding(b"libx.so.1", b"/usr/lib/x", interp=GLIBC, needed=[b"libc.so.6"])
    for _ in range(300):
        content = bytearray(base)
        for _ in range(chance.randrange(1, 8)):
            content[chance.randrange(len(base))] = chance.randrange(256)
        try:
            strings.read(io.BytesIO(bytes(content)))
            elf.read(io.BytesIO(bytes(content)))
        except ElfError:
            pass  # of the reader of the file as a whole


# Hints.


def hints(bench: Bench, **fields: object) -> list[str]:
    return [line for line in bench.plan(**fields).log if " may look for " in line]


def test_a_library_that_is_known_by_name_is_told_with_the_line_to_add(bench: Bench) -> None:
    bench.library("libx.so.1")
    tool(bench, b"libx.so.1")
    plan = bench.plan()
    assert plan.log == [
        "/usr/bin/tool may look for what it opens at run time by name, which the image has not: if "
        'the program uses that, add `extra_libraries=["libx.so.1"]`.'
    ]
    assert LIB + "libx.so.1" not in implied.entries(plan)
    assert hints(bench, extra_libraries=["libx.so.1"]) == []
    assert hints(bench, include=[LIB + "libx.so.1"]) == []
    assert hints(bench, hints=False) == []


def test_a_plugin_folder_is_told_with_the_line_to_add(bench: Bench) -> None:
    bench.root.elf(f"{PLUGINS}/one.so")
    tool(bench, PLUGINS.encode())
    (line,) = hints(bench)
    assert f'add `include=["{PLUGINS}"]`' in line
    assert hints(bench, include=[PLUGINS]) == []


def test_an_object_has_one_line(bench: Bench) -> None:
    for name in ("libx.so.1", "liby.so.1"):
        bench.library(name)
    bench.root.elf(f"{PLUGINS}/one.so")
    tool(bench, b"libx.so.1", b"liby.so.1", PLUGINS.encode())
    (line,) = hints(bench)
    assert f'`extra_libraries=["libx.so.1", "liby.so.1"]` and `include=["{PLUGINS}"]`' in line


def test_libraries_that_know_others_are_told_once_for_all_programs(bench: Bench) -> None:
    bench.library("libx.so.1")
    bench.file(
        LIB + "libuser.so.1",
        holding(b"libx.so.1", needed=[b"libc.so.6"], soname=b"libuser.so.1"),
    )
    for path in ("/usr/bin/one", "/usr/bin/two"):
        bench.program(path, b"libuser.so.1")
    (line,) = hints(
        bench, executables=["/usr/bin/one", "/usr/bin/two"], entrypoint=["/usr/bin/one"]
    )
    assert line.startswith("/lib/tri/libuser.so.1 ")


@pytest.mark.parametrize("opener", [b"dlopen", b"dlmopen", b"lt_dlopenext", b"g_module_open"])
def test_only_who_can_open_libraries_gets_a_hint(bench: Bench, opener: bytes) -> None:
    bench.library("libx.so.1")
    tool(bench, b"libx.so.1", imports=[opener])
    assert len(hints(bench)) == 1
    tool(bench, b"libx.so.1", imports=[b"open", b"my_" + opener])
    assert hints(bench) == []
    tool(bench, b"libx.so.1", imports=[opener], needed=[])
    assert hints(bench) == []


def test_what_the_sysroot_has_not_is_no_hint(bench: Bench) -> None:
    bench.root.directory("/usr/lib/tool/empty")
    bench.root.file("/usr/lib/tool/data/readme.txt")
    bench.file(LIB + "libtext.so", b"/* GNU ld script */ INPUT(libx.so.2) /* long enough */ " * 3)
    tool(
        bench,
        *(b"libgone.so.1", b"libtext.so", b"/usr/lib/gone"),
        *(b"/usr/lib/tool/empty", b"/usr/lib/tool/data", b"/usr/lib/tool/data/readme.txt"),
    )
    assert hints(bench) == []


def test_what_is_loaded_anyway_is_no_hint(bench: Bench) -> None:
    bench.root.elf(LIB + "libx.so.1.2", soname=b"libx.so.1")
    bench.root.link(LIB + "libx.so.1", "libx.so.1.2")
    bench.root.link(LIB + "libx.so", "libx.so.1.2")
    tool(bench, b"libx.so", b"libx.so.1", b"libc.so.6", needed=[b"libx.so.1", b"libc.so.6"])
    assert hints(bench) == []


def test_of_several_names_of_one_library_its_soname_is_told(bench: Bench) -> None:
    bench.root.elf(LIB + "libx.so.1.2", soname=b"libx.so.1")
    bench.root.link(LIB + "libx.so.1", "libx.so.1.2")
    bench.root.link(LIB + "libx.so", "libx.so.1.2")
    tool(bench, b"libx.so", b"libx.so.1", b"libx.so.1.2")
    (line,) = hints(bench)
    assert 'add `extra_libraries=["libx.so.1"]`' in line


def test_what_other_rules_see_to_is_no_hint(bench: Bench) -> None:
    names = (b"libnss_dns.so.2", b"libgcc_s.so.1", b"libm.so.6", b"libpthread.so.0")
    for name in names:
        bench.library(name.decode())
    bench.root.elf(LIB + "gconv/UTF-16.so")
    tool(bench, *names, LIB.encode() + b"gconv")
    assert hints(bench) == []


def test_what_a_note_names_is_offered_by_its_priority(bench: Bench) -> None:
    for name in ("libx.so.1", "liby.so.1", "libz.so.1", "libr.so.1"):
        bench.library(name)
    held = holding(b"libx.so.1", interp=GLIBC, needed=[b"libc.so.6"])
    named = [
        asks("libr.so.1", priority="required"),
        asks("libx.so.1", priority="suggested"),
        asks("libgone.so.1", priority="suggested"),
        asks("libz.so.2", "libz.so.1", priority="suggested"),
        asks("liby.so.1", priority="recommended"),
    ]
    bench.file("/usr/bin/tool", with_notes(held, note(named)))
    recommended, suggested = (
        f"/usr/bin/tool can do more with {libraries}, which the image has not: "
        f'`dlopen="{priority}"` adds it.'
        for libraries, priority in (
            ("liby.so.1", "recommended"),
            ("libx.so.1, libz.so.1", "suggested"),
        )
    )
    assert bench.plan().log == [recommended, suggested]
    assert bench.plan(dlopen=["required", "recommended"]).log == [suggested]
    assert bench.plan(extra_libraries=["liby.so.1"]).log == [suggested]
    assert bench.plan(hints=False).log == []


def test_what_a_library_of_two_programs_offers_is_said_once(bench: Bench) -> None:
    bench.library("libx.so.1")
    noting = implied.noting(asks("libx.so.1"), needed=[b"libc.so.6"], soname=b"libuser.so.1")
    bench.file(LIB + "libuser.so.1", noting)
    for path in ("/usr/bin/one", "/usr/bin/two"):
        bench.program(path, b"libuser.so.1")
    (line,) = bench.plan(
        executables=["/usr/bin/one", "/usr/bin/two"], entrypoint=["/usr/bin/one"]
    ).log
    assert line.startswith("/lib/tri/libuser.so.1 can do more with libx.so.1, ")


def test_a_folder_that_libraries_come_from_is_no_hint(bench: Bench) -> None:
    bench.root.elf("/opt/own/lib/libown.so.1", soname=b"libown.so.1")
    for folder in ("/opt/own/lib/", LIB):
        bench.root.elf(f"{folder}libother.so", soname=b"libother.so")
    tool(
        bench,
        *(b"/opt/own/lib", b"/usr/lib", b"/lib/tri"),
        needed=[b"libown.so.1", b"libc.so.6"],
        runpath=b"/opt/own/lib",
    )
    assert hints(bench) == []


def test_the_search_path_of_the_object_counts(bench: Bench) -> None:
    bench.root.elf("/opt/own/libx.so.1", soname=b"libx.so.1")
    tool(bench, b"libx.so.1")
    assert hints(bench) == []
    tool(bench, b"libx.so.1", runpath=b"/opt/own")
    assert len(hints(bench)) == 1
    user = Spec(needed=[b"libc.so.6"], soname=b"libuser.so.1", runpath=b"/opt/own")
    bench.file(
        LIB + "libuser.so.1", holding(b"libx.so.1", **{**vars(user), "imports": [b"dlopen"]})
    )
    bench.program("/usr/bin/tool", b"libuser.so.1")
    assert len(hints(bench)) == 1


def test_names_that_share_a_segment_with_much_code(bench: Bench) -> None:
    bench.library("libx.so.1")
    tool(bench, b"libx.so.1", payload=bytes(5 << 20))
    assert len(hints(bench)) == 1
    tool(bench, b"libx.so.1", payload=bytes(5 << 20), imports=[b"open"])
    assert hints(bench) == []


def test_programs_of_musl_get_hints_too(bench: Bench) -> None:
    bench.root.elf(MUSL.decode())
    bench.root.elf("/usr/lib/libx.so.1", soname=b"libx.so.1")
    bench.root.elf("/usr/lib/libneeded.so", soname=b"libneeded.so")
    tool(bench, b"libx.so.1", b"libc.so", interp=MUSL, needed=[b"libneeded.so"])
    assert len(hints(bench)) == 1
