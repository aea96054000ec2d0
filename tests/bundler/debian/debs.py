"""Small tars and Debian packages, made in memory."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from pants_plugin_minimg.bundler.debian.unpack import unpack

_TYPES = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "link": tarfile.SYMTYPE,
    "hardlink": tarfile.LNKTYPE,
    "fifo": tarfile.FIFOTYPE,
    "device": tarfile.CHRTYPE,
}
LIMIT = 1 << 26


@dataclass
class File:
    """One member; `name` as the tar shall have it, any bytes but NUL."""

    name: bytes | str
    data: bytes = b""
    kind: str = "file"
    target: bytes | str = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    pax: dict[str, str] = field(default_factory=dict)


def folder(name: str, mode: int = 0o755) -> File:
    return File(name, kind="dir", mode=mode)


def link(name: str, target: str) -> File:
    return File(name, kind="link", target=target, mode=0o777)


def hardlink(name: str, target: str) -> File:
    return File(name, kind="hardlink", target=target)


def tar(files: Iterable[File], tar_format: int = tarfile.GNU_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(
        fileobj=out, mode="w", format=tar_format, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for item in files:
            info = tarfile.TarInfo()
            # A name is kept as it is: TarInfo's constructor and `tobuf` add nothing but a slash.
            info.name = os.fsdecode(item.name)
            info.type = _TYPES[item.kind]
            info.mode, info.uid, info.gid = item.mode, item.uid, item.gid
            info.linkname = os.fsdecode(item.target)
            info.pax_headers = dict(item.pax)
            info.size = len(item.data)
            archive.addfile(info, io.BytesIO(item.data))
    return out.getvalue()


def compress(data: bytes, compression: str) -> bytes:
    if compression == "gz":
        return gzip.compress(data, mtime=0)
    if compression == "xz":
        return lzma.compress(data, preset=0)
    if compression == "zst":
        return zstandard.ZstdCompressor(level=3, write_checksum=True).compress(data)
    assert compression == ""
    return data


def ar(parts: Iterable[tuple[str, bytes]]) -> bytes:
    out = b"!<arch>\n"
    for name, data in parts:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        out += data + b"\n" * (len(data) % 2)
    return out


def stanza(name: str, version: str = "1.0", **fields: str) -> str:
    lines = {"Package": name, "Version": version, "Architecture": "amd64", **fields}
    return "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in lines.items())


def control(text: str, files: Mapping[str, bytes] | None = None) -> bytes:
    members = [File("./", kind="dir", mode=0o755), File("./control", text.encode())]
    members += [File(f"./{name}", data) for name, data in sorted((files or {}).items())]
    return tar(members)


def deb(
    text: str,
    data: bytes,
    files: Mapping[str, bytes] | None = None,
    compression: str = "xz",
) -> bytes:
    """A package: its control stanza, its data as a tar, further files of the control member."""
    suffix = f".{compression}" if compression else ""
    return ar(
        [
            ("debian-binary", b"2.0\n"),
            (f"control.tar{suffix}", compress(control(text, files), compression)),
            (f"data.tar{suffix}", compress(data, compression)),
        ]
    )


def unpack_bytes(content: bytes, scratch: Path, limit: int = LIMIT) -> Path:
    """The folder that `unpack` makes of a package; its `.deb` lies beside it."""
    scratch.mkdir(exist_ok=True)
    number = len(list(scratch.iterdir()))
    path = scratch / f"{number}.deb"
    path.write_bytes(content)
    out = scratch / f"{number}.unpacked"
    unpack(str(path), hashlib.sha256(content).hexdigest(), len(content), limit, str(out))
    return out


def parents(files: Sequence[File]) -> list[File]:
    """The files with all directories above them, as every real package lists them."""
    known = {os.fsdecode(item.name).rstrip("/") for item in files}
    out = [folder("./")]
    for item in files:
        parts = os.fsdecode(item.name).rstrip("/").split("/")[1:-1]
        for end in range(1, len(parts) + 1):
            path = "./" + "/".join(parts[:end])
            if path not in known:
                known.add(path)
                out.append(folder(path + "/"))
        out.append(item)
    return out


def make(
    scratch: Path,
    name: str,
    files: Sequence[File],
    version: str = "1.0",
    scripts: Mapping[str, str] | None = None,
    **fields: str,
) -> Path:
    """A package with these files, unpacked; paths begin with `./`. md5sums are generated."""
    sums = "".join(
        f"{hashlib.md5(item.data).hexdigest()}  {os.fsdecode(item.name)[2:]}\n"
        for item in files
        if item.kind == "file"
    )
    extra = {"md5sums": sums.encode()}
    extra.update({key: value.encode() for key, value in (scripts or {}).items()})
    content = deb(stanza(name, version, **fields), tar(parents(files)), extra, "gz")
    return unpack_bytes(content, scratch)
