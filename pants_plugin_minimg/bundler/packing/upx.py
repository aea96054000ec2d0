"""Packs one program with UPX, and proves that the program can be had back.

UPX's own test of a packed file passes on some that are broken, so the gate is stronger: what
`upx -d` unpacks must be the original, byte for byte. Otherwise the program stays as it is.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pants_plugin_minimg.bundler import jsonfile, pieces
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.packing import selfreading, upxargs
from pants_plugin_minimg.bundler.rendering import gzipstream
from pants_plugin_minimg.bundler.toolrun import Finished, Runner

#: From, and up to but not including. Before, Go's PIEs and others came out broken; 5 packs with a
#: stub that needs memfd and traps in some environments.
SUPPORTED = ((4, 2), (5, 0))

_GET_IT = (
    "Install UPX 4.2 to 4.x: Debian has it as `upx-ucl` in bookworm-backports and in trixie, and "
    "others call it `upx`."
)
_MAKE_ROOM = "Make room for it in memory and on disk, or take another setting of `upx`."
_VERSION = re.compile(r"^upx\S* (\d+)\.(\d+)(\S*)", re.MULTILINE)

# What the machine lacks must not decide what is in the image: these stop the build.
_MACHINE = (
    "OutOfMemory",
    "out of memory",
    "bad_alloc",
    *map(
        os.strerror,
        (errno.ENOSPC, errno.EIO, errno.ENOMEM, errno.EMFILE, errno.EROFS, errno.EACCES),
    ),
)

_PLAIN, _PACKED, _UNPACKED = "plain", "packed", "unpacked"


@dataclass(frozen=True)
class Packed:
    """`outcome` is "packed", "refused" (by UPX, for `reason`) or "broken" (it failed the gate).

    `plain` and `packed` are sizes in bytes, `plain_wire` and `packed_wire` those as a layer has
    them, compressed; `packed_content` is the SHA-256 of what is used.
    """

    content: str
    outcome: str
    reason: str
    plain: int
    packed: int
    plain_wire: int
    packed_wire: int
    packed_content: str
    upx_version: str
    args: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "version": jsonfile.VERSION,
            "content": self.content,
            "outcome": self.outcome,
            "reason": self.reason,
            "plain": self.plain,
            "packed": self.packed,
            "plain_wire": self.plain_wire,
            "packed_wire": self.packed_wire,
            "packed_content": self.packed_content,
            "upx_version": self.upx_version,
            "args": list(self.args),
        }


def check_args(args: Sequence[str]) -> None:
    """Raises MinimgError MINIMG-E018 for an option that does not choose how to compress."""
    for arg in args:
        if not upxargs.allowed(arg):
            raise MinimgError("MINIMG-E018", "upx", f"{arg!r} {upxargs.PROBLEM}", upxargs.REMEDY)


def version(run: Runner, cwd: str) -> str:
    """UPX's version, such as `4.2.4`. Raises MinimgError MINIMG-E017 outside `SUPPORTED`."""
    finished = _ran(run, ["--version"], cwd)
    match = _VERSION.search(finished.output)
    if finished.status != 0 or match is None:
        said = _said(finished) or f"exit status {finished.status}"
        raise MinimgError("MINIMG-E017", "upx", f"it does not tell its version: {said}", _GET_IT)
    number = f"{match[1]}.{match[2]}{match[3]}"
    if not SUPPORTED[0] <= (int(match[1]), int(match[2])) < SUPPORTED[1]:
        raise MinimgError(
            "MINIMG-E017", "upx", f"its version {number} makes programs that break", _GET_IT
        )
    return number


def pack(
    content: str, sha: str, out: str, run: Runner, scratch: str, args: Sequence[str]
) -> Packed:
    """Write to `out`/packed/SHA what the image is to hold for the program in the file `content`.

    `scratch` is an empty folder. Raises MinimgError: MINIMG-E001 when the content is not what its
    SHA-256 says, MINIMG-E017 when UPX is of another version or fails for want of something that
    the machine lacks, MINIMG-E018 for an argument that is none of compression; and OSError.
    """
    check_args(args)
    plain = os.path.join(scratch, _PLAIN)
    with jsonfile.reading(content):
        shutil.copyfile(content, plain)
    os.chmod(plain, 0o755)  # UPX refuses what cannot be executed
    if _sha256(plain) != sha:
        raise MinimgError("MINIMG-E001", content, f"its bytes are not those of {sha}")
    number = version(run, scratch)
    with open(plain, "rb") as file:
        known = selfreading.reason(file, number)
    outcome, reason = ("refused", known) if known else _try(run, scratch, args, sha)
    used = os.path.join(scratch, _PACKED if outcome == "packed" else _PLAIN)
    result = Packed(
        content=sha,
        outcome=outcome,
        reason=reason,
        plain=os.path.getsize(plain),
        packed=os.path.getsize(used),
        plain_wire=gzipstream.compressed_size(plain),
        packed_wire=gzipstream.compressed_size(used),
        packed_content=_sha256(used),
        upx_version=number,
        args=tuple(args),
    )
    folder = os.path.join(out, "packed")
    os.makedirs(folder, exist_ok=True)
    os.chmod(used, 0o755)
    shutil.move(used, os.path.join(folder, sha))
    jsonfile.write(os.path.join(folder, sha + ".json"), jsonfile.readable(result.to_json()))
    return result


def _try(run: Runner, scratch: str, args: Sequence[str], sha: str) -> tuple[str, str]:
    """Outcome and reason. After "packed" the scratch folder holds the packed program."""
    finished = _ran(run, ["-q", *args, "-o", _PACKED, _PLAIN], scratch)
    packed = os.path.join(scratch, _PACKED)
    if finished.status != 0 or not os.path.isfile(packed):
        return "refused", _said(finished) or f"UPX ended with status {finished.status}"
    plain_size, size = os.path.getsize(os.path.join(scratch, _PLAIN)), os.path.getsize(packed)
    if size >= plain_size:
        return "refused", f"packed it would be no smaller ({size} bytes, plain {plain_size})"
    finished = _ran(run, ["-q", "-t", _PACKED], scratch)
    if finished.status != 0:
        return "broken", f"`upx -t` fails: {_said(finished) or finished.status}"
    finished = _ran(run, ["-q", "-d", "-o", _UNPACKED, _PACKED], scratch)
    if finished.status != 0:
        return "broken", f"`upx -d` fails: {_said(finished) or finished.status}"
    unpacked = os.path.join(scratch, _UNPACKED)
    if not os.path.isfile(unpacked) or _sha256(unpacked) != sha:
        return "broken", "`upx -d` does not give the original's bytes back"
    return "packed", ""


def _ran(run: Runner, arguments: Sequence[str], cwd: str) -> Finished:
    try:
        finished = run(arguments, cwd)
    except OSError as error:
        raise MinimgError("MINIMG-E017", "upx", f"it cannot be run: {error}", _GET_IT) from None
    if finished.status < 0:
        died = f"it died of signal {-finished.status}"
        raise MinimgError("MINIMG-E017", "upx", died, _MAKE_ROOM)
    if finished.status != 0 and any(want in finished.errors for want in _MACHINE):
        failed = f"it could not do its work: {_said(finished)}"
        raise MinimgError("MINIMG-E017", "upx", failed, _MAKE_ROOM)
    return finished


def _said(finished: Finished) -> str:
    """The first line of standard error, without the program's and the scratch file's name."""
    for line in finished.errors.splitlines():
        line = re.sub(rf"^upx\S*: (?:(?:{_PLAIN}|{_PACKED}): )?", "", line.strip())
        if line:
            return line
    return ""


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return pieces.digest(file, hashlib.sha256())
