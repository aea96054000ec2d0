"""What attaches a document to an image in a registry, and the list of what is attached.

Rules: OCI image-spec 1.1, manifest.md ("Guidelines for Artifact Usage"); OCI distribution-spec 1.1,
"Pushing Manifests with Subject" and "Referrers Tag Schema".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.rendering import oci

CYCLONEDX = "application/vnd.cyclonedx+json"
_TITLE = "org.opencontainers.image.title"


@dataclass(frozen=True)
class Referrer:
    """An artifact of one document, whose manifest names the image that it is about."""

    artifact_type: str
    document: oci.Blob
    manifest: oci.Blob

    def descriptor(self) -> dict[str, Any]:
        """As the list of what is attached to an image has it."""
        return {**self.manifest.descriptor(), "artifactType": self.artifact_type}

    def files(self) -> dict[str, bytes]:
        """An OCI layout: path in it -> content."""
        return layout([self.descriptor()], [_empty(), self.document, self.manifest])


def _empty() -> oci.Blob:
    """The config of what has none; without the newline that our own documents end in."""
    return oci.Blob(oci.EMPTY, b"{}")


def build(subject: dict[str, Any], document: bytes, artifact_type: str, title: str) -> Referrer:
    """`subject` is a descriptor of the image's manifest; `title` a file name for the document.

    Raises LookupError for what is no descriptor.
    """
    blob = oci.Blob(artifact_type, document)
    manifest = {
        "schemaVersion": 2,
        "mediaType": oci.MANIFEST,
        "artifactType": artifact_type,
        "config": _empty().descriptor(),
        "layers": [{**blob.descriptor(), "annotations": {_TITLE: title}}],
        "subject": {key: subject[key] for key in ("mediaType", "digest", "size")},
    }
    return Referrer(artifact_type, blob, oci.Blob(oci.MANIFEST, jsonfile.canonical(manifest)))


def layout(descriptors: list[dict[str, Any]], blobs: list[oci.Blob]) -> dict[str, bytes]:
    """An OCI layout of documents alone: path in it -> content."""
    index = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": descriptors}
    return {
        "oci-layout": jsonfile.canonical(oci.LAYOUT),
        "index.json": jsonfile.canonical(index),
        **{oci.blob_path(blob.digest): blob.content for blob in blobs},
    }


def tag(digest: str) -> str:
    """The tag of the list, by the digest of the image."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


def listed_with(current: bytes | None, descriptor: dict[str, Any]) -> oci.Blob | None:
    """The list with one more in it; None when it is there already.

    `current` is the list that the registry has, None when it has none. What it holds stays as it
    is: signatures and what others attached. Raises ValueError when it is no image index.
    """
    index: dict[str, Any] = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": []}
    if current is not None:
        index = _index(current)
    if any(each.get("digest") == descriptor["digest"] for each in index["manifests"]):
        return None
    added = {**index, "manifests": [*index["manifests"], descriptor]}
    return oci.Blob(oci.INDEX, jsonfile.canonical(added))


def _index(content: bytes) -> dict[str, Any]:
    raw = jsonfile.parse(content)
    if not isinstance(raw, dict):
        raise ValueError("it is no image index")
    listed = raw.get("manifests")
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise ValueError("it is no image index")
    if raw.get("mediaType", oci.INDEX) != oci.INDEX:
        raise ValueError(f"it is of the type {raw['mediaType']!r}")
    return raw
