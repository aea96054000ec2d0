"""Crates in Rust programs, where cargo-auditable recorded them."""

from __future__ import annotations

import io
import json
import random
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest

from pants_plugin_minimg.bundler.binaries.elf import ElfError, Reader
from pants_plugin_minimg.bundler.inventory import cargoaudit
from pants_plugin_minimg.bundler.inventory.cargoaudit import Crate
from tests.requirements import program

from .elf_builder import Spec, build
from .sectioned import with_section

_DOCUMENT = {
    "packages": [
        {"name": "cc", "version": "1.0.83", "source": "crates.io", "kind": "build"},
        {"name": "memchr", "version": "2.6.4", "source": "crates.io"},
        {
            "name": "tool",
            "version": "0.1.0",
            "source": "local",
            "dependencies": [0, 1],
            "root": True,
        },
    ]
}
_CRATES = (
    Crate("cc", "1.0.83", "crates.io", "build", False),
    Crate("memchr", "2.6.4", "crates.io", "runtime", False),
    Crate("tool", "0.1.0", "local", "runtime", True),
)


def _record(document: Any) -> bytes:
    return zlib.compress(json.dumps(document).encode())


def _read(elf: bytes) -> tuple[Crate, ...] | None:
    return cargoaudit.read(Reader(io.BytesIO(elf)))


def _recorded(record: bytes, **fields: Any) -> tuple[Crate, ...] | None:
    return _read(with_section(build(Spec()), b".dep-v0", record, **fields))


def test_the_section_names_every_crate() -> None:
    assert _recorded(_record(_DOCUMENT)) == _CRATES


def test_the_section_is_found_where_objcopy_puts_it(tmp_path: Path) -> None:
    record, plain, out = tmp_path / "record", tmp_path / "plain", tmp_path / "out"
    record.write_bytes(_record(_DOCUMENT))
    source = tmp_path / "main.c"
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run([program("gcc"), "-o", str(plain), str(source)], check=True)
    added = f".dep-v0={record}"
    subprocess.run([program("objcopy"), "--add-section", added, str(plain), str(out)], check=True)
    assert _read(out.read_bytes()) == _CRATES
    assert _read(plain.read_bytes()) is None


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"packages": {}},
        {"packages": ["name"]},
        {"packages": [{"name": "a", "version": "1"}]},
        {"packages": [{"name": "", "version": "1", "source": "local"}]},
        {"packages": [{"name": 1, "version": "1", "source": "local"}]},
        {"packages": [{"name": "a", "version": "1", "source": "local", "kind": "dev"}]},
        {"packages": [{"name": "a", "version": "1", "source": "local", "root": "yes"}]},
    ],
)
def test_a_document_of_another_form_tells_nothing(document: Any) -> None:
    assert _recorded(_record(document)) is None


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"no zlib",
        _record(_DOCUMENT)[:-3],
        zlib.compress(b"[" * 100000),
        zlib.compress(b'{"packages": [{"name": "\\ud800", "version": "1", "source": "local"}]}'),
        zlib.compress(b"\xff\xfe"),
    ],
)
def test_a_record_that_cannot_be_read_tells_nothing(record: bytes) -> None:
    assert _recorded(record) is None


def test_a_bomb_is_not_unpacked() -> None:
    padding = b" " * (cargoaudit.MAX_JSON + 1)
    bomb = zlib.compress(json.dumps(_DOCUMENT).encode() + padding)
    assert len(bomb) < 20_000
    assert _recorded(bomb) is None
    assert _recorded(zlib.compress(json.dumps(_DOCUMENT).encode() + padding[:-4096])) == _CRATES


def test_a_section_beyond_the_file_tells_nothing() -> None:
    record = _record(_DOCUMENT)
    assert _recorded(record, size=1 << 40) is None
    assert _recorded(record, size=1 << 20) is None


def test_damaged_programs_are_refused_or_read_and_nothing_else_happens() -> None:
    whole = with_section(build(Spec()), b".dep-v0", _record(_DOCUMENT))
    chance = random.Random(20260728)
    for _ in range(2000):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        if chance.random() < 0.2:
            del damaged[chance.randrange(len(damaged)) :]
        try:
            found = _read(bytes(damaged))
        except ElfError:
            continue  # of the reader: no ELF file any more
        assert found is None or found == _CRATES  # zlib's checksum tells the rest
