"""Reads an image's tar back, for tests."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Image:
    manifest: dict[str, Any]
    config: dict[str, Any]
    layers: list[list[tarfile.TarInfo]]
    contents: dict[str, bytes]
    manifest_digest: str

    def paths(self) -> list[str]:
        """Every path that is not a directory, in the order of the layers."""
        return [info.name for layer in self.layers for info in layer if not info.isdir()]


def read(path: Path) -> Image:
    """Every blob's digest is checked on the way."""
    with tarfile.open(path) as archive:
        blobs = {}
        for member in archive:
            stream = archive.extractfile(member)
            if stream is not None and member.name.startswith("blobs/sha256/"):
                content = stream.read()
                name = member.name.rpartition("/")[2]
                assert hashlib.sha256(content).hexdigest() == name
                blobs["sha256:" + name] = content
            elif member.name == "index.json":
                assert stream is not None
                index = json.load(stream)
    digest = index["manifests"][0]["digest"]
    manifest = json.loads(blobs[digest])
    layers, contents = [], {}
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(blobs[layer["digest"]]), mode="r:gz") as archive:
            members = archive.getmembers()
            layers.append(members)
            for member in members:
                if member.isreg():
                    stream = archive.extractfile(member)
                    assert stream is not None
                    contents[member.name] = stream.read()
    return Image(
        manifest, json.loads(blobs[manifest["config"]["digest"]]), layers, contents, digest
    )
