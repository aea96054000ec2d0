"""Whether the file that engines load is a whole OCI layout whose documents agree."""

from __future__ import annotations

import calendar
import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pants_plugin_minimg.bundler import jsonfile, pieces
from pants_plugin_minimg.bundler.errors import MinimgError
from pants_plugin_minimg.bundler.rendering import archive as archives
from pants_plugin_minimg.bundler.rendering import oci
from pants_plugin_minimg.bundler.rendering.image import full_reference
from pants_plugin_minimg.bundler.rendering.imageindex import label
from pants_plugin_minimg.bundler.tars.reader import DIR, FILE
from pants_plugin_minimg.bundler.tars.window import Handle, Window
from pants_plugin_minimg.bundler.verification import tars
from pants_plugin_minimg.bundler.verification.tars import finding

_MAX_DOCUMENT = 1 << 24
_LAYOUT, _INDEX, _DOCKER = "oci-layout", "index.json", "manifest.json"


@dataclass(frozen=True)
class Layer:
    """A layer's blob, and the digest that the tar in it must have."""

    digest: str
    diff_id: str
    blob: Window


@dataclass(frozen=True)
class Documents:
    """`manifest` is its digest, `created` in seconds since 1970; the lowest layer comes first."""

    manifest: str
    image_id: str
    config: Mapping[str, Any]
    platform: Mapping[str, str]
    created: int
    layers: tuple[Layer, ...]


class Archive:
    """The files of the tar by name, where they lie in it."""

    def __init__(self, path: str) -> None:
        """Raises MinimgError MINIMG-E001 when the file cannot be read."""
        with jsonfile.reading(path):
            self._handle = Handle(path)
        self.problems: list[MinimgError] = []
        self._places: dict[str, tuple[int, int]] = {}
        members, self.problems = tars.read(self._handle, path, 0)
        names = [member.name.decode("utf-8", "backslashreplace") for member in members]
        ordered = sorted(names, key=lambda name: name.rstrip("/").split("/"))
        if names != ordered or len(set(names)) != len(names):
            self.problems.append(finding(path, "its members are not sorted, each once"))
        for name, member in zip(names, members):
            if member.kind == FILE and (member.mode, member.uid, member.gid) == (0o644, 0, 0):
                self._places[name] = (member.offset, member.size)
            elif (member.kind, member.mode, member.uid, member.gid) != (DIR, 0o755, 0, 0):
                self.problems.append(finding(name, "its kind, mode or owner is not a layout's"))

    def names(self) -> set[str]:
        return set(self._places)

    def open(self, name: str) -> Window:
        """Raises LookupError."""
        return Window(self._handle, *self._places[name])

    def document(self, name: str) -> bytes:
        """Raises LookupError, or ValueError for one that is too large to be a document."""
        if self._places[name][1] > _MAX_DOCUMENT:
            raise ValueError(f"{name} is no document: it has {self._places[name][1]} bytes")
        return self.open(name).read()


def opened(path: str, scratch: str) -> Archive:
    """The tar at `path`, or that of the OCI layout in the folder `path`, made below `scratch`.

    Raises MinimgError MINIMG-E001 for what cannot be read or is no whole layout.
    """
    if not os.path.isdir(path):
        return Archive(path)
    tar = os.path.join(scratch, "layout.tar")
    archives.write(path, tar)
    return Archive(tar)


@dataclass(frozen=True)
class Found:
    """What an archive holds: one image, or those of an index of platforms, in its order.

    `digest` is that of the manifest or index.
    """

    digest: str
    images: tuple[Documents, ...]


def read(archive: Archive) -> tuple[Found | None, list[MinimgError]]:
    """The images of the archive, or None where its documents do not tell, and what is wrong."""
    problems = list(_blobs(archive))
    try:
        with jsonfile.reading("the image's documents"):
            found = _read(archive, problems)
    except MinimgError as error:
        return None, [*problems, finding(error.subject, error.problem)]
    return found, problems


def read_one(archive: Archive) -> tuple[Documents | None, list[MinimgError]]:
    """The same of an archive that must hold one image."""
    found, problems = read(archive)
    if found is None or len(found.images) == 1:
        return None if found is None else found.images[0], problems
    number = len(found.images)
    return None, [*problems, finding(_INDEX, f"it names {number} images, where one is understood")]


def _blobs(archive: Archive) -> Iterator[MinimgError]:
    for name in sorted(archive.names()):
        folder, _, digest = name.rpartition("/")
        if folder == oci.BLOBS:
            found = pieces.digest(archive.open(name), hashlib.sha256())
            if found != digest:
                yield finding(name, f"its bytes have the digest {found}")
        elif name not in (_LAYOUT, _INDEX, _DOCKER):
            yield finding(name, "it is no part of an image")


def _read(archive: Archive, problems: list[MinimgError]) -> Found:
    """Raises what jsonfile.reading turns into an error."""
    if archive.document(_LAYOUT) != jsonfile.canonical(oci.LAYOUT):
        problems.append(finding(_LAYOUT, "it is not that of image layout 1.0.0"))
    index = _canonical(archive, _INDEX, problems)
    descriptors = index["manifests"]
    digests = {descriptor["digest"] for descriptor in descriptors}
    if len(digests) != 1:
        raise ValueError(f"{_INDEX} names {len(digests)} images, where one is understood")
    top = descriptors[0]
    listed = [top["digest"]]
    members = [top]
    if top["mediaType"] == oci.INDEX:
        platforms = _described(archive, top, oci.INDEX, problems)
        members = platforms["manifests"]
    images = [_image(archive, member, problems) for member in members]
    platform = images[0].platform if members == [top] else None
    wanted = {**_plain(top), **({} if platform is None else {"platform": platform})}
    for descriptor in descriptors:
        same = {key: value for key, value in descriptor.items() if key != "annotations"}
        if same != wanted:
            problems.append(finding(_INDEX, "its entries differ in more than the name"))
    for member, image in zip(members, images):
        if member.get("platform") != image.platform:
            problems.append(finding(member["digest"], "the index gives another platform"))
    suffixes = [""] if members == [top] else [f"-{label(image.platform)}" for image in images]
    _compare_docker(archive, descriptors, images, suffixes, problems)
    for image in images:
        listed += [image.manifest, image.image_id, *(layer.digest for layer in image.layers)]
    for name in sorted(archive.names()):
        folder, _, digest = name.rpartition("/")
        if folder == oci.BLOBS and f"sha256:{digest}" not in listed:
            problems.append(finding(name, "no document names it"))
    if index != {"schemaVersion": 2, "mediaType": oci.INDEX, "manifests": descriptors}:
        problems.append(finding(_INDEX, "it holds more than an index of ours"))
    return Found(top["digest"], tuple(images))


def _image(
    archive: Archive, descriptor: Mapping[str, Any], problems: list[MinimgError]
) -> Documents:
    manifest = _described(archive, descriptor, oci.MANIFEST, problems)
    config = _described(archive, manifest["config"], oci.CONFIG, problems)
    return Documents(
        manifest=descriptor["digest"],
        image_id=manifest["config"]["digest"],
        config=config,
        platform=oci.platform(config),
        created=calendar.timegm(time.strptime(config["created"], "%Y-%m-%dT%H:%M:%SZ")),
        layers=_layers(archive, manifest, config, problems),
    )


def _plain(descriptor: Mapping[str, Any]) -> dict[str, Any]:
    return {key: descriptor.get(key) for key in ("digest", "size", "mediaType")}


def _canonical(archive: Archive, name: str, problems: list[MinimgError]) -> Any:
    raw = archive.document(name)
    document = jsonfile.parse(raw)
    if jsonfile.canonical(document) != raw:
        problems.append(finding(name, "it is not in the canonical form that we write"))
    return document


def _described(
    archive: Archive, descriptor: Mapping[str, Any], media_type: str, problems: list[MinimgError]
) -> Any:
    name = oci.blob_path(descriptor["digest"])
    raw = archive.document(name)
    if descriptor["size"] != len(raw) or descriptor["mediaType"] != media_type:
        problems.append(finding(name, "its descriptor gives another size or media type"))
    return _canonical(archive, name, problems)


def _layers(
    archive: Archive,
    manifest: Mapping[str, Any],
    config: Mapping[str, Any],
    problems: list[MinimgError],
) -> tuple[Layer, ...]:
    diff_ids, histories = config["rootfs"]["diff_ids"], config["history"]
    found = []
    if not len(manifest["layers"]) == len(diff_ids) == len(histories):
        raise ValueError(
            f"{len(manifest['layers'])} layers, {len(diff_ids)} diff_ids and {len(histories)} "
            "entries of the history"
        )
    for descriptor, diff_id in zip(manifest["layers"], diff_ids):
        name = oci.blob_path(descriptor["digest"])
        blob = archive.open(name)
        size = blob.seek(0, 2)
        blob.seek(0)
        if descriptor["size"] != size or descriptor["mediaType"] != oci.LAYER_GZIP:
            problems.append(finding(name, "its descriptor gives another size or media type"))
        found.append(Layer(descriptor["digest"], str(diff_id), blob))
    return tuple(found)


def _compare_docker(
    archive: Archive,
    descriptors: Any,
    images: Sequence[Documents],
    suffixes: Sequence[str],
    problems: list[MinimgError],
) -> None:
    """What `docker load` reads must be the same images under the same names."""
    listed = _canonical(archive, _DOCKER, problems)
    key = "io.containerd.image.name"
    names = [item["annotations"][key] for item in descriptors if "annotations" in item]
    if len(listed) != len(images):
        raise ValueError(f"{_DOCKER} has {len(listed)} images, and {_INDEX} {len(images)}")
    for entry, image, suffix in zip(listed, images, suffixes):
        if entry["Config"] != oci.blob_path(image.image_id) or entry["Layers"] != [
            oci.blob_path(layer.digest) for layer in image.layers
        ]:
            problems.append(finding(_DOCKER, f"it names other blobs than {_INDEX}"))
        if [f"{name}{suffix}" for name in names] != [
            full_reference(name) for name in entry["RepoTags"]
        ]:
            problems.append(finding(_DOCKER, f"it has other names than {_INDEX}"))
