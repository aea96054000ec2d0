"""An image of which there are the blobs alone, as a layout without names."""

from __future__ import annotations

import os
from typing import Any

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.rendering import archive, oci


def named(document: str) -> dict[str, Any]:
    """What the manifest or index in the file `document` names: `manifests` if it is an index, else
    `blobs`, each with digest and size. Raises MinimgError MINIMG-E001.
    """
    with jsonfile.reading(document):
        with open(document, "rb") as file:
            raw = jsonfile.parse(file.read())
        if raw["mediaType"] == oci.INDEX:
            return {"blobs": [], "manifests": [_plain(each) for each in raw["manifests"]]}
        if raw["mediaType"] != oci.MANIFEST:
            raise ValueError(f"its media type is {raw['mediaType']!r}")
        return {
            "blobs": [_plain(each) for each in (raw["config"], *raw["layers"])],
            "manifests": [],
        }


def _plain(descriptor: dict[str, Any]) -> dict[str, Any]:
    return {"digest": str(descriptor["digest"]), "size": int(descriptor["size"])}


def write(blobs: str, digest: str, out: str) -> None:
    """Write the tar of the image or index `digest` (`sha256:…`), whose blobs are in the layout
    `blobs`, as far as one exists. Raises MinimgError MINIMG-E001.
    """
    with jsonfile.reading(blobs):
        files = _documents(blobs, digest)
    layout = f"{out}.layout"
    for name, content in files.items():
        jsonfile.write(os.path.join(layout, name), content)
    archive.write(layout, out, blobs)


def _documents(blobs: str, digest: str) -> dict[str, bytes]:
    """All of a layout that is no blob (OCI image-spec, image-layout.md)."""
    top = _read(blobs, digest)
    descriptor: dict[str, Any] = {
        "mediaType": top["mediaType"],
        "digest": digest,
        "size": os.path.getsize(os.path.join(blobs, oci.blob_path(digest))),
    }
    if top["mediaType"] == oci.INDEX:
        manifests = [_read(blobs, member["digest"]) for member in top["manifests"]]
    else:
        manifests = [top]
        descriptor["platform"] = oci.platform(_read(blobs, top["config"]["digest"]))
    index = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": [descriptor]}
    docker = [
        {
            "Config": oci.blob_path(manifest["config"]["digest"]),
            "RepoTags": [],
            "Layers": [oci.blob_path(layer["digest"]) for layer in manifest["layers"]],
        }
        for manifest in manifests
    ]
    return {
        "oci-layout": jsonfile.canonical(oci.LAYOUT),
        "index.json": jsonfile.canonical(index),
        "manifest.json": jsonfile.canonical(docker),
    }


def _read(blobs: str, digest: str) -> Any:
    with open(os.path.join(blobs, oci.blob_path(digest)), "rb") as file:
        return jsonfile.parse(file.read())
