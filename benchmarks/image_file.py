"""Sizes of an image, read from its archive: an OCI layout, or what `docker save` writes."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

CHUNK = 1 << 20


@dataclass(frozen=True)
class Sizes:
    """All in bytes. `stored`: the layers as the archive holds them. `alike`: each layer's tar
    by `gzip -6 -n`. `disk`: regular files of the flattened tree. `files`: its non-directories."""

    stored: int
    compressed: bool
    alike: int
    disk: int
    files: int
    digest: str


def sizes(archive: Path) -> Sizes:
    with tarfile.open(archive) as tar:
        manifest, layers = _layers(tar)
        tree: dict[str, int] = {}
        stored = alike = 0
        compressed = True
        for name in layers:
            with tempfile.TemporaryFile() as plain:
                size, packed = _unpack(_member(tar, name), plain)
                stored += size
                compressed = compressed and packed
                plain.seek(0)
                alike += _gzip_size(plain)
                plain.seek(0)
                _lay(tree, plain)
    disk = sum(size for size in tree.values() if size >= 0)
    return Sizes(stored, compressed, alike, disk, len(tree), manifest)


def digest(archive: Path) -> str:
    """The digest of the image's manifest."""
    with tarfile.open(archive) as tar:
        return _layers(tar)[0]


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    found = tar.extractfile(name)
    if found is None:
        raise ValueError(f"{name} is not a file of the archive")
    return found


def _json(tar: tarfile.TarFile, name: str) -> Any:
    with _member(tar, name) as file:
        return json.load(file)


def _layers(tar: tarfile.TarFile) -> tuple[str, list[str]]:
    """The manifest's digest (the image ID for a `docker save` archive) and the layers' names."""
    names = {name[2:] if name.startswith("./") else name for name in tar.getnames()}
    if "index.json" not in names:
        saved = _json(tar, "manifest.json")[0]
        return saved["Config"], saved["Layers"]
    listing = _json(tar, "index.json")
    while "manifests" in listing:
        digest = listing["manifests"][0]["digest"]
        listing = _json(tar, _blob(digest))
    return digest, [_blob(layer["digest"]) for layer in listing["layers"]]


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(CHUNK), b"")


def _unpack(layer: IO[bytes], out: IO[bytes]) -> tuple[int, bool]:
    """Writes the layer's plain tar to `out`: its stored size, and whether that is gzip."""
    head = layer.read(2)
    layer.seek(0)
    compressed = head == b"\x1f\x8b"
    # Not zlib alone: a gzip file may have several members.
    plain = cast(IO[bytes], gzip.GzipFile(fileobj=layer)) if compressed else layer
    for chunk in _chunks(plain):
        out.write(chunk)
    return layer.seek(0, os.SEEK_END), compressed


def _gzip_size(plain: IO[bytes]) -> int:
    with subprocess.Popen(["gzip", "-6", "-n", "-c"], stdin=plain, stdout=subprocess.PIPE) as made:
        assert made.stdout is not None
        return sum(len(chunk) for chunk in _chunks(made.stdout))


def _lay(tree: dict[str, int], plain: IO[bytes]) -> None:
    """Adds one layer to the flattened tree: path to size, -1 for what is no regular file."""
    with tarfile.open(fileobj=plain, mode="r:") as tar:
        for member in tar:
            path = member.name.lstrip("./")
            folder, _, base = path.rpartition("/")
            if base.startswith(".wh."):
                tree.pop(f"{folder}/{base[4:]}".lstrip("/"), None)
            elif not member.isdir():
                tree[path] = member.size if member.isreg() else -1
