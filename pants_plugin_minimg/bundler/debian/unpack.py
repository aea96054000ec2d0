"""One package file becomes a folder: its files as an uncompressed tar, and what is known of it."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from pants_plugin_minimg.bundler import jsonfile, outputs, pieces
from pants_plugin_minimg.bundler.debian import maintscripts, package
from pants_plugin_minimg.bundler.debian.deb import Control, Deb
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.tars import index as tarindex
from pants_plugin_minimg.bundler.tars.index import Entry
from pants_plugin_minimg.bundler.tars.reader import Tape, members
from pants_plugin_minimg.bundler.text import text

DATA, DESCRIPTION = "data.tar", "package.json"


def unpack(deb: str, sha256: str, size: int, limit: int, out: str) -> None:
    """Write `out`/data.tar, the very bytes of the data member's tar, and `out`/package.json.

    `sha256` and `size` are what the lock says of the file, `limit` is how many bytes its files may
    take. Raises MinimgError: MINIMG-E027 for whatever is wrong with the package, MINIMG-E001 when
    the file cannot be read or `out` not be written. `out` is complete or not there.
    """
    subject = os.path.basename(deb)
    with jsonfile.reading(deb):
        _check(deb, sha256, size, subject)
    with outputs.whole(out) as folder:
        opened = Deb(deb, subject)
        control = opened.control()
        about = package.read(control.stanza, subject)
        with open(os.path.join(folder, DATA), "wb") as data:
            tape = Tape(opened.data(), subject, limit, data)
            entries = tarindex.package_index(members(tape), tape)
        document = _description(control, about.name, entries)
        jsonfile.write(os.path.join(folder, DESCRIPTION), jsonfile.canonical(document))


def _check(deb: str, sha256: str, size: int, subject: str) -> None:
    with open(deb, "rb") as file:
        found = os.fstat(file.fileno()).st_size
        if found != size:
            raise MinimgError(
                "MINIMG-E027", subject, f"it has {found} bytes and must have {size}", _AGAIN
            )
        digest = pieces.digest(file, hashlib.sha256())
    if digest != sha256:
        raise MinimgError(
            "MINIMG-E027",
            subject,
            f"its SHA-256 is {digest} and must be {sha256}",
            _AGAIN,
        )


_AGAIN = "Fetch it again; when it stays so, write the lock again."


def _description(control: Control, name: str, entries: list[Entry]) -> dict[str, Any]:
    return {
        "version": jsonfile.VERSION,
        "control": control.stanza,
        "index": tarindex.to_json(entries),
        "md5sums": {text(path): digest for path, digest in control.md5sums.items()},
        "conffiles": [text(path) for path in control.conffiles],
        "diversions": [item.to_json() for item in maintscripts.diversions(control.scripts, name)],
        "alternatives": [item.to_json() for item in maintscripts.alternatives(control.scripts)],
    }
