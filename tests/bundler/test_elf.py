"""Reading ELF files: what is right, and nothing but ElfError for what is wrong."""

from __future__ import annotations

import io
import struct

import pytest

from pants_plugin_minimg.bundler.binaries import elf, elf_symbols
from pants_plugin_minimg.bundler.binaries.elf import ElfError

from .elf_builder import AUXILIARY, FILTER, NEEDED, Spec, build
from .host_files import elf_files

MACHINES = {
    "amd64": (62, 64, "little", 0, ("linux", "amd64", None)),
    "386": (3, 32, "little", 0, ("linux", "386", None)),
    "arm64": (183, 64, "little", 0, ("linux", "arm64", "v8")),
    "armhf": (40, 32, "little", 0x5000400, ("linux", "arm", "v7")),
    "riscv64": (243, 64, "little", 5, ("linux", "riscv64", None)),
    "ppc64le": (21, 64, "little", 2, ("linux", "ppc64le", None)),
    "s390x": (22, 64, "big", 0, ("linux", "s390x", None)),
}


def read(raw: bytes) -> elf.Elf:
    return elf.read(io.BytesIO(raw))


@pytest.mark.parametrize("name", MACHINES)
def test_every_architecture(name: str) -> None:
    machine, elfclass, endian, flags, platform = MACHINES[name]
    spec = Spec(
        needed=[b"libone.so", (AUXILIARY, b"libaux.so"), (FILTER, b"libfil.so"), b"libtwo.so"],
        soname=b"me.so",
        rpath=b"/r",
        runpath=b"",
        flags_1=0x800,
        interp=b"/lib/ld.so",
        machine=machine,
        elfclass=elfclass,
        endian=endian,
        e_flags=flags,
        base=0x10000,
        imports=[b"pthread_exit", b"puts"],
        exports=[b"mine"],
    )
    found = read(build(spec))
    assert found.needed == (
        (NEEDED, b"libone.so"),
        (AUXILIARY, b"libaux.so"),
        (FILTER, b"libfil.so"),
        (NEEDED, b"libtwo.so"),
    )
    assert (found.soname, found.rpath, found.runpath) == (b"me.so", b"/r", b"")
    assert (found.interp, found.flags_1, found.dynamic) == (b"/lib/ld.so", 0x800, True)
    assert (found.machine, found.elfclass, found.endian) == (machine, elfclass, endian)
    assert elf.platform(found) == platform
    if name != "s390x":  # its hash table has words of its own size
        file = io.BytesIO(build(spec))
        assert elf_symbols.imports(file, found) == {b"pthread_exit", b"puts"}
        names = (b"pthread_exit", b"mine", b"other")
        assert elf_symbols.symbols_among(file, found, names, defined=False) == {b"pthread_exit"}
        assert elf_symbols.symbols_among(file, found, names, defined=True) == {b"mine"}


def test_platforms_that_images_do_not_have() -> None:
    for spec in (Spec(elfclass=32), Spec(machine=8, endian="big"), Spec(machine=21, endian="big")):
        with pytest.raises(ElfError):
            elf.platform(read(build(spec)))


def test_absent_and_empty_are_told_apart() -> None:
    found = read(build(Spec()))
    assert (found.soname, found.rpath, found.runpath, found.interp) == (None,) * 4
    found = read(build(Spec(rpath=b"", runpath=b"")))
    assert (found.rpath, found.runpath) == (b"", b"")
    assert not read(build(Spec(dynamic=False))).dynamic


def test_the_last_of_equal_tags_counts() -> None:
    raw = build(Spec(soname=b"first", rpath=b"/a", extra_tags=[(15, 0), (14, 1)]))
    found = read(raw)
    assert found.rpath == b""
    assert found.soname == b"first"


def test_section_headers_do_not_matter() -> None:
    raw = bytearray(build(Spec(needed=[b"a"], soname=b"b")))
    struct.pack_into("<Q", raw, 40, 0xFFFFFFFFFFFF)
    struct.pack_into("<HHH", raw, 58, 0xFFFF, 0xFFFF, 0xFFFF)
    assert read(bytes(raw)).soname == b"b"


def test_the_address_of_the_dynamic_section_counts_and_not_its_offset() -> None:
    raw = bytearray(build(Spec(needed=[b"right"])))
    for index in range(struct.unpack_from("<H", raw, 56)[0]):
        at = 64 + 56 * index
        if struct.unpack_from("<I", raw, at)[0] == elf.PT_DYNAMIC:
            struct.pack_into("<Q", raw, at + 8, 0)
    assert read(bytes(raw)).needed == ((NEEDED, b"right"),)


def test_names_are_bytes() -> None:
    assert read(build(Spec(needed=[b"lib\xff\xfe.so"]))).needed[0][1] == b"lib\xff\xfe.so"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not an ELF file"),
        (b"\x7fELF", "cut off"),
        (b"#!/bin/sh\n" * 20, "not an ELF file"),
        (build(Spec())[:100], "cut off in the program headers"),
        (build(Spec(needed=[b"a"]))[:-300], "."),
        (b"\x7fELF" + b"\x03" * 100, "neither 32 nor 64"),
    ],
)
def test_bad_files_by_name(raw: bytes, reason: str) -> None:
    with pytest.raises(ElfError, match=reason):
        read(raw)


def test_a_dynamic_section_without_end_and_one_too_long() -> None:
    raw = bytearray(build(Spec(soname=b"x")))
    at = raw.index(struct.pack("<qQ", elf.DT_SONAME, 1))
    filler = struct.pack("<qQ", elf.DT_NEEDED, 1)
    endless = bytes(raw[:at]) + filler * ((len(raw) - at) // 16)
    with pytest.raises(ElfError):
        read(endless)
    with pytest.raises(ElfError, match="too many"):
        read(build(Spec(needed=[b"n"], extra_tags=[(1, 1)] * 300_000)))


def test_a_name_without_end() -> None:
    raw = build(Spec(needed=[b"x" * 70_000]))
    with pytest.raises(ElfError, match="no end or is too long"):
        read(raw)
    cut = build(Spec(soname=b"tail"))
    with pytest.raises(ElfError):
        read(cut[:-1] + b"l" * 1)


def test_overlapping_segments_the_later_one_is_seen() -> None:
    """Two PT_LOAD claim the same addresses: what is mapped last covers the first."""
    raw = bytearray(build(Spec(soname=b"first")))
    stack = 64 + 56  # PT_GNU_STACK becomes a second PT_LOAD, of another part of the file
    page = -(-len(raw) // 4096) * 4096
    body = bytes(raw).replace(b"first", b"other")
    struct.pack_into("<IIQQQQQQ", raw, stack, 1, 6, page, 0, 0, len(raw), len(raw), 4096)
    whole = bytes(raw).ljust(page, b"\0") + body
    assert read(whole).soname == b"other"


def test_a_size_that_lies_takes_no_memory() -> None:
    """Reading asks for memory for all that it might get."""

    class File(io.BytesIO):
        asked = 0

        def read(self, size: int | None = -1) -> bytes:
            self.asked = max(self.asked, -1 if size is None else size)
            return super().read(size)

    file = File(build(Spec(soname=b"x")))
    reader = elf.Reader(file)
    assert len(reader.at(100, 1 << 40)) == len(file.getvalue()) - 100
    assert file.asked <= 1 << 20


def test_upx_is_recognised() -> None:
    packed = build(Spec(dynamic=False, payload=b"\0\0UPX!\r\r"))
    assert elf.upx_packed(io.BytesIO(packed))
    assert not elf.upx_packed(io.BytesIO(build(Spec())))


def _second_opinion(path: bytes) -> tuple[bytes | None, dict[str, list[bytes]]]:
    """By pyelftools: the interpreter, and the values of the tags by name."""
    elftools = pytest.importorskip("elftools.elf.elffile")
    tags: dict[str, list[bytes]] = {}
    interpreter = None
    with open(path, "rb") as file:
        for segment in elftools.ELFFile(file).iter_segments():
            if segment.header.p_type == "PT_INTERP":
                interpreter = segment.get_interp_name().encode()
            if segment.header.p_type == "PT_DYNAMIC":
                for tag in segment.iter_tags():
                    for wanted in ("needed", "soname", "rpath", "runpath"):
                        if tag.entry.d_tag == f"DT_{wanted.upper()}":
                            tags.setdefault(wanted, []).append(getattr(tag, wanted).encode())
    return interpreter, tags


def test_the_second_opinion_of_pyelftools() -> None:
    compared = 0
    for path in elf_files():
        with open(path, "rb") as file:
            ours = elf.read(file)
        interpreter, tags = _second_opinion(path)
        assert ours.interp == interpreter, path
        names = [name for tag, name in ours.needed if tag == NEEDED]
        assert names == tags.get("needed", []), path
        for value, key in ((ours.soname, "soname"), (ours.rpath, "rpath")):
            assert value == tags.get(key, [None])[-1], path
        assert ours.runpath == tags.get("runpath", [None])[-1], path
        compared += 1
    print(f"compared {compared} ELF files with pyelftools")
    assert compared > 100
