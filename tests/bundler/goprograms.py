"""Programs with the build information that Go puts into them, made without Go."""

from __future__ import annotations

from .elf_builder import Spec, build

MAGIC = b"\xff Go buildinf:"
LINES = (
    "path\texample.com/tool/cmd\n"
    "mod\texample.com/tool\t(devel)\t\n"
    "dep\texample.com/plain\tv1.2.3\th1:abc=\n"
    "dep\texample.com/old\tv1.0.0\n"
    "=>\texample.com/new\tv2.0.0\th1:def=\n"
    'build\t-ldflags="-s"\n'
)


def framed(lines: str) -> bytes:
    return b"0" * 16 + lines.encode() + b"1" * 16


def inline(version: str = "go1.21.5", lines: str = LINES) -> bytes:
    out = MAGIC + bytes([8, 2]) + bytes(16)
    for text in (version.encode(), framed(lines)):
        size = len(text)
        while size >= 0x80:
            out += bytes([size & 0x7F | 0x80])
            size >>= 7
        out += bytes([size]) + text
    return out


def data(content: bytes, misplaced: int = 0) -> bytes:
    """A program with the content in its data segment, at an address that 16 divides."""
    for padding in range(16):
        elf = build(Spec(payload=bytes(padding) + content))
        if elf.find(MAGIC) % 16 == misplaced:
            return elf
    raise AssertionError("no padding does it")
