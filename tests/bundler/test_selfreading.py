"""Programs that read their own file, told before UPX is tried."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from pants_plugin_minimg.bundler.packing import selfreading
from tests.requirements import program

from .elf_builder import Spec, build
from .goprograms import data, inline

PLAIN = build(Spec())


def reason(content: bytes, version: str = "4.2.4") -> str | None:
    return selfreading.reason(io.BytesIO(content), version)


def zipped(before: bytes, comment: bytes = b"") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("__main__.py", "print(1)")
        archive.comment = comment
    return before + made.getvalue()


@pytest.mark.parametrize(
    "content,words",
    [
        (zipped(PLAIN), "a zip follows"),
        (zipped(PLAIN, b"a comment"), "a zip follows"),
        (PLAIN + b"archive" + b"MEI\014\013\012\013\016" + bytes(80), "PyInstaller"),
        (PLAIN[:8] + b"AI\2" + PLAIN[11:], "AppImage"),
        (PLAIN + b"data", "4 bytes follow the program"),
        # What is in there may speak of UPX, or be packed by it.
        (zipped(PLAIN + b"....UPX!...."), "a zip follows"),
        (PLAIN + b"UPX!" + b"MEI\014\013\012\013\016" + bytes(80), "PyInstaller"),
    ],
)
def test_what_reads_its_own_file(content: bytes, words: str) -> None:
    assert words in (reason(content) or "")


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        b"not ELF at all",
        PLAIN[:40],
        PLAIN + b"....UPX!....",  # packed already: UPX says so
        PLAIN.replace(b"\0" * 22, b"PK\5\6" + b"\xff" * 18, 1),  # no zip: its end is elsewhere
    ],
)
def test_what_does_not(content: bytes) -> None:
    assert reason(content) is None


def test_programs_of_this_machine_are_fine() -> None:
    for name in ("bash", "cat", "git"):
        assert reason(Path(program(name)).read_bytes()) is None, name


@pytest.mark.parametrize("version,breaks", [("4.2.2", True), ("4.2.4", False), ("4.3", False)])
def test_a_go_pie_and_an_old_upx(version: str, breaks: bool) -> None:
    pie = data(inline())
    assert ("position-independent Go program" in (reason(pie, version) or "")) is breaks
    assert reason(pie[:16] + b"\2\0" + pie[18:], version) is None  # ET_EXEC
