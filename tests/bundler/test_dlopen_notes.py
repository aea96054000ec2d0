"""`.note.dlopen`: what files say that they open at run time is read, followed and explained."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler.binaries import elf
from pants_plugin_minimg.bundler.binaries.elf import EM_386, EM_S390
from pants_plugin_minimg.bundler.implicit import dlopen_notes
from pants_plugin_minimg.bundler.implicit.dlopen_notes import Note
from pants_plugin_minimg.bundler.loader import cachefile

from . import implied
from .elf_builder import GLIBC, MUSL, Spec, build
from .implied import LIB, Bench, asks, note, noting, with_notes
from .rootfs import Root


@pytest.fixture
def bench(root: Root, tmp_path: Path) -> Bench:
    return Bench(root, tmp_path)


def read(content: bytes) -> tuple[tuple[Note, ...], list[str]]:
    file = io.BytesIO(content)
    return dlopen_notes.read(file, elf.read(file))


def in_note(content: Any, **form: Any) -> tuple[tuple[Note, ...], list[str]]:
    return read(with_notes(build(Spec()), note(content, **form)))


# Reading.


def test_a_note_is_read_with_its_alternatives_priority_and_purpose() -> None:
    entry = asks("libx.so.2", "libx.so.1", priority="suggested", feature="x", description="Does x")
    assert in_note([entry]) == (
        (Note((b"libx.so.2", b"libx.so.1"), "suggested", "Does x"),),
        [],
    )


def test_the_specification_gives_the_priority_of_an_entry_without_one() -> None:
    ((found,), _) = in_note([asks("libx.so.1")])
    assert (found.priority, found.purpose) == ("recommended", "")


def test_several_notes_and_entries_keep_their_order() -> None:
    notes = note([asks("a.so"), asks("b.so")]) + note([asks("c.so")])
    found, faults = read(with_notes(build(Spec()), notes))
    assert [item.names for item in found] == [(b"a.so",), (b"b.so",), (b"c.so",)]
    assert faults == []


@pytest.mark.parametrize("other", [{"owner": b"GNU\0"}, {"kind": 3}, {"owner": b"FDO2\0"}])
def test_notes_of_others_are_passed_over(other: dict[str, Any]) -> None:
    notes = note(b"anything", **other) + note([asks("libx.so.1")])
    found, faults = read(with_notes(build(Spec()), notes))
    assert [item.names for item in found] == [(b"libx.so.1",)] and faults == []


@pytest.mark.parametrize(
    ("elfclass", "endian", "machine"),
    [(32, "little", EM_386), (64, "big", EM_S390)],
)
def test_notes_of_other_machines_are_read(elfclass: int, endian: str, machine: int) -> None:
    spec = Spec(elfclass=elfclass, endian=endian, machine=machine)
    order = "<" if endian == "little" else ">"
    found, faults = read(with_notes(build(spec), note([asks("libx.so.1")], order=order)))
    assert [item.names for item in found] == [(b"libx.so.1",)] and faults == []


def test_notes_aligned_to_eight_bytes_are_read() -> None:
    notes = note(b"123456789", b"GNU\0", 5, align=8) + note([asks("libx.so.1")], align=8)
    found, _ = read(with_notes(build(Spec()), notes, align=8))
    assert [item.names for item in found] == [(b"libx.so.1",)]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"[{]\0", "not JSON"),
        (b"\xff\0", "not UTF-8"),
        (b"", "not JSON"),
        ({"soname": ["x.so"]}, "no array"),
        ([["x.so"]], "no object"),
        ([{}], "no array `soname`"),
        ([{"soname": "x.so"}], "no array `soname`"),
        ([{"soname": []}], "no array `soname`"),
        ([{"soname": ["x.so"] * 17}], "more than 16"),
        ([{"soname": [3]}], "no file can have"),
        ([{"soname": [""]}], "no file can have"),
        ([{"soname": ["a\nb"]}], "no file can have"),
        ([{"soname": ["x" * 300]}], "no file can have"),
        ([{"soname": ["x.so"], "priority": "high"}], "unknown"),
        ([{"soname": ["x.so"], "priority": []}], "unknown"),
        ([{"soname": ["x.so"], "description": 7}], "no text"),
        (b"[" * 100_000 + b"\0", "nested"),
        ([{"soname": ["x.so"]}] * 300, "more than 256"),
    ],
)
def test_a_damaged_note_is_told_and_raises_nothing(content: Any, fault: str) -> None:
    _, faults = in_note(content)
    assert len(faults) == 1 and fault in faults[0]


def test_a_damaged_note_leaves_the_others_alone() -> None:
    notes = note(b"{\0") + note([asks("libx.so.1")])
    found, faults = read(with_notes(build(Spec()), notes))
    assert [item.names for item in found] == [(b"libx.so.1",)] and len(faults) == 1


def test_a_note_that_is_cut_off_is_told() -> None:
    whole = note([asks("libx.so.1")])
    found, faults = read(with_notes(build(Spec()), whole[:-8]))
    assert (found, faults) == ((), ["a note is cut off"])


def test_more_notes_than_anybody_has_are_not_read() -> None:
    found, faults = read(with_notes(build(Spec()), note([asks("x.so")]), size=1 << 40))
    assert found == () and "more than" in faults[0]


def test_a_purpose_is_one_line_that_is_not_too_long() -> None:
    ((found,), _) = in_note([asks("x.so", description="a\n\x1b b" + "c" * 1000)])
    assert found.purpose.isprintable() and len(found.purpose) < 220


@pytest.mark.parametrize("seed", range(20))
def test_no_damage_to_a_file_raises_or_takes_long(seed: int) -> None:
    chance = random.Random(seed)
    entries = [asks("libx.so.2", "libx.so.1", priority="required"), asks("liby.so")]
    base = with_notes(build(Spec()), note(b"abc\0", b"GNU\0", 3) + note(entries))
    start = len(base) - 400
    for _ in range(300):
        content = bytearray(base)
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(max(start, 0), len(base)) if chance.random() < 0.7 else None
            at = chance.randrange(64, len(base)) if at is None else at
            content[at] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        if chance.random() < 0.2:
            del content[chance.randrange(64, len(content)) :]
        try:
            found, faults = read(bytes(content))
        except elf.ElfError:
            continue  # of the file as a whole, before any note
        for item in found:
            assert item.priority in dlopen_notes.PRIORITIES and all(item.names)
            assert item.purpose.isprintable()
        assert all(isinstance(fault, str) and fault for fault in faults)


# Following.


def test_a_required_library_is_in_the_image_with_the_reason(bench: Bench) -> None:
    bench.library("libx.so.1")
    entry = asks("libx.so.1", priority="required", description="Reads x")
    bench.file("/usr/bin/tool", noting(entry, interp=GLIBC, needed=[b"libc.so.6"]))
    found = implied.entries(bench.plan())
    assert found[LIB + "libx.so.1"].reasons == [
        '.note.dlopen of /usr/bin/tool (required: "Reads x")'
    ]


@pytest.mark.parametrize(
    ("dlopen", "there"),
    [
        (None, ["required"]),
        ([], []),
        (["suggested"], ["suggested"]),
        (["required", "recommended"], ["required", "recommended"]),
    ],
)
def test_the_priorities_say_which_libraries_are_in(
    bench: Bench, dlopen: list[str] | None, there: list[str]
) -> None:
    every = ("required", "recommended", "suggested")
    for name in every:
        bench.library(f"lib{name}.so")
    asked = [asks(f"lib{name}.so", priority=name) for name in every]
    bench.file("/usr/bin/tool", noting(*asked, interp=GLIBC, needed=[b"libc.so.6"]))
    found = implied.entries(bench.plan(**({} if dlopen is None else {"dlopen": dlopen})))
    assert [name for name in every if f"{LIB}lib{name}.so" in found] == there


def test_a_priority_that_is_none_is_no_request(bench: Bench) -> None:
    with pytest.raises(ValueError, match="urgent"):
        bench.plan(dlopen=["urgent"])


def test_of_alternatives_the_first_that_is_found_is_taken_alone(bench: Bench) -> None:
    bench.library("libx.so.2")
    bench.library("libx.so.1")
    entry = asks("libx.so.3", "libx.so.2", "libx.so.1", priority="required")
    bench.file("/usr/bin/tool", noting(entry, interp=GLIBC, needed=[b"libc.so.6"]))
    found = implied.entries(bench.plan())
    assert LIB + "libx.so.2" in found and LIB + "libx.so.1" not in found


def test_what_a_note_brings_has_needs_notes_and_triggers_of_its_own(bench: Bench) -> None:
    bench.library("libneeded.so", imports=[b"pthread_exit"])
    bench.library("libgcc_s.so.1")
    bench.library("libfar.so")
    middle = asks("libfar.so", priority="required")
    bench.file(LIB + "libnear.so", noting(middle, needed=[b"libneeded.so"], soname=b"libnear.so"))
    first = asks("libnear.so", priority="required")
    bench.file("/usr/bin/tool", noting(first, interp=GLIBC, needed=[b"libc.so.6"]))
    found = implied.entries(bench.plan())
    for name in ("libnear.so", "libneeded.so", "libfar.so", "libgcc_s.so.1"):
        assert LIB + name in found
    assert found[LIB + "libfar.so"].reasons == [".note.dlopen of /lib/tri/libnear.so (required)"]
    assert "needed by" in found[LIB + "libneeded.so"].reasons[0]


def test_notes_that_ask_for_each_other_come_to_an_end(bench: Bench) -> None:
    for one, other in (("liba.so", "libb.so"), ("libb.so", "liba.so")):
        entry = asks(other, priority="required")
        bench.file(LIB + one, noting(entry, needed=[b"libc.so.6"], soname=one.encode()))
    bench.program("/usr/bin/tool", b"liba.so")
    assert LIB + "libb.so" in implied.entries(bench.plan())


def test_the_search_path_of_the_object_that_asks_counts(bench: Bench) -> None:
    bench.root.elf("/opt/x/libplug.so", soname=b"libplug.so")
    entry = asks("libplug.so", priority="required")
    bench.file(
        "/opt/x/libhost.so",
        noting(entry, needed=[b"libc.so.6"], soname=b"libhost.so", runpath=b"$ORIGIN"),
    )
    bench.program("/usr/bin/tool", b"libhost.so", runpath=b"/opt/x")
    plan = bench.plan()  # which resolves it again in the finished tree
    assert "/opt/x/libplug.so" in implied.entries(plan)
    names = [item["name"] for item in plan.loaded["/usr/bin/tool"]["libraries"]]
    assert "libplug.so" in names


def test_the_search_path_of_another_object_does_not(bench: Bench) -> None:
    bench.root.elf("/opt/x/libplug.so", soname=b"libplug.so")
    entry = asks("libplug.so", priority="required")
    bench.file("/opt/x/libhost.so", noting(entry, needed=[b"libc.so.6"], soname=b"libhost.so"))
    bench.program("/usr/bin/tool", b"libhost.so", runpath=b"/opt/x")
    assert [error.code for error in bench.errors()] == ["MINIMG-E004"]


def test_a_library_that_only_the_cache_knows_brings_a_cache(bench: Bench) -> None:
    bench.root.elf("/opt/odd/libodd.so.1", soname=b"libodd.so.1")
    entry = asks("libodd.so.1", priority="required")
    bench.file("/usr/bin/tool", noting(entry, interp=GLIBC, needed=[b"libc.so.6"]))
    header = bench.root.resolve("/usr/bin/tool").elf.header
    known = {b"libodd.so.1": b"/opt/odd/libodd.so.1"}
    bench.root.file("/etc/ld.so.cache", cachefile.render(known, header))
    found = implied.entries(bench.plan())
    assert "/opt/odd/libodd.so.1" in found
    assert found["/etc/ld.so.cache"].origin == "generated"


def test_a_required_library_that_is_not_there_is_an_error_that_names_the_note(
    bench: Bench,
) -> None:
    entry = asks("libx.so.2", "libx.so.1", priority="required", description="Reads x")
    bench.file("/usr/bin/tool", noting(entry, interp=GLIBC, needed=[b"libc.so.6"]))
    (error,) = bench.errors()
    assert error.code == "MINIMG-E004"
    for part in ('.note.dlopen of /usr/bin/tool (required: "Reads x")', "libx.so.2 or", LIB):
        assert part in str(error)
    plan = bench.plan(allowed_missing=["libx.so.1"])
    assert any("libx.so.2 or libx.so.1 is not in the sysroot" in line for line in plan.log)


def test_a_required_library_that_the_loader_refuses_is_an_error(bench: Bench) -> None:
    bench.file(LIB + "libx.so.1", b"/* GNU ld script */ INPUT(libx.so.2) /* long enough to read */")
    entry = asks("libx.so.1", priority="required")
    bench.file("/usr/bin/tool", noting(entry, interp=GLIBC, needed=[b"libc.so.6"]))
    (error,) = bench.errors()
    assert error.code == "MINIMG-E004" and "would refuse" in str(error)


def test_another_library_that_is_not_there_is_a_line_in_the_log(bench: Bench) -> None:
    entry = asks("libx.so.1", priority="suggested")
    bench.file("/usr/bin/tool", noting(entry, interp=GLIBC, needed=[b"libc.so.6"]))
    plan = bench.plan(dlopen=["required", "suggested"])
    assert [line for line in plan.log if "libx.so.1" in line] == [
        "libx.so.1 is not in the sysroot: .note.dlopen of /usr/bin/tool (suggested)."
    ]
    assert not any("libx.so.1" in line for line in bench.plan().log)


def test_damage_is_a_line_in_the_log(bench: Bench) -> None:
    whole = build(Spec(interp=GLIBC, needed=[b"libc.so.6"]))
    bench.file("/usr/bin/tool", with_notes(whole, note(b"{\0")))
    assert any(".note.dlopen of /usr/bin/tool cannot be read" in line for line in bench.plan().log)


def test_programs_of_musl_are_asked_too(bench: Bench) -> None:
    bench.root.elf(MUSL.decode())
    bench.root.elf("/usr/lib/libx.so.1", soname=b"libx.so.1")
    entry = asks("libgone.so", "libx.so.1", priority="required")
    bench.file("/usr/bin/tool", noting(entry, interp=MUSL))
    found = implied.entries(bench.plan())
    assert found["/usr/lib/libx.so.1"].reasons == [".note.dlopen of /usr/bin/tool (required)"]
    bench.file("/usr/bin/tool", noting(asks("libgone.so", priority="required"), interp=MUSL))
    assert [error.code for error in bench.errors()] == ["MINIMG-E004"]


def test_two_plans_are_the_same(bench: Bench) -> None:
    bench.library("libx.so.1")
    entries = [asks("libx.so.1", priority="required"), asks("libgone.so")]
    bench.file("/usr/bin/tool", noting(*entries, interp=GLIBC, needed=[b"libc.so.6"]))
    texts = {json.dumps(bench.plan(dlopen=["recommended", "required"]).to_json()) for _ in range(2)}
    assert len(texts) == 1


PROGRAM = r"""
#include <dlfcn.h>
#include <stdio.h>
__asm__(".pushsection .note.dlopen,\"a\",%note\n.balign 4\n.long 4\n.long 2f-1f\n"
        ".long 0x407c0c0a\n.asciz \"FDO\"\n"
        "1: .asciz \"[{\\\"soname\\\":[\\\"libplug.so.1\\\"],"
        "\\\"priority\\\":\\\"required\\\"}]\"\n"
        "2: .balign 4\n.popsection\n");
int main(void) {
  if (dlopen("libplug.so.1", RTLD_NOW) == NULL) return 3;
  puts("opened");
  return 0;
}
"""


def test_a_program_opens_in_its_tree_what_its_note_names(tmp_path: Path) -> None:
    build = tmp_path / "build"
    program = implied.compiled(build, "tool", PROGRAM, "-Wl,-rpath,$ORIGIN/../plug")
    plug = implied.compiled(build, "libplug.so.1", "int plug;", "-shared", "-fPIC")
    root = implied.real_root(tmp_path / "root", program)
    implied.copy(bytes(plug), root, "/usr/plug/libplug.so.1")
    executables = ["/usr/bin/tool"]
    plan = implied.plan(root, tmp_path, executables=executables)
    assert implied.run(plan, tmp_path) == "opened"
    plan = implied.plan(root, tmp_path, executables=executables, dlopen=[])
    assert implied.run(plan, tmp_path) == "exit 3"
