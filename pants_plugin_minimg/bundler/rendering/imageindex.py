"""One reference for images of several platforms: an OCI index over manifests that stay as they are.

OCI image-spec 1.1, image-index.md. The docker of old knows no index: for `docker load` its own
manifest.json lists each image under the tag with the platform behind it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pants_plugin_minimg.bundler import jsonfile
from pants_plugin_minimg.bundler.errors import MinimgError, Problems
from pants_plugin_minimg.bundler.rendering import oci
from pants_plugin_minimg.bundler.rendering.image import named_descriptors
from pants_plugin_minimg.bundler.rendering.imagespec import IndexSpec


@dataclass(frozen=True)
class Part:
    """An image: the descriptor of its manifest, its platform, and docker's entry for it.

    `about` is its part of the info JSON, `origin` the target that it is made of.
    """

    origin: str
    descriptor: dict[str, Any]
    platform: dict[str, str]
    docker: dict[str, Any]
    about: dict[str, Any]


def label(platform: Mapping[str, str]) -> str:
    """`amd64`, `arm-v7`, `arm64` (of which there is the variant v8 alone): stands behind a tag."""
    architecture, variant = platform["architecture"], platform.get("variant")
    return f"{architecture}-{variant}" if variant not in (None, "v8") else architecture


@dataclass(frozen=True)
class ImageIndex:
    """The documents; `parts` in the index's order."""

    parts: tuple[Part, ...]
    index: oci.Blob
    spec: IndexSpec

    def files(self) -> dict[str, bytes]:
        """The layout but for the blobs of its images: path in it -> content."""
        descriptors = named_descriptors(self.index.descriptor(), self.spec.names)
        listing = {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": descriptors}
        docker = [
            {
                **part.docker,
                "RepoTags": [f"{name.name}-{label(part.platform)}" for name in self.spec.names],
            }
            for part in self.parts
        ]
        return {
            "oci-layout": jsonfile.canonical(oci.LAYOUT),
            "index.json": jsonfile.canonical(listing),
            "manifest.json": jsonfile.canonical(docker),
            oci.blob_path(self.index.digest): self.index.content,
        }


def load(origin: str, layout: str, info: str) -> Part:
    """An image of ours: the folder of its layout, of which the documents suffice, and its info
    JSON. Raises MinimgError MINIMG-E001."""
    about = jsonfile.load(info)
    index, docker = (os.path.join(layout, name) for name in ("index.json", "manifest.json"))
    with jsonfile.reading(index), open(index, "rb") as file:
        first = jsonfile.parse(file.read())["manifests"][0]
        descriptor = {key: first[key] for key in ("mediaType", "digest", "size")}
        platform = oci.platform(first["platform"])
    with jsonfile.reading(docker), open(docker, "rb") as file:
        (entry,) = jsonfile.parse(file.read())
    with jsonfile.reading(info):
        return Part(origin, descriptor, platform, entry, about["manifests"][0])


def build(spec: IndexSpec, parts: Sequence[Part]) -> ImageIndex:
    """Sorted by platform, so that the order in which images are named makes no other digest.

    Raises Problems with MINIMG-E040 for each platform that two images are for.
    """
    by_platform: dict[tuple[str, ...], list[Part]] = {}
    for part in parts:
        by_platform.setdefault(tuple(part.platform.values()), []).append(part)
    problems = [
        MinimgError(
            "MINIMG-E040",
            spec.address,
            f"{' and '.join(part.origin for part in same)} are both for {'/'.join(platform)}",
            "An index has one image for each platform: take one out.",
        )
        for platform, same in by_platform.items()
        if len(same) > 1
    ]
    if problems:
        raise Problems(problems)
    ordered = tuple(part for _, (part,) in sorted(by_platform.items()))
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": oci.INDEX,
        "manifests": [{**part.descriptor, "platform": part.platform} for part in ordered],
    }
    if spec.annotations:
        document["annotations"] = dict(spec.annotations)
    return ImageIndex(ordered, oci.Blob(oci.INDEX, jsonfile.canonical(document)), spec)
