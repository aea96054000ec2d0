"""What the parts of an image say of each other: media types, descriptors, facts about a layer.

Rules: OCI image-spec 1.1, config.md, manifest.md, image-index.md, image-layout.md, descriptor.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"

LAYOUT = {"imageLayoutVersion": "1.0.0"}

BLOBS = "blobs/sha256"


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def blob_path(digest: str) -> str:
    """Where a layout keeps a blob, relative to the layout's folder."""
    return f"{BLOBS}/{digest[len('sha256:') :]}"


def platform(raw: Mapping[str, Any]) -> dict[str, str]:
    """What a document says of its platform, in the order in which people write it: os first."""
    return {key: str(raw[key]) for key in ("os", "architecture", "variant") if raw.get(key)}


class Layer(NamedTuple):
    """What is known of a layer's blob.

    `size` are its bytes on the wire and `unpacked` those of the tar in it; `files` counts what is
    not a directory, and `disk` sums the sizes of its files, hard links counted once.
    """

    digest: str
    diff_id: str
    size: int
    unpacked: int
    files: int
    disk: int
    media_type: str = LAYER_GZIP

    def to_json(self) -> dict[str, Any]:
        return {"version": jsonfile.VERSION, **self._asdict()}

    @classmethod
    def load(cls, path: str) -> Layer:
        """Raises MinimgError MINIMG-E001 when `path` holds no facts about a layer."""
        raw = jsonfile.load(path)
        with jsonfile.reading(path):
            return cls(
                digest=str(raw["digest"]),
                diff_id=str(raw["diff_id"]),
                size=int(raw["size"]),
                unpacked=int(raw["unpacked"]),
                files=int(raw["files"]),
                disk=int(raw["disk"]),
                media_type=str(raw["media_type"]),
            )

    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


class Blob(NamedTuple):
    """A document that is part of the image: its bytes, and how others refer to it."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        return digest_of(self.content)

    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}
