"""What a build left in an archive."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
import zlib
from typing import IO

from pants_plugin_minimg.bundler.errors import MinimgError, of_the_machine

#: Unpacked, a tree may be this many times its archive, and no smaller bound than 1 GiB.
_BOMB_RATIO, _BOMB_FLOOR = 1000, 1 << 30

#: What Python raises for an archive that is damaged, or that it does not understand.
DAMAGE: tuple[type[Exception], ...] = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error),
    *(EOFError, OSError, RuntimeError, ValueError),
)
try:
    from lzma import LZMAError
except ImportError:  # a Python that was built without
    pass
else:
    DAMAGE += (LZMAError,)


def unpack(source: bytes, origin: str, scratch: bytes) -> bool:
    """Whether a file is a tar or a zip: what is in it is below `scratch` then.

    Raises MinimgError MINIMG-E001 for an archive that is damaged, MINIMG-E013 for one that leaves
    its own root, and OSError for what the machine lacks, such as space.
    """
    try:
        if zipfile.is_zipfile(source):
            _unzip(source, origin, scratch)
        elif tarfile.is_tarfile(source):
            _untar(source, origin, scratch)
        else:
            return False
    except DAMAGE as error:
        if of_the_machine(error):
            raise
        raise MinimgError(
            "MINIMG-E001", origin, f"the archive cannot be unpacked: {error}"
        ) from None
    return True


def _untar(source: bytes, origin: str, scratch: bytes) -> None:
    budget = _budget(source)
    with tarfile.open(os.fsdecode(source)) as archive:
        for member in archive:
            name = os.fsencode(member.name)
            target = _inside(scratch, name, origin)
            budget = _spend(budget, member.size, origin)
            if member.isdir():
                os.makedirs(target, exist_ok=True)
            elif member.issym():
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.symlink(os.fsencode(member.linkname), target)
            elif member.islnk():
                os.link(_inside(scratch, os.fsencode(member.linkname), origin), target)
            elif member.isfile():
                stream = archive.extractfile(member)
                assert stream is not None
                _write(target, stream, member.mode)
            else:
                raise MinimgError(
                    "MINIMG-E013", origin, f"{member.name} is a device or a pipe in the archive"
                )


def _unzip(source: bytes, origin: str, scratch: bytes) -> None:
    budget = _budget(source)
    with zipfile.ZipFile(os.fsdecode(source)) as archive:
        for info in archive.infolist():
            target = _inside(scratch, os.fsencode(info.filename), origin)
            budget = _spend(budget, info.file_size, origin)
            mode = info.external_attr >> 16
            if info.is_dir():
                os.makedirs(target, exist_ok=True)
            elif mode & 0o170000 == 0o120000:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.symlink(archive.read(info), target)
            else:
                with archive.open(info) as stream:
                    _write(target, stream, mode)


def _budget(source: bytes) -> int:
    return max(_BOMB_FLOOR, os.path.getsize(source) * _BOMB_RATIO)


def _spend(budget: int, size: int, origin: str) -> int:
    if size > budget:
        raise MinimgError("MINIMG-E001", origin, "the archive unpacks to far more than its size")
    return budget - size


def _inside(scratch: bytes, name: bytes, origin: str) -> bytes:
    """The place of a member: below `scratch`, and not through a link that the archive made."""
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    at = scratch
    for part in parts[:-1]:
        at = os.path.join(at, part)
        if os.path.islink(at):
            parts = [b".."]
    if b".." in parts or name[:1] == b"/" or b"\0" in name:
        raise MinimgError(
            "MINIMG-E013", origin, f"the archive's member {os.fsdecode(name)!r} leaves its root"
        )
    return os.path.join(scratch, *parts) if parts else scratch


def _write(target: bytes, stream: IO[bytes], mode: int) -> None:
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.lexists(target):
        os.unlink(target)  # the later member wins, as with tar and unzip
    with open(target, "wb") as file:
        shutil.copyfileobj(stream, file)
    os.chmod(target, 0o755 if mode & 0o111 else 0o644)
