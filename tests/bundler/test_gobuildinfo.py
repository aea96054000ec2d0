"""Go's build information, of programs that Go makes and of bytes that no tool would make."""

from __future__ import annotations

import io
import os
import random
import struct
import subprocess
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.binaries.elf import ElfError, Reader
from pants_plugin_minimg.bundler.inventory import gobuildinfo
from pants_plugin_minimg.bundler.inventory.gobuildinfo import BuildInfo, Module
from tests.requirements import program

from .elf_builder import Spec, build
from .goprograms import LINES, MAGIC, data, framed, inline
from .sectioned import with_section

_EXPECTED = BuildInfo(
    "go1.21.5",
    "example.com/tool/cmd",
    Module("example.com/tool", "(devel)"),
    (
        Module("example.com/plain", "v1.2.3"),
        Module("example.com/old", "v1.0.0", ("example.com/new", "v2.0.0")),
    ),
)


def _read(elf: bytes) -> BuildInfo | None:
    return gobuildinfo.read(Reader(io.BytesIO(elf)))


def test_the_section_tells_toolchain_and_modules() -> None:
    content = inline()
    assert _read(with_section(data(content), b".go.buildinfo", content)) == _EXPECTED


def test_without_sections_the_data_segment_is_searched() -> None:
    assert _read(data(inline())) == _EXPECTED


def test_only_an_aligned_magic_counts() -> None:
    assert _read(data(inline(), misplaced=8)) is None


def test_a_misplaced_magic_before_the_true_one_is_passed_over() -> None:
    assert _read(data(MAGIC + b"  " + inline(), misplaced=0)) is None  # the first is no header
    elf = build(Spec(payload=bytes(64)))
    start = len(elf) - 64
    start += -start % 16
    for shift in range(16):
        content = bytes(shift) + b"x" * 3 + MAGIC + bytes(15) + inline()
        elf = build(Spec(payload=content))
        if elf.rfind(MAGIC) % 16 == 0 and elf.find(MAGIC) % 16:
            assert _read(elf) == _EXPECTED
            return
    raise AssertionError("no padding does it")


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_format_before_go_1_18_points_at_its_strings(size: int, order: str) -> None:
    word = order + ("I" if size == 4 else "Q")
    texts = (b"go1.17.1", framed(LINES))

    def payload(base: int, padding: int) -> bytes:
        header = MAGIC + bytes([size, 1 if order == ">" else 0])
        at_pairs = base + padding + 32
        at_texts = at_pairs + 4 * size
        header += struct.pack(word, at_pairs) + struct.pack(word, at_pairs + 2 * size)
        pairs = struct.pack(word, at_texts) + struct.pack(word, len(texts[0]))
        pairs += struct.pack(word, at_texts + len(texts[0])) + struct.pack(word, len(texts[1]))
        return bytes(padding) + header.ljust(32, b"\0") + pairs + b"".join(texts)

    base = 0x400000
    offset = build(Spec(payload=b"@marker@", base=base)).find(b"@marker@")
    padding = -offset % 16
    elf = build(Spec(payload=payload(base + offset, padding), base=base))
    found = _read(elf)
    assert found is not None and found.go == "go1.17.1"
    assert found.dependencies == _EXPECTED.dependencies


def test_a_program_without_modules_tells_its_toolchain() -> None:
    content = inline(lines="")
    assert _read(data(content)) == BuildInfo("go1.21.5", "", None, ())


@pytest.mark.parametrize(
    "lines",
    [
        "mod\tonly-a-path\n",
        "=>\ta\tb\tc\n",
        "dep\ta\tv1\n=>\tb\tv2\n",
        "dep\ta\tv1\n=>\tb\tv2\t\n=>\tc\tv3\t\n",
    ],
)
def test_lines_that_go_itself_refuses_are_no_build_information(lines: str) -> None:
    assert _read(data(inline(lines=lines))) is None


def test_a_length_beyond_the_file_is_no_build_information() -> None:
    content = MAGIC + bytes([8, 2]) + bytes(16) + b"\xff" * 9 + b"\x01" + b"go1"
    assert _read(data(content)) is None
    content = MAGIC + bytes([8, 2]) + bytes(16) + b"\xff" * 10 + b"go1"
    assert _read(data(content)) is None


def test_other_programs_have_none() -> None:
    assert _read(build(Spec())) is None


def test_damaged_programs_are_refused_or_read_and_nothing_else_happens() -> None:
    content = inline()
    whole = with_section(data(content), b".go.buildinfo", content)
    chance = random.Random(20260727)
    read = 0
    for _ in range(2000):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        if chance.random() < 0.3:
            del damaged[chance.randrange(len(damaged)) :]
        try:
            read += _read(bytes(damaged)) is not None
        except ElfError:
            continue  # of the reader: no ELF file any more
    assert read > 200


def _go(folder: Path, files: dict[str, str], *flags: str) -> Path:
    tool = program("go")
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    environment = {
        **os.environ,
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
        "GOWORK": "off",
        "GO111MODULE": "on",
    }
    subprocess.run(
        [tool, "build", "-buildvcs=false", *flags, "-o", "tool", "."],
        cwd=folder,
        env=environment,
        check=True,
    )
    return folder / "tool"


_MAIN = 'package main\n\nimport "example.com/dep"\n\nfunc main() { println(dep.Word) }\n'
_DEP = 'package dep\n\nconst Word = "word"\n'


def _same_as_go(path: Path) -> BuildInfo:
    """What we read, after the same was had from `go version -m`."""
    with open(path, "rb") as file:
        found = gobuildinfo.read(Reader(file))
    assert found is not None
    said = subprocess.run(
        [program("go"), "version", "-m", str(path)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert said[0].endswith(f": {found.go}")
    rows = [line.split("\t")[1:] for line in said[1:]]
    assert found.path == next(row[1] for row in rows if row[0] == "path")
    modules = [row[1:3] for row in rows if row[0] == "dep"]
    assert [[module.path, module.version] for module in found.dependencies] == modules
    replaced = [(row[1], row[2]) for row in rows if row[0] == "=>"]
    assert [module.replace for module in found.dependencies if module.replace] == replaced
    return found


@pytest.mark.parametrize("flags", [(), ("-ldflags=-s -w",), ("-buildmode=pie",)])
def test_a_module_replaced_by_a_folder_is_read_as_go_reads_it(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    module = "module example.com/tool\n\ngo 1.18\n\nrequire example.com/dep v1.2.3\n"
    files = {
        "go.mod": module + "\nreplace example.com/dep => ./dep\n",
        "main.go": _MAIN,
        "dep/go.mod": "module example.com/dep\n\ngo 1.18\n",
        "dep/dep.go": _DEP,
    }
    found = _same_as_go(_go(tmp_path, files, *flags))
    assert found.main is not None and found.main.path == "example.com/tool"
    assert found.dependencies == (Module("example.com/dep", "v1.2.3", ("./dep", "(devel)")),)


def test_a_vendored_fork_is_read_as_go_reads_it_with_and_without_sections(tmp_path: Path) -> None:
    module = "module example.com/tool\n\ngo 1.18\n\nrequire example.com/dep v1.2.3\n"
    line = "# example.com/dep v1.2.3 => example.com/fork v1.4.0\n"
    files = {
        "go.mod": module + "\nreplace example.com/dep v1.2.3 => example.com/fork v1.4.0\n",
        "main.go": _MAIN,
        "vendor/modules.txt": f"{line}## explicit; go 1.18\nexample.com/dep\n",
        "vendor/example.com/dep/dep.go": _DEP,
    }
    path = _go(tmp_path, files, "-mod=vendor")
    found = _same_as_go(path)
    fork = ("example.com/fork", "v1.4.0")
    assert found.dependencies == (Module("example.com/dep", "v1.2.3", fork),)
    stripped = bytearray(path.read_bytes())
    struct.pack_into("<Q", stripped, 40, 0)
    assert _read(bytes(stripped)) == found
