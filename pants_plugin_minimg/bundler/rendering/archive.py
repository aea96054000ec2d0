"""The tar that engines load: an OCI layout, with the `manifest.json` that `docker load` reads."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from pants_plugin_minimg.bundler import jsonfile, outputs, pieces
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.records import NamedTuple
from pants_plugin_minimg.bundler.rendering import oci, tarstream


class _Item(NamedTuple):
    name: str  # relative to the layout, as in the archive
    path: str
    size: int | None  # None: a directory


def write(layout: str, out: str, layers: str | None = None) -> None:
    """Write the layout as a tar: 0644 and 0755, owner 0, time 0, sorted by path components.

    `layers` is a folder whose `blobs/sha256` holds the blobs that the layout lacks. Each blob is
    checked against its name while it is copied. Raises MinimgError MINIMG-E001 when the folders are
    no whole layout, and OSError.
    """
    found = {item.name: item for item in _scan(layout, "")}
    if layers is not None:
        for item in _scan(os.path.join(layers, oci.BLOBS), oci.BLOBS + "/"):
            found.setdefault(item.name, item)
    items = sorted(found.values(), key=lambda item: os.fsencode(item.name).split(b"/"))
    _check_whole(layout, set(found))
    os.makedirs(os.path.dirname(out) or ".", exist_ok=True)
    with outputs.replaced(out) as file:
        for item in items:
            if item.size is None:
                member = tarstream.Member(os.fsencode(item.name) + b"/", tarstream.DIRECTORY, 0o755)
                file.write(tarstream.header(member))
            else:
                _write_file(item, item.size, file)
        file.write(tarstream.END)


def _scan(folder: str, prefix: str) -> Iterator[_Item]:
    with jsonfile.reading(folder):
        names = sorted(os.listdir(folder), key=os.fsencode)
    for name in names:
        path = os.path.join(folder, name)
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            yield _Item(prefix + name, path, None)
            yield from _scan(path, f"{prefix}{name}/")
        elif stat.S_ISREG(found.st_mode):
            yield _Item(prefix + name, path, found.st_size)
        else:
            raise MinimgError("MINIMG-E001", path, "a layout holds files and folders only")


def _check_whole(layout: str, names: set[str]) -> None:
    """Every blob that `docker load` will look for is there."""
    path = os.path.join(layout, "manifest.json")
    with jsonfile.reading(path), open(path, "rb") as file:
        images = jsonfile.parse(file.read())
        if not isinstance(images, list) or not images:
            raise ValueError("no list of images")
        needed = [name for image in images for name in (image["Config"], *image["Layers"])]
    for name in [*needed, "oci-layout", "index.json"]:
        if name not in names:
            raise MinimgError("MINIMG-E001", layout, f"the layout does not hold {name}")


def _write_file(item: _Item, size: int, out: BinaryIO) -> None:
    member = tarstream.Member(os.fsencode(item.name), tarstream.FILE, 0o644, size)
    out.write(tarstream.header(member))
    digest, copied = hashlib.sha256(), 0
    with open(item.path, "rb") as file:
        while True:
            chunk = file.read(min(pieces.SIZE, size - copied))
            if not chunk:
                break
            digest.update(chunk)
            out.write(chunk)
            copied += len(chunk)
    out.write(tarstream.padding(size))
    folder, _, name = item.name.rpartition("/")
    if copied != size or (folder == oci.BLOBS and digest.hexdigest() != name):
        raise MinimgError("MINIMG-E001", item.path, "its bytes are not those of its name")
